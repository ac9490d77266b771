"""What a member learns from: the subject's days, what is known of the days to come, and their kinds."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from dispatch.forecasts.day_table import DayTable, Values
from ledger.calendars import Calendar
from ledger.refusal import Refused

SEASON_DAYS: Final = 28
"""Over how many days the level and the mean profile are taken."""

HOURS: Final = 24

Flags = npt.NDArray[np.bool_]


class Past(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """The subject's days up to the last that is known whole, inputs that reach further, and a calendar.

    `inputs` are other quantities, such as a load forecast or the weather, as they were known before each day.
    """

    days: DayTable
    calendar: Calendar
    inputs: dict[str, DayTable] = {}

    @property
    def last(self) -> date:
        """The last day known whole."""
        return self.days.last

    def until(self, last: date) -> Past:
        """What was known of the subject when `last` was its last known day; inputs reach further still."""
        return msgspec.structs.replace(self, days=self.days.until(last))

    def levels(self, first: date, last: date, lead: int) -> tuple[Values, Values]:
        """Of each day its slots' means over the weeks known by then, and how far their values are spread.

        `lead` is how many days ahead of the last known day a forecast reaches. The spread is one number a
        day, above 0; days before which nothing is known have a level of 0.
        """
        begin = first - timedelta(days=lead + SEASON_DAYS - 1)
        window = self.days.between(begin, last - timedelta(days=lead))
        known = ~np.isnan(window)
        sums, counts = _running(np.where(known, window, 0.0)), _running(known.astype(np.float64))
        squares = _running(np.where(known, window, 0.0) ** 2)
        everything = np.maximum(counts.sum(axis=1), 1.0)
        level = sums.sum(axis=1) / everything
        variance = squares.sum(axis=1) / everything - level**2
        # A slot that four weeks do not know is taken from the days' other slots: a hole is no profile.
        mean = np.where(counts > 0, sums / np.maximum(counts, 1.0), level[:, None])
        floor = 1e-3 * np.maximum(np.abs(level), 1e-6)
        return mean, np.maximum(np.sqrt(np.maximum(variance, 0.0)), floor)

    def foreseen(self, first: date, last: date, lead: int) -> Flags:
        """Whether anything was known in the weeks that each day's level is taken from."""
        begin = first - timedelta(days=lead + SEASON_DAYS - 1)
        window = self.days.between(begin, last - timedelta(days=lead))
        return np.asarray(_running((~np.isnan(window)).astype(np.float64)).sum(axis=1) > 0)

    def kinds(self, first: date, last: date) -> Values:
        """For each day seven weekdays, whether it is off, whether it is a holiday, whether a day off follows
        or went before, and where in the year it lies: 0 or 1, and a sine and cosine."""
        count = (last - first).days + 1
        days = [first + timedelta(days=n) for n in range(-1, count + 1)]
        off = np.array([self._off(day) for day in days])
        found = np.zeros((count, 13))
        for n, day in enumerate(days[1:-1]):
            found[n, day.weekday()] = 1.0
            angle = 2 * np.pi * day.timetuple().tm_yday / 365.25
            found[n, 11:] = np.sin(angle), np.cos(angle)
        found[:, 7:9], found[:, 9], found[:, 10] = off[1:-1], off[2:, 0], off[:-2, 0]
        return found

    def without_notice(self, first: date, last: date) -> int | None:
        """The first year among those days of which the calendar has no official holidays yet."""
        for year in range(first.year, last.year + 1):
            if not self._has_notice(year):
                return year
        return None

    def _has_notice(self, year: int) -> bool:
        try:
            self.calendar.day_kind(date(year, 1, 1))
        except Refused:
            return False
        return True

    def _off(self, day: date) -> tuple[float, float]:
        """Without the year's notice weekends alone are known, which the forecast then says."""
        if not self._has_notice(day.year):
            return float(day.weekday() > 4), 0.0
        kind = self.calendar.day_kind(day).type
        return float(kind != "working"), float(kind == "holiday")


def by_hour(values: Values) -> Values:
    """Days of many slots as means of at most 24: what a profile's shape needs."""
    slots = values.shape[1]
    if slots <= HOURS:
        return values
    return np.asarray(values.reshape(len(values), HOURS, slots // HOURS).mean(axis=2))


def column_means(rows: Values) -> Values:
    """The mean of what each column knows; NaN where it knows nothing."""
    count = (~np.isnan(rows)).sum(axis=0)
    return np.where(count > 0, np.nansum(rows, axis=0) / np.maximum(count, 1), np.nan)


def _running(rows: Values) -> Values:
    """Sums of each SEASON_DAYS successive rows."""
    total = np.vstack([np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0)])
    return total[SEASON_DAYS:] - total[:-SEASON_DAYS]
