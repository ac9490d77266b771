"""What a site was seen to use behind the meter over the past weeks: from it come peak target and paths.

A day has as many intervals as its wall clock has: of an hour that comes twice the first is taken, one that is
left out holds what came an hour later.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from dispatch.plan_check import Whole
from dispatch.planning.load_paths import LoadHistory
from ledger.calendars import Calendar
from ledger.refusal import Refused

Flags = npt.NDArray[np.bool_]

DAYS: Final = 42
"""Whole days that are drawn from: as many as were tuned for."""
_LEVEL: Final = 4
_GAP_DAYS_MAX: Final = 3
"""Of older readings nothing is concluded for the hours to come."""


class SeenLoad(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """Mean W of load less PV, days x intervals from local midnight on, where `known`; the last day is that of
    `until`, the number of its intervals that are over when the plan begins."""

    first: date
    load_w: Whole
    known: Flags
    until: int

    def __post_init__(self) -> None:
        if self.load_w.ndim != 2 or self.load_w.shape != self.known.shape:
            raise Refused("series_shape", "days x intervals, and whether each is known", place="load_w")
        if not 0 <= self.until < self.per_day:
            raise Refused("series_shape", f"0 to {self.per_day - 1} intervals", place="until")

    @property
    def per_day(self) -> int:
        return int(self.load_w.shape[1])

    def whole_days(self) -> Whole:
        """Days before the plan's of which every interval is known."""
        found: Whole = self.load_w[:-1][self.known[:-1].all(axis=1)]
        return found

    def history(self, calendar: Calendar) -> tuple[LoadHistory, int]:
        """The load up to the last hour that is known whole, and how many intervals later the plan begins.

        Days are alike when the days on which the plan would begin are of a kind: working days, Saturdays and
        other days in lieu, Sundays and holidays. Where that hour is before the plan's day, the days before
        working days are alike, and so on. A day is used when it and the next are known whole.

        Raises:
            Refused: `load_history` where no hour of the last three days is known, or no day can be used.
        """
        flat = self.known.ravel()
        start = (len(self.known) - 1) * self.per_day + self.until
        hours = np.lib.stride_tricks.sliding_window_view(flat[:start], _LEVEL).all(axis=1)
        if not hours.any():
            raise Refused("load_history", "no hour of it is known", place="load_w")
        end = int(np.flatnonzero(hours)[-1]) + _LEVEL
        gap = start - end
        if gap > _GAP_DAYS_MAX * self.per_day:
            raise Refused("load_history", f"unknown for over {_GAP_DAYS_MAX} days", place="load_w")
        today = end // self.per_day
        lead = len(self.known) - 1 - today
        whole: Flags = np.asarray(self.known.all(axis=1), dtype=np.bool_)
        whole[today:] = True
        kind = np.array(
            [_kind(calendar, self.first + timedelta(days=day + lead)) for day in range(today + 1)],
            dtype=np.int64,
        )
        kind[~(whole[: today + 1] & np.append(whole[1 : today + 1], True))] = -1
        kind[today] = _kind(calendar, self.first + timedelta(days=today + lead))
        found = LoadHistory(load_w=self.load_w.ravel()[:end], per_day=self.per_day, kind=kind)
        found.alike()
        return found, gap


def _kind(calendar: Calendar, day: date) -> int:
    """0 a working day, 1 a Saturday, 2 a Sunday or a holiday; by weekday where no notice is out."""
    weekday = max(0, day.weekday() - 4)
    try:
        kind = calendar.day_kind(day)
    except Refused as refused:
        if refused.code != "calendar_year":
            raise
        return weekday
    if kind.type == "working":
        return 0
    return 2 if kind.type == "holiday" else max(1, weekday)
