"""Days of a month in which a site is under no contract: what markets told of them falls to nobody."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from ledger.interval import Interval, zone_of
from ledger.settlement.markets.case import Case
from ledger.settlement.site_notice import SiteNotice
from ledger.streams.capacity_compensation import CapacityLeased
from ledger.streams.demand_response import DemandResponseOutage

_PAY_NOTHING: Final = (CapacityLeased, DemandResponseOutage)


def uncovered_notices(case: Case) -> tuple[SiteNotice, ...]:
    """A notice for each gap beside the contract's days that some payment or event reaches into."""
    found: list[SiteNotice] = []
    for gap in case.market.uncovered:
        names = sorted(
            fact.id
            for fact in case.market.facts
            if hasattr(fact, "site") and not isinstance(fact, _PAY_NOTHING) and fact.interval.overlaps(gap)
        )
        if names:
            message = (
                f"under no contract on {_days(case, gap)}: what {', '.join(names)} would earn there falls to"
                " nobody"
            )
            found.append(SiteNotice("uncovered_days", message))
    return tuple(found)


def _days(case: Case, gap: Interval) -> str:
    zone = zone_of(case.site.zone)
    first, last = (instant.astimezone(zone).date() for instant in (gap.start, gap.end - timedelta(hours=1)))
    return f"{first}" if first == last else f"{first} to {last}"
