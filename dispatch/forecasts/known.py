"""What was known of a quantity, and since when: the only way in which numbers come into a forecast."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from dispatch.forecasts.day_table import DayTable, Values, local_slots
from ledger.interval import zone_of
from ledger.refusal import Refused

Seconds = npt.NDArray[np.int64]
"""Instants as whole seconds since 1970-01-01T00:00Z."""

_DAY_S: Final = 86_400


class Known(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """Values of intervals, each with the instant since which it is known; a correction is a further row.

    `start` and `known_at` are seconds since 1970 in UTC, `value` is in the subject's unit. Where an interval
    has several rows, the one known last holds. An interval without a row is missing, never zero.
    """

    interval_s: int
    start: Seconds
    value: Values
    known_at: Seconds

    def __post_init__(self) -> None:
        """Raises:
        Refused: `forecast_interval` for a length that does not divide a day, `forecast_series` for arrays of
            other types or lengths, or a value that is no number."""
        if self.interval_s <= 0 or _DAY_S % self.interval_s:
            raise Refused(
                "forecast_interval", f"{self.interval_s} s does not divide a day", place="interval_s"
            )
        for name, kind in (("start", np.int64), ("value", np.float64), ("known_at", np.int64)):
            array = getattr(self, name)
            if not isinstance(array, np.ndarray) or array.dtype != kind or array.shape != (len(self.start),):
                raise Refused("forecast_series", f"{len(self.start)} numbers as {kind.__name__}", place=name)
        wrong = ~np.isfinite(self.value)
        if wrong.any():
            place = f"value[{int(np.argmax(wrong))}]"
            raise Refused("forecast_series", "a number; leave out what is missing", place=place)

    def as_of(self, instant: datetime) -> Known:
        """What was known at that instant, one row an interval, in order of time."""
        return self._newest(self.known_at <= _second(instant))

    def vintage(self, instant: datetime, zone: str, before: timedelta) -> Known:
        """For each local day what was known `before` its midnight, and at `instant`: how a forecast made
        then would have seen it.

        Values that were told later, as the weather that then came, are not used in place of it.
        """
        if not len(self.start):
            return self
        days, _ = local_slots(self.start, self.interval_s, zone)
        midnights = {day: _midnight_s(date.fromordinal(day), zone) for day in np.unique(days).tolist()}
        begins = np.array([midnights[day] for day in days.tolist()], dtype=np.int64)
        by_then = np.minimum(begins - math.floor(before.total_seconds()), _second(instant))
        return self._newest(self.known_at <= by_then)

    def table(self, zone: str) -> DayTable:
        """The values by local day and slot; of rows of one interval, the one known last."""
        one = self._newest(np.ones(len(self.start), dtype=np.bool_))
        return DayTable.of(one.start, one.value, self.interval_s, zone)

    def _newest(self, kept: npt.NDArray[np.bool_]) -> Known:
        start, value, known_at = self.start[kept], self.value[kept], self.known_at[kept]
        order = np.lexsort((known_at, start))
        start, value, known_at = start[order], value[order], known_at[order]
        last = np.append(start[1:] != start[:-1], True) if len(start) else np.zeros(0, dtype=np.bool_)
        return Known(
            interval_s=self.interval_s, start=start[last], value=value[last], known_at=known_at[last]
        )


def _second(instant: datetime) -> int:
    return math.floor(instant.timestamp())


def _midnight_s(day: date, zone: str) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=zone_of(zone)).timestamp())
