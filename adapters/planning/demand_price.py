"""What a kW more of a site's peak costs, and since when its peak is billed (DOMAIN.md 3.3)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Final, NamedTuple

from adapters.planning.portfolio import INTERVAL_S, Horizon, day_of
from adapters.planning.tariff_prices import micro_of
from ledger.billing_cycle import cycle_days
from ledger.demand import CapacityCharge, ContractDemand
from ledger.interval import Month, midnight, zone_of
from ledger.refusal import Refused
from ledger.site import Site
from ledger.tariff import Tariff

_BAND: Final = Fraction(105, 100)
"""Of a declared demand; what is above it counts double (DOMAIN.md 3.3)."""


class DemandPrice(NamedTuple):
    """10^-6 of money per kW above `least_w`, which is paid for anyway; since when the peak is billed."""

    price_micro: int
    least_w: int
    since: datetime | None
    until: datetime | None
    peak_s: int
    notes: tuple[str, ...] = ()


_NO_CHARGE: Final = DemandPrice(0, 0, None, None, INTERVAL_S)


def demand_price(site: Site, tariff: Tariff, horizon: Horizon) -> DemandPrice:
    """What a kW more costs in the billing period of the horizon's start (DOMAIN.md 3.3)."""
    account = site.account
    if account.feeders:
        note = f"{site.id}: its feeders' demand charges are not planned for"
        return _NO_CHARGE._replace(notes=(note,))
    terms = account.demand
    if terms is None or isinstance(terms, CapacityCharge):
        return _NO_CHARGE
    month, since, end = _cycle(horizon.start, account.anchor_day, account.zone)
    notes: list[str] = []
    try:
        price = tariff.table_for(month).demand
    except Refused as refused:
        if refused.code != "tariff_month":
            raise
        price = tariff.table_for(Month.of(day_of(tariff.zone, horizon.start))).demand
        notes.append(
            f"{site.id}: the demand price of {month} is not known; that of the month before stands in"
        )
    if price is None:
        raise Refused("price_missing", f"{tariff.id} has no demand price for {month}", place="prices.demand")
    if horizon.end > end:
        notes.append(f"{site.id}: the billing period ends at {end:%Y-%m-%dT%H:%M}Z, within the horizon")
    micro, least = micro_of(price), 0
    if isinstance(terms, ContractDemand):
        micro, least = 2 * micro, int(_BAND * terms.charged_contract_w)
    return DemandPrice(micro, least, since, end, terms.interval_s, tuple(notes))


def _cycle(instant: datetime, anchor_day: int, zone: str) -> tuple[Month, datetime, datetime]:
    """The month whose bill the instant is of, and when that billing period begins and ends."""
    day = day_of(zone, instant)
    month = Month.of(day)
    if anchor_day != 1 and day >= _anchor(day, anchor_day):
        month = month.next()
    at = zone_of(zone)
    first, end = (midnight(one, at).astimezone(UTC) for one in cycle_days(month, anchor_day))
    return month, first, end


def _anchor(day: date, anchor_day: int) -> date:
    return day.replace(day=anchor_day)
