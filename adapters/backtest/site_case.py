"""From what a month is settled from to what a storage would have met in it."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from typing import Final, NamedTuple

import numpy as np

from adapters.backtest.priced_day import (
    Bearing,
    PriceHistory,
    Timing,
    forecast_prices,
)
from dispatch.forecasts.day_table import local_slots
from dispatch.plan_check import Whole
from dispatch.planning.storage_terms import StorageTerms
from dispatch.value.settled_way import check_countable, covered_intervals, spot_rule
from dispatch.value.simulated import USUAL_DAYS, Prices, known_prices, trailing_mean
from dispatch.value.site_month import SiteMonth, table_of
from ledger.demand import CapacityCharge, ContractDemand
from ledger.interval import Month, midnight, zone_of
from ledger.meter import Meter
from ledger.quantity import Price, round_half_away
from ledger.refusal import Refused
from ledger.settlement.inputs import Inputs, SiteInputs
from ledger.streams.spot import SpotRule
from ledger.tariff import Tariff, prices_of_month

_MICRO: Final = 10**6
_BAND: Final = Fraction(105, 100)
"""Of a declared demand; what is above it counts double (DOMAIN.md 3.3)."""
_WH_PER_W_S: Final = 3600


class SiteKnown(NamedTuple):
    """What is known of a site beside its month's inputs: its storage's terms, its load on whole days just
    before (days x slots, W), where it is at spot the market's prices; and its meters."""

    terms: StorageTerms
    known_w: Whole
    prices: PriceHistory | None = None
    meters: tuple[Meter, ...] = ()


class SiteCaseOf(NamedTuple):
    """A site's month, its prices as a plan knows them, and those that the rule looks at."""

    month: SiteMonth
    prices: Prices
    rule_micro: Whole
    covered: slice
    """Which of the month's intervals are the contract's."""


def site_case(inputs: Inputs, site: SiteInputs, known: SiteKnown, timing: Timing) -> SiteCaseOf:
    """The site's part of a contract's month.

    Raises:
        Refused: `backtest_site`, see `check_countable`; `price_missing` for a market month without prices;
            what `prices_of_month` refuses.
    """
    check_countable(site)
    covered = covered_intervals(inputs, site)
    rule = spot_rule(site)
    zone = site.site.zone
    begin = int(midnight(inputs.month.first_day, zone_of(zone)).timestamp())
    start = begin + site.interval_s * np.arange(covered.start, covered.stop, dtype=np.int64)
    ordinal, slot = local_slots(start, site.interval_s, zone)
    day = ordinal - ordinal[0]
    price, sell, bearing = _prices(inputs.month, site, covered, rule)
    load = np.zeros(len(start), dtype=np.int64)
    if rule is None and site.load_wh is not None:
        load = site.load_wh[covered] * _WH_PER_W_S // site.interval_s
    peak_micro, least = (0, 0) if rule is not None else _demand(site, inputs.month)
    slots = 86_400 // site.interval_s
    month = SiteMonth(
        id=site.site.id,
        interval_s=site.interval_s,
        first_day=inputs.month.first_day
        + timedelta(days=int(ordinal[0]) - inputs.month.first_day.toordinal()),
        load_w=load,
        buy_micro=price + bearing.drawn_micro,
        sell_micro=sell + bearing.sent_micro,
        day=day,
        slot=slot,
        terms=known.terms,
        start_wh=known.terms.end_wh,
        known_w=known.known_w if load.any() else np.zeros((0, slots), dtype=np.int64),
        peak_price_micro=peak_micro,
        least_w=least,
        at_spot=rule is not None,
    )
    if rule is None:
        return SiteCaseOf(month, known_prices(month), month.buy_micro, covered)
    if known.prices is None:
        raise Refused("price_missing", "the market's prices are not known", place=f"site {site.site.id}")
    before = _before_micro(known.prices, month)
    return SiteCaseOf(
        month,
        forecast_prices(known.prices, month, timing, bearing),
        trailing_mean(month, before + bearing.drawn_micro),
        covered,
    )


