"""The posting days that a journal is read for: a month, up to and with a day of it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import overload

from ledger.interval import Month, checked_year
from ledger.refusal import Refused


@overload
def posted_days(month: Month, effective: date | None) -> tuple[date, date]: ...


@overload
def posted_days(month: Month | None, effective: date | None) -> tuple[date | None, date | None]: ...


def posted_days(month: Month | None, effective: date | None) -> tuple[date | None, date | None]:
    """The days [first, end) of `month`, of which those after `effective` are left out; None is without bound.

    Raises:
        Refused: `effective_day` for a day outside the month; `year`.
    """
    if effective is not None:
        checked_year(effective, "effective")
    until = None if effective is None else effective + timedelta(days=1)
    if month is None:
        return None, until
    first, end = month.first_day, month.next().first_day
    if effective is not None and not first <= effective < end:
        raise Refused("effective_day", f"{effective} is not a day of {month}", place="effective")
    return first, until or end
