"""From what a turn of the fleet tells a device to the setpoint that its executor is given."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from adapters.driving.plans import SitePlan
from adapters.links.obeys import emergency_cause
from dispatch.control.fleet_turn import ORIGINS, Told
from dispatch.control.setpoint import Setpoint

OVERLAP: Final = timedelta(seconds=60)
"""A setpoint holds so much longer than its interval: the next one takes its place, none leaves a hole."""
ENDING: Final = timedelta(seconds=5)
"""As OVERLAP, where an emergency ends at an instant: nothing of it goes on for a minute without a driver."""
STEADY_PERMILLE: Final = 10
"""A setpoint is not raised by less than this part of the rating: each raise is an intent on record."""
_QUARTER: Final = timedelta(minutes=15)


def wished(
    before: Setpoint | None,
    told: Told,
    plan: SitePlan | None,
    now: datetime,
    *,
    band_w: int,
    rated_w: int,
    ends_at: datetime | None = None,
) -> Setpoint | None:
    """The setpoint of a device that follows a plan or obeys an emergency; None where its executor goes by the
    loss table itself. `before` is what it was given last; `ends_at` is when the emergency ends by itself."""
    if told.why in ("fallback", "nothing_planned", "kept"):
        return None
    if told.why == "emergency":
        cause = emergency_cause(told.emergencies[0])
    else:
        assert plan is not None, "it follows one"
        cause = plan.cause
    expires_at = (_quarter_after(now) if plan is None else plan.until) + OVERLAP
    if ends_at is not None:
        expires_at = min(expires_at, ends_at + ENDING)
    step_w = rated_w * STEADY_PERMILLE // 1000
    setpoint = Setpoint(
        setpoint_w=told.setpoint_w,
        expires_at=expires_at,
        origin="regulation" if band_w else ORIGINS[told.why],
        cause=cause,
        band_w=_band(before, told, band_w, step_w),
    )
    return steadied(before, setpoint, step_w)


def _band(before: Setpoint | None, told: Told, band_w: int, step_w: int) -> int:
    """The band that stands, as long as the room for it changed little: each other one is an intent."""
    if not band_w or before is None or before.setpoint_w != told.setpoint_w:
        return band_w
    return before.band_w if before.band_w <= band_w < before.band_w + step_w else band_w


def steadied(before: Setpoint | None, after: Setpoint, step_w: int) -> Setpoint:
    """What is wished anew, or what was wished where it would only be raised by less than `step_w`.

    >>> at = datetime.fromisoformat("2026-08-03T00:00:00Z")
    >>> was, more, less = (
    ...     Setpoint(setpoint_w=w, expires_at=at, origin="plan", cause="p") for w in (-50, -55, -49))
    >>> [steadied(was, one, 10).setpoint_w for one in (more, less)]
    [-50, -49]
    """
    if before is None or msgspec.structs.replace(before, setpoint_w=after.setpoint_w) != after:
        return after
    raised = abs(after.setpoint_w) - abs(before.setpoint_w)
    same_side = before.setpoint_w * after.setpoint_w > 0
    return before if same_side and 0 < raised < step_w else after


def _quarter_after(now: datetime) -> datetime:
    epoch = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    return epoch + ((now - epoch) // _QUARTER + 1) * _QUARTER
