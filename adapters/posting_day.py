"""Whether a booking is posted later than its own day, because that day's month is closed (DOMAIN.md 3.10)."""

from __future__ import annotations

from datetime import date

from adapters.front_door import FrontDoor
from ledger.interval import Month
from ledger.month_close import AGGREGATE, Closing


def posted_late(door: FrontDoor, day: date) -> date | None:
    """The first open day, on which a booking of `day` is posted now; None where it is posted on its own."""
    closing = door.state(AGGREGATE)
    last = closing.last if isinstance(closing, Closing) else None
    return None if last is None or Month.of(day) > last else last.next().first_day