def _prices(
    month: Month, site: SiteInputs, covered: slice, rule: SpotRule | None
) -> tuple[Whole, Whole, Bearing]:
    """What energy costs and what is paid for it, before what is borne beside it."""
    if rule is None:
        prices = prices_of_month(site.tariff, month, site.interval_s)
        buy = scaled_micro(prices.mantissa[covered], prices.scale)
        export = site.site.account.export_price
        return buy, np.full(len(buy), 0 if export is None else _micro(export), dtype=np.int64), Bearing()
    market = site.market
    assert market is not None, "a month at spot has its market"
    series = None if market.spot is None else market.spot.day_ahead or market.spot.real_time
    if series is None:
        raise Refused("price_missing", "the site states no market_point", place=f"site {site.site.id}")
    block = series.between(market.interval)
    micro = scaled_micro(block.mantissas, block.scale)
    bearing = _bearing(site.tariff, month, rule)
    whole = len(range(covered.start, covered.stop)) * site.interval_s // series.interval_s
    if len(micro) != whole:
        raise Refused("price_interval", f"{len(micro)} prices for {whole} intervals", place=site.site.id)
    from adapters.backtest.priced_day import at_interval

    found = at_interval(micro, series.interval_s, site.interval_s)
    return found, found, bearing


def _bearing(tariff: Tariff, month: Month, rule: SpotRule) -> Bearing:
    """Transmission and funds (DOMAIN.md 3.5): of all that is drawn; or, given back by what is sent, of the
    losses alone."""
    if rule.charging_bears in ("nothing", "billed_elsewhere"):
        return Bearing()
    components = tariff.table_for(month).components
    if components is None:
        raise Refused("grid_charges", f"tariff {tariff.id} of {month} states no components", place=tariff.id)
    micro = _micro(components.transmission) + _micro(components.government_fund)
    return Bearing(micro, micro if rule.charging_bears == "losses" else 0)


def _before_micro(prices: PriceHistory, month: SiteMonth) -> Whole:
    """The prices of the days before the first, days x slots: of those that are known."""
    known = prices.known
    ordinal, slot = local_slots(known.start, known.interval_s, prices.zone)
    end = month.first_day.toordinal()
    there = (ordinal >= end - USUAL_DAYS) & (ordinal < end)
    if not there.any() or known.interval_s % month.interval_s:
        return np.zeros((0, month.slots), dtype=np.int64)
    days = np.unique(ordinal[there])
    day = np.searchsorted(days, ordinal[there])
    values = np.rint(known.value[there]).astype(np.int64)
    table = table_of(values, day, slot[there], 86_400 // known.interval_s)
    return np.repeat(table, known.interval_s // month.interval_s, axis=1)


def _demand(site: SiteInputs, month: Month) -> tuple[int, int]:
    """10^-6 of money per kW and month, and the W that are paid for anyway."""
    terms = site.site.account.demand
    if terms is None or isinstance(terms, CapacityCharge) or site.load_wh is None:
        return 0, 0
    price = site.tariff.table_for(month).demand
    if price is None:
        wrong = f"{site.tariff.id} has no demand price for {month}"
        raise Refused("price_missing", wrong, place="prices.demand")
    if isinstance(terms, ContractDemand):
        return 2 * _micro(price), int(_BAND * terms.charged_contract_w)
    return _micro(price), 0


def scaled_micro(mantissa: Whole, scale: int) -> Whole:
    """Prices at a scale as whole millionths, the half away from zero: only plans see them."""
    if scale <= 6:
        return np.asarray(mantissa * 10 ** (6 - scale), dtype=np.int64)
    divisor = 10 ** (scale - 6)
    return np.asarray(np.sign(mantissa) * ((np.abs(mantissa) + divisor // 2) // divisor), dtype=np.int64)


def _micro(price: Price) -> int:
    return round_half_away(price.exact * _MICRO)
