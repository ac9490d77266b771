"""What a contract agrees on about its statements: how long a party may query them, and when money is due."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from typing import Final

import msgspec

from ledger.calendars import calendar
from ledger.clauses.share import Amount, amount
from ledger.quantity import Money
from ledger.refusal import Refused

_WORKING_DAYS_MAX: Final = 250


class Terms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Working days are those of `calendar`; DOMAIN.md 3.10 has 15 to query and 5 to answer [R]."""

    calendar: str
    query_working_days: int
    """After the issue; silence until then accepts the statement."""
    answer_working_days: int
    """From a dispute to its decision."""
    due_working_days: int
    """From the issue to the payment."""
    late_interest_per_day: Amount
    """Of the amount overdue for each calendar day, such as `0.0005`; `0` for none."""

    def __post_init__(self) -> None:
        calendar(self.calendar, "UTC" if self.calendar == "none" else None)
        for field in ("query_working_days", "answer_working_days", "due_working_days"):
            if not 0 <= getattr(self, field) <= _WORKING_DAYS_MAX:
                raise Refused("working_days", f"0 to {_WORKING_DAYS_MAX} working days", place=field)
        if amount(self.late_interest_per_day, "late_interest_per_day") >= 1:
            raise Refused("amount", "less than the whole amount a day", place="late_interest_per_day")

    def query_until(self, issued: date) -> date:
        """The last day on which the party may query what was issued on `issued`."""
        return working_day(issued, self.query_working_days, self.calendar)

    def answer_until(self, raised: date) -> date:
        """The last day for the decision on a dispute."""
        return working_day(raised, self.answer_working_days, self.calendar)

    def due(self, issued: date) -> date:
        """The last day on which paying is in time."""
        return working_day(issued, self.due_working_days, self.calendar)

    def late_interest(self, overdue: Money, days: int) -> Money:
        """Simple interest on `overdue` for calendar days after the due day, rounded once.

        >>> Terms(calendar="CN", query_working_days=15, answer_working_days=5, due_working_days=10,
        ...     late_interest_per_day="0.0005").late_interest(Money(1000000, "CNY"), 3)
        Money(minor=1500, currency='CNY')
        """
        rate = amount(self.late_interest_per_day, "late_interest_per_day")
        return Money.round(overdue.exact * rate * Fraction(max(days, 0)), overdue.currency)


def working_day(start: date, count: int, name: str) -> date:
    """The `count`-th working day after `start`; `start` itself for none.

    >>> working_day(date(2026, 2, 13), 1, "CN")  # a Friday; the Saturday is worked for the Spring Festival
    datetime.date(2026, 2, 14)

    Raises:
        Refused: `calendar_year` where the year's official calendar is not known.
    """
    days = calendar(name, "UTC" if name == "none" else None)
    day = start
    while count:
        day += timedelta(days=1)
        count -= days.day_kind(day).type == "working"
    return day
