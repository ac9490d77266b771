"""A moment of a product's day: when a gate opens or closes, and when results are published."""

from __future__ import annotations

import re
from datetime import time
from typing import Final

import msgspec

from ledger.refusal import Refused

_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_DAYS_BEFORE_MAX: Final = 400
_MINUTES_MAX: Final = 48 * 60


class DayMoment(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="from", tag="day"
):
    """A clock time of the market, `days_before` the delivery day; below zero, after it.

    With `working_days` the days are counted in working days of the market's calendar.
    """

    days_before: int
    at: str
    working_days: bool = False

    def __post_init__(self) -> None:
        if not -_DAYS_BEFORE_MAX <= self.days_before <= _DAYS_BEFORE_MAX:
            raise Refused("gate", f"{-_DAYS_BEFORE_MAX} to {_DAYS_BEFORE_MAX} days", place="days_before")
        clock_time(self.at)


class IntervalMoment(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="from", tag="interval"
):
    """Minutes before the start of the first interval that is bid for; below zero, after it."""

    minutes_before: int

    def __post_init__(self) -> None:
        if not -_MINUTES_MAX <= self.minutes_before <= _MINUTES_MAX:
            raise Refused("gate", f"{-_MINUTES_MAX} to {_MINUTES_MAX} minutes", place="minutes_before")


Moment = DayMoment | IntervalMoment


def clock_time(text: str) -> time | None:
    """A clock time; None for 24:00, which is the next day's 00:00.

    Raises:
        Refused: `gate`.
    """
    if text == "24:00":
        return None
    if not _CLOCK.fullmatch(text):
        raise Refused("gate", f"{text!r} is not a clock time such as 10:30 or 24:00", place="at")
    return time(int(text[:2]), int(text[3:]))


def follows(first: Moment, then: Moment, *, at_once: bool = False) -> bool:
    """Whether `then` comes after `first` on every day, or may: what a calendar must tell is told later."""
    match first, then:
        case DayMoment(), DayMoment() if first.working_days == then.working_days:
            order = (-first.days_before, first.at), (-then.days_before, then.at)
            return order[0] < order[1] or (at_once and order[0] == order[1])
        case IntervalMoment(), IntervalMoment():
            gap = first.minutes_before - then.minutes_before
            return gap > 0 or (at_once and gap == 0)
        case _:
            return True
