"""What a person is told of a booking whose month is closed."""

from __future__ import annotations

from datetime import date

from adapters.posting_day import posted_late
from adapters.stack import Stack
from ledger.interval import Month


def print_late(stack: Stack, day: date) -> None:
    """Say when a booking of the day is posted, where that is not the day itself."""
    late = posted_late(stack.door, day)
    if late is not None:
        print(f"note: {Month.of(day)} is closed: posted on {late}, with value date {day}")
