"""A month settled as if storages had run otherwise: by the settlement's own code, in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from dispatch.plan_check import Whole
from ledger.interval import Interval, Month, midnight, zone_of
from ledger.quantity import MINOR_DIGITS
from ledger.refusal import Refused
from ledger.settlement.inputs import Inputs, SiteInputs
from ledger.settlement.markets.month import MarketMonth
from ledger.settlement.result import Result
from ledger.settlement.settle import settle
from ledger.streams.spot import (
    SpotClearing,
    SpotDeclaration,
    SpotIntradayTrade,
    SpotRealTimeClearing,
    SpotRule,
)
from ledger.tariff import prices_of_month

_ANEW = (SpotClearing, SpotDeclaration, SpotIntradayTrade, SpotRealTimeClearing)
"""What was sold at spot: another way sells something else."""


class StorageWay(NamedTuple):
    """What a storage's meter reads in each interval of the month, Wh at least 0; and what was sold of it
    day-ahead, where it is at spot: the same where `award` is None."""

    charge_wh: Whole
    discharge_wh: Whole
    award: tuple[Whole, Whole] | None = None

    @property
    def sold(self) -> tuple[Whole, Whole]:
        """Charged and discharged Wh as awarded."""
        return self.award or (self.charge_wh, self.discharge_wh)


class Worth(NamedTuple):
    """What a stream of a site is worth in minor units, and what of it is exactly which day's, by ISO date;
    under an empty name what is the month's as a whole. Whether the contract shares it."""

    minor: int
    exact: dict[str, Fraction]
    pooled: bool


Worths = dict[tuple[str, str], Worth]
"""By site and stream."""


def settled(inputs: Inputs, ways: Mapping[str, StorageWay]) -> Result:
    """The contract's month with these sites' storages running otherwise; the others as they are.

    What is outside the contract's days is not counted. At spot the way's award is cleared and declared in
    place of what was; all else that the market told stays.

    Raises:
        Refused: `backtest_site` for a site that is settled otherwise than interval by interval of one
            account; `series_shape`; what `settle` refuses.
    """
    names = [one.site.id for one in inputs.sites]
    for name in ways:
        if name not in names:
            raise Refused("unknown_site", f"the contract covers {', '.join(names)}", place=name)
    sites = tuple(
        _replaced(inputs, one, ways[one.site.id]) if one.site.id in ways else one for one in inputs.sites
    )
    return settle(inputs._replace(sites=sites))


def check_countable(site: SiteInputs) -> None:
    """That a site's month can be settled for another way.

    Raises:
        Refused: `backtest_site` for several feeders, another billing cycle than the calendar month, or
            what a trading unit's statement of a spot market allocated.
    """
    wrong = ""
    if site.feeders:
        wrong = "its account has several feeders"
    elif site.site.account.anchor_day != 1:
        wrong = f"its account is billed from day {site.site.account.anchor_day}"
    elif site.market is not None and any(one.stream == "spot" for one in site.market.allocated):
        wrong = "a spot market paid a trading unit for it, by a statement of what was delivered"
    if wrong:
        raise Refused("backtest_site", f"{wrong}: not counted for another way", place=f"site {site.site.id}")


def spot_rule(site: SiteInputs) -> SpotRule | None:
    """The rule under which the site's month is at spot; None where it is not."""
    if site.market is None:
        return None
    told = {fact.rule for fact in site.market.facts if isinstance(fact, SpotClearing)}
    found = [rule for name, rule in site.market.rules.items() if isinstance(rule, SpotRule) and name in told]
    return found[0] if found else None


def worths(inputs: Inputs, result: Result) -> Worths:
    """What each stream of each site is worth in a result of these inputs, and on which days."""
    sums: dict[tuple[str, str], tuple[int, dict[str, Fraction], bool]] = {}
    for line in result.lines:
        if line.kind != "stream" or line.site is None:
            continue
        minor, exact, pooled = sums.get((line.site, line.code), (0, {}, line.pooled))
        days = {term.label: Fraction(term.exact) for term in line.basis if _is_day(term.label)}
        days[""] = Fraction(line.exact) - sum(days.values(), Fraction(0))
        for name, value in days.items():
            exact[name] = exact.get(name, Fraction(0)) + value * 10 ** MINOR_DIGITS[line.amount.currency]
        sums[line.site, line.code] = minor + line.amount.minor, exact, pooled
    found = {key: Worth(*value) for key, value in sums.items()}
    for site in inputs.sites:
        key = (site.site.id, "arbitrage")
        if key in found:
            found[key] = _by_day(site, inputs.month, found[key])
    return found


