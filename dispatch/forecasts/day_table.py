"""Values by local day and slot of the day: the shape in which people, prices and the sun repeat."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.interval import zone_of
from ledger.refusal import Refused

Values = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

_DAY_S: Final = 86_400


class DayTable(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """`values` has a local day a row and a slot of wall-clock time a column; NaN is not known.

    The repeated hour of a day with 25 is the mean of both; the hour that a day with 23 lacks is NaN.
    """

    first: date
    values: Values

    @classmethod
    def of(cls, start: Index, value: Values, interval_s: int, zone: str) -> DayTable:
        """Raises:
        Refused: `forecast_history` where there is no value at all."""
        if not len(start):
            raise Refused("forecast_history", "nothing was known at the instant of issue", place="history")
        day, slot = local_slots(start, interval_s, zone)
        first, shape = int(day.min()), (int(day.max() - day.min()) + 1, _DAY_S // interval_s)
        total, count = np.zeros(shape), np.zeros(shape)
        np.add.at(total, (day - first, slot), value)
        np.add.at(count, (day - first, slot), 1.0)
        values = np.full(shape, np.nan)
        np.divide(total, count, out=values, where=count > 0)
        return cls(first=date.fromordinal(first), values=values)

    @property
    def slots(self) -> int:
        """How many slots a day has."""
        return int(self.values.shape[1])

    @property
    def last(self) -> date:
        """The last day of which anything is known."""
        return self.first + timedelta(days=len(self.values) - 1)

    @property
    def last_whole(self) -> date:
        """The last day that is known whole; one slot may lack, as where clocks go forward.

        Raises:
            Refused: `forecast_history` where no day is whole."""
        lacking = np.isnan(self.values).sum(axis=1)
        whole = np.flatnonzero(lacking <= self.slots // 24)
        if not len(whole):
            raise Refused("forecast_history", "no whole day is known", place="history")
        return self.first + timedelta(days=int(whole[-1]))

    def between(self, first: date, last: date) -> Values:
        """The rows of those days, both included; NaN for days outside."""
        found = np.full(((last - first).days + 1, self.slots), np.nan)
        begin, end = max(first, self.first), min(last, self.last)
        if begin <= end:
            rows = self.values[(begin - self.first).days : (end - self.first).days + 1]
            found[(begin - first).days : (begin - first).days + len(rows)] = rows
        return found

    def until(self, last: date) -> DayTable:
        """The table without what is later than `last`.

        Raises:
            Refused: `forecast_history` where nothing is left."""
        count = (last - self.first).days + 1
        if count <= 0:
            raise Refused("forecast_history", f"nothing is known up to {last}", place="history")
        return DayTable(first=self.first, values=self.values[:count])


def local_slots(start: Index, interval_s: int, zone: str) -> tuple[Index, Index]:
    """Of instants in seconds since 1970 the local day as an ordinal, and the slot by the wall clock."""
    whole_hours, where = np.unique(start // 900, return_inverse=True)
    at = zone_of(zone)
    offsets = np.array(
        [
            (
                datetime.fromtimestamp(quarter * 900, UTC).astimezone(at).utcoffset() or timedelta()
            ).total_seconds()
            for quarter in whole_hours.tolist()
        ]
    ).astype(np.int64)
    local = start + offsets[where.reshape(start.shape)]
    return local // _DAY_S + date(1970, 1, 1).toordinal(), local % _DAY_S // interval_s


def day_starts(first: date, days: int, interval_s: int, zone: str) -> list[datetime]:
    """The instants (UTC) at which the intervals of whole local days begin: 23, 24 or 25 hours a day."""
    if interval_s == _DAY_S:
        at = zone_of(zone)
        dates = [first + timedelta(days=n) for n in range(days)]
        return [datetime(day.year, day.month, day.day, tzinfo=at).astimezone(UTC) for day in dates]
    begin = datetime(first.year, first.month, first.day, tzinfo=zone_of(zone)).astimezone(UTC)
    over = first + timedelta(days=days)
    end = datetime(over.year, over.month, over.day, tzinfo=zone_of(zone)).astimezone(UTC)
    count, rest = divmod(int((end - begin).total_seconds()), interval_s)
    step = timedelta(seconds=interval_s)
    return [begin + step * n for n in range(count + (rest > 0))]
