"""What a local day took out of a storage's cells before a plan begins: as read, else as planned."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, NamedTuple

from adapters.planning.portfolio import Horizon, day_of
from adapters.queries.recorded_plans import RecordedPlan
from dispatch.planning.storage_terms import StorageTerms
from ledger.interval import midnight, zone_of

_PPM: Final = 1_000_000
_S_PER_HOUR: Final = 3600


class Discharged(NamedTuple):
    """Wh that its meters read of what the storage gave, and whether every interval was read."""

    wh: int
    whole: bool


def began_before(terms: StorageTerms, zone: str, horizon: Horizon) -> datetime | None:
    """When the local day of the start began, where the day's discharge has a limit and some of it is over."""
    if terms.day_discharge_wh is None:
        return None
    began = midnight(day_of(zone, horizon.start), zone_of(zone)).astimezone(UTC)
    return None if began >= horizon.start else began


def taken_out(
    site: str,
    terms: StorageTerms,
    read: Discharged | None,
    over: tuple[datetime, datetime],
    led: RecordedPlan | None,
) -> tuple[int, str]:
    """Wh of the cells between two instants of a day, and what to know of it.

    `led` is the plan that leads up to the end. Where not all is read, the more of what is and of what was
    planned is taken.
    """
    wh = 0 if read is None else read.wh * _PPM // terms.discharge_ppm
    if read is not None and read.whole:
        return wh, ""
    if led is not None:
        planned = _planned_wh(led, site, over) * _PPM // terms.discharge_ppm
        if led.head.start > over[0]:
            planned += led.head.discharged_wh.get(site, 0)
        wh = max(wh, planned)
    return (
        wh,
        f"{site}: not all that the day discharged is read: {wh} Wh are taken, as read or planned",
    )


def _planned_wh(led: RecordedPlan, site: str, over: tuple[datetime, datetime]) -> int:
    """What the plan has the storage give from the first instant, or its own start, until the second."""
    planned = led.of(site)
    if planned is None:
        return 0
    part = slice(max(0, led.at(over[0])), led.at(over[1]))
    return sum(max(power, 0) for power in planned.setpoint_w[part]) * led.head.interval_s // _S_PER_HOUR