def _by_day(site: SiteInputs, month: Month, worth: Worth) -> Worth:
    """Arbitrage by day, where it is all energy at the import price (DOMAIN.md 3.1)."""
    prices = prices_of_month(site.tariff, month, site.interval_s)
    zone = zone_of(site.tariff.zone)
    begin = midnight(month.first_day, zone)
    exact: dict[str, Fraction] = {}
    net = (site.discharge_wh - site.charge_wh).astype(object) * prices.mantissa.astype(object)
    scale = 1000 * 10**prices.scale
    for number in range(month.days):
        day = month.first_day + timedelta(days=number)
        ends = [
            int((midnight(day + timedelta(days=more), zone) - begin).total_seconds()) // site.interval_s
            for more in (0, 1)
        ]
        value = Fraction(int(net[slice(*ends)].sum()), scale) * 10 ** MINOR_DIGITS[prices.currency]
        if value:
            exact[day.isoformat()] = value
    if sum(exact.values(), Fraction(0)) != sum(worth.exact.values(), Fraction(0)):
        return worth
    return worth._replace(exact=exact or {"": Fraction(0)})


def _replaced(inputs: Inputs, site: SiteInputs, way: StorageWay) -> SiteInputs:
    check_countable(site)
    for name in ("charge_wh", "discharge_wh"):
        wh = getattr(way, name)
        if wh.shape != site.charge_wh.shape or wh.dtype != np.int64:
            wrong = f"{len(site.charge_wh)} whole Wh, not {wh.shape} {wh.dtype}"
            raise Refused("series_shape", wrong, place=f"{site.site.id}.{name}")
    covered = covered_intervals(inputs, site)
    charge, discharge = (np.zeros_like(wh) for wh in way[:2])
    charge[covered], discharge[covered] = way.charge_wh[covered], way.discharge_wh[covered]
    market = site.market
    rule = spot_rule(site)
    if market is not None and rule is not None:
        market = _sold(site, market, rule, way)
    return site._replace(charge_wh=charge, discharge_wh=discharge, market=market)


def covered_intervals(inputs: Inputs, site: SiteInputs) -> slice:
    """Which of the month's intervals are the contract's."""
    first, end = inputs.contract.days_in(inputs.month)
    zone = zone_of(site.site.zone)
    begin = midnight(inputs.month.first_day, zone)
    at = [int((midnight(day, zone) - begin).total_seconds()) // site.interval_s for day in (first, end)]
    return slice(*at)


def _sold(site: SiteInputs, market: MarketMonth, rule: SpotRule, way: StorageWay) -> MarketMonth:
    kept = tuple(fact for fact in market.facts if not isinstance(fact, _ANEW))
    first = _position(site, market.interval)
    charged, discharged = way.sold
    facts: list[SpotClearing | SpotDeclaration] = []
    for day, interval in _days(market.interval, site.site.zone):
        begin = first + int((interval.start - market.interval.start).total_seconds()) // site.interval_s
        part = slice(begin, begin + interval.seconds // site.interval_s)
        for kind, word in ((SpotClearing, "cleared"), (SpotDeclaration, "declared")):
            facts.append(
                kind(
                    id=f"{word}-{site.site.id}-{day}",
                    site=site.site.id,
                    rule=rule.id,
                    run="simulated",
                    interval=interval,
                    injected_wh=tuple(discharged[part].tolist()),
                    withdrawn_wh=tuple(charged[part].tolist()),
                )
            )
    return market._replace(facts=(*kept, *facts))


def _position(site: SiteInputs, interval: Interval) -> int:
    zone = zone_of(site.site.zone)
    local = interval.start.astimezone(zone)
    begin = midnight(local.date().replace(day=1), zone)
    return int((interval.start - begin).total_seconds()) // site.interval_s


def _days(interval: Interval, zone: str) -> Iterator[tuple[date, Interval]]:
    at = zone_of(zone)
    day = interval.start.astimezone(at).date()
    start = interval.start
    while start < interval.end:
        end = min(midnight(day + timedelta(days=1), at), interval.end)
        yield day, Interval(start, end)
        day, start = day + timedelta(days=1), end


def _is_day(label: str) -> bool:
    try:
        date.fromisoformat(label)
    except ValueError:
        return False
    return True
