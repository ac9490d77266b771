"""A wish that is being carried out, and the setpoint that the device has of us."""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from dispatch.control.interlock import Interlock
from dispatch.control.setpoint import Setpoint

REFUSED_MAX = 2
"""A setpoint that the device did not take is written again once."""
OVERWRITTEN_MAX = 1
"""Somebody else's setpoint is written over once for each wish."""


class Wish(msgspec.Struct, kw_only=True):
    """A setpoint and what became of it so far. `number` is the driver's own. `sequence` is 0 until its intent
    is on record."""

    setpoint: Setpoint
    number: int
    urgent: bool = False
    """An emergency's stop: it is never given up."""
    idle: bool = False
    """A stop because nothing else is known: a device that shows 0 W needs none."""
    day: date
    sequence: int = 0
    plan_until: datetime | None = None
    refused: frozenset[frozenset[Interlock]] = frozenset()
    """The interlocks that were recorded: each set of them once."""
    not_applied: int = 0
    overwritten: int = 0
    safe_states: int = 0
    ended: bool = False
    again_at: float = 0.0
    """On the clock that never goes back."""


class AtDevice(msgspec.Struct, kw_only=True):
    """The last setpoint that was written. `sequence` is 0 while a `journal` entry is not told."""

    setpoint: Setpoint
    day: date
    sequence: int = 0
    journal: str = ""
    target_w: int
    """What is written now: within the band of the setpoint."""
    came_from_w: int | None = None
    """What was written before that, within the band."""
    under_way_w: frozenset[int] = frozenset()
    """What it may show as well, written within the band or standing there before, until a reading of
    `under_way_until` or later."""
    under_way_until: datetime | None = None
    before_w: int | None
    written_at: datetime
    confirmed: bool = False
    seen: bool = False
    refreshed_at: float = 0.0
    expected_at: datetime
    """When the meter ought to show it."""
