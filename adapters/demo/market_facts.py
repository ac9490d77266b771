"""What markets and customers told of the portfolios' August: made up, and the same every time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from adapters.demo.roster import ZONE, RosterSite
from adapters.demo.site_month import MONTH, RESERVED_PERCENT, RESPONSE_DAYS, SiteMonth, Wh
from ledger.interval import Interval, zone_of
from ledger.streams import Fact
from ledger.streams.capacity_compensation import (
    AvailabilityMeasured,
    CapacityCertified,
    NodeAvailability,
)
from ledger.streams.demand_response import DemandResponseInstruction, DemandResponseInvitation
from ledger.streams.regulation import PriceKind, RegulationAward, RegulationPerformance, RegulationPrices
from ledger.streams.service_income import ServiceOrdered
from ledger.streams.spot import SpotClearing

PROVINCE: Final = "dr_zhejiang_2020_day_ahead_peak"
OWN_ACCOUNT: Final = "dr_zhejiang_2025_own_account"
SPOT: Final = "spot_shandong_hourly"
REGULATION: Final = "guangdong-regulation"
CAPACITY: Final = "qinghai-capacity-draft"
SERVICE: Final = "service-throughput"

_AUGUST: Final = MONTH.interval(zone_of(ZONE))
_HOURS: Final = _AUGUST.seconds // 3600
_LOT_WH: Final = 100_000
"""A declaration on the spot market is in tenths of a MWh; what is metered is not."""
_UNAVAILABLE_MIN: Final = 357
"""Of the month: an availability of 99.2 % (DOMAIN.md 2.1 Q12)."""
_TURNS: Final = 8
"""How often in an hour storage on regulation goes up and down by its award."""


def market_wide() -> Iterator[Fact]:
    """What regulation paid: yuan per MW of mileage, and per MW and hour of capacity."""
    prices: tuple[tuple[PriceKind, int], ...] = (("mileage", 600), ("capacity", 1200))
    for kind, cents in prices:
        yield RegulationPrices(
            id=f"regulation-{kind}-{MONTH}",
            rule=REGULATION,
            run="made up",
            interval=_AUGUST,
            product="regulation",
            kind=kind,
            currency="CNY",
            scale=2,
            mantissas=(cents,) * _HOURS,
        )


def facts_of(site: RosterSite, month: SiteMonth) -> Iterator[Fact]:
    """What was told of a site, by its roles."""
    if "spot" in site.roles:
        yield from _spot(site, month)
        yield from _capacity(site)
    if "response" in site.roles:
        yield from _response(site, PROVINCE, "3")
    if "second_response" in site.roles:
        yield from _response(site, OWN_ACCOUNT, "2")
    if "regulation" in site.roles:
        yield from _regulation(site)
    if "service" in site.roles:
        yield ServiceOrdered(
            id=f"service-{site.site}",
            site=site.site,
            rule=SERVICE,
            run=f"2026/08-{site.site}",
            interval=_AUGUST,
            customer=f"tenant-{site.site}",
            ordered_w=site.storage_kw * 1000,
        )


def _spot(site: RosterSite, month: SiteMonth) -> Iterator[Fact]:
    """Cleared day-ahead: what it then did, in whole lots. What lies between settles in real time."""

    def lots(quarters: Wh) -> tuple[int, ...]:
        hours = quarters.reshape(_HOURS, 4).sum(axis=1)
        return tuple(((hours + _LOT_WH // 2) // _LOT_WH * _LOT_WH).tolist())

    yield SpotClearing(
        id=f"spot-{site.site}",
        site=site.site,
        rule=SPOT,
        run="made up",
        interval=_AUGUST,
        injected_wh=lots(month.discharge),
        withdrawn_wh=lots(month.charge),
    )


def _capacity(site: RosterSite) -> Iterator[Fact]:
    watts = site.storage_kw * 1000
    yield CapacityCertified(
        id=f"capacity-{site.site}",
        site=site.site,
        rule=CAPACITY,
        run="made up",
        interval=_AUGUST,
        nameplate_w=watts,
        certified_w=watts,
        full_hours="2",
        behind_the_meter=False,
    )
    node = NodeAvailability(
        node=site.site,
        energy_wh=site.storage_kwh * 1000,
        available_min=_AUGUST.seconds // 60 - _UNAVAILABLE_MIN,
        unavailable_min=_UNAVAILABLE_MIN,
    )
    yield AvailabilityMeasured(
        id=f"availability-{site.site}",
        site=site.site,
        rule=CAPACITY,
        run="made up",
        interval=_AUGUST,
        nodes=(node,),
    )


def _response(site: RosterSite, rule: str, price: str) -> Iterator[Fact]:
    """Two calls from 10:00 to 12:00, each awarded 0.9 of the storage's power."""
    for day in RESPONSE_DAYS:
        begins = datetime(day.year, day.month, day.day, 10, tzinfo=zone_of(ZONE))
        window = Interval(begins, begins + timedelta(hours=2))
        award = DemandResponseInvitation(
            id=f"{rule}-{site.site}-{day:%m%d}",
            site=site.site,
            rule=rule,
            run=f"call of {day}",
            interval=window,
            announced=begins - timedelta(days=1),
            awarded_w=(site.storage_kw * 900,) * 8,
            clearing_price=price,
        )
        yield award
        yield DemandResponseInstruction(
            id=f"{award.id}-go",
            site=site.site,
            rule=rule,
            run=award.run,
            interval=window,
            invitation=award.id,
            issued=begins - timedelta(hours=1),
        )


def _regulation(site: RosterSite) -> Iterator[Fact]:
    """Awarded the reserved part of its power in every hour, and followed with a K that comes and goes; up and
    down cancel within a reading, so that all metered energy is the schedule's."""
    watts = site.storage_kw * 10 * RESERVED_PERCENT
    yield RegulationAward(
        id=f"regulation-{site.site}-award",
        site=site.site,
        rule=REGULATION,
        run="made up",
        interval=_AUGUST,
        product="regulation",
        capacity_w=(watts,) * _HOURS,
    )
    yield RegulationPerformance(
        id=f"regulation-{site.site}-measured",
        site=site.site,
        rule=REGULATION,
        run="made up",
        interval=_AUGUST,
        product="regulation",
        instructions=(_TURNS,) * _HOURS,
        mileage_w=(watts * _TURNS,) * _HOURS,
        score=tuple(100 + hour % 24 for hour in range(_HOURS)),
        score_scale=2,
        available_s=(3600,) * _HOURS,
        charged_wh=(0,) * _HOURS,
        discharged_wh=(0,) * _HOURS,
    )
