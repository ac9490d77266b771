"""The days that a baseline may be taken from, and why the others may not (DOMAIN.md 3.4)."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ledger.clauses.share import portion
from ledger.interval import Interval, utc_of_local, zone_of
from ledger.refusal import Refused
from ledger.streams.baseline.case import Case
from ledger.streams.baseline.method import DayPool
from ledger.streams.baseline.profile import LeftOut


class PoolDay(NamedTuple):
    """A day of the pool: its readings in the event's hours, then in the other hours asked for."""

    day: date
    values: tuple[npt.NDArray[np.int64], ...]

    @property
    def usage_wh(self) -> int:
        return int(self.values[0].sum())


def pool_days(pool: DayPool, case: Case, spans: tuple[Interval, ...]) -> tuple[list[PoolDay], list[LeftOut]]:
    """The pool's days, the latest first, with their readings in each of `spans` moved to that day."""
    event_day = case.day_of(case.event.start)
    from_day = event_day if pool.counted_from == "event_day" else case.day_of(case.announced)
    if from_day > event_day:
        raise Refused("announced", f"announced on {from_day}, after the event", place="announced")
    candidates = _Candidates(pool, case, spans)
    back = iter(range(pool.nearest_day, pool.farthest_day + 1))
    days: list[PoolDay] = []
    left_out: list[LeftOut] = []
    while True:
        while len(days) < pool.size and (number := next(back, None)) is not None:
            day = from_day - timedelta(days=number)
            found = candidates.read(day)
            if isinstance(found, str):
                left_out.append(LeftOut(day, found))
            else:
                days.append(PoolDay(day, found))
        quiet = _quiet(pool, days)
        if not quiet:
            break
        left_out += [LeftOut(one.day, f"below {pool.low_usage} of the mean usage") for one in quiet]
        days = [one for one in days if one not in quiet]
    if len(days) < pool.at_least:
        why = "; ".join(f"{day} {reason}" for day, reason in left_out)
        raise Refused(
            "baseline_days",
            f"{len(days)} of at least {pool.at_least} days are eligible in the {pool.farthest_day} days"
            f" before {from_day}: {why}",
            place="baseline",
        )
    return days, left_out


def _quiet(pool: DayPool, days: list[PoolDay]) -> list[PoolDay]:
    total = sum(one.usage_wh for one in days)
    if pool.low_usage is None or total <= 0:
        return []
    line = portion(pool.low_usage, "low_usage") * total / len(days)
    return [one for one in days if one.usage_wh < line]


class _Candidates:
    """Reads one day after the other, or says why it is not eligible."""

    def __init__(self, pool: DayPool, case: Case, spans: tuple[Interval, ...]) -> None:
        self.case, self.spans = case, spans
        self.event_day = case.day_of(case.event.start)
        working = pool.days == "working" or case.day_kind(self.event_day).type == "working"
        self.wanted = "working" if working else "rest"
        touched = {day for span in spans for day in case.dates(span)}
        self.offsets = sorted({(day - self.event_day).days for day in touched} | {0})
        self.excluded = {day: reason for interval, reason in case.excluded for day in case.dates(interval)}

    def read(self, day: date) -> tuple[npt.NDArray[np.int64], ...] | str:
        kind = self.case.day_kind(day)
        if kind.type != self.wanted:
            return f"holiday {'、'.join(kind.holidays)}" if kind.holidays else f"{kind.type} day"
        if day + timedelta(days=self.offsets[-1]) >= self.event_day:
            return "its hours run into the day of the event"
        for offset in self.offsets:
            if reason := self.excluded.get(day + timedelta(days=offset)):
                return reason
        days_back = (self.event_day - day).days
        values = []
        for span in self.spans:
            moved = _moved(span, self.case.profile.zone, days_back)
            if moved is None:
                return "the clocks change in its hours"
            rows = self.case.profile.rows(moved)
            if rows is None:
                return "outside the readings"
            gaps = int(np.count_nonzero(self.case.profile.missing[rows]))
            if gaps:
                return f"{gaps} of {rows.stop - rows.start} readings missing"
            values.append(self.case.profile.wh[rows])
        return tuple(values)


@lru_cache(maxsize=8192)
def _moved(span: Interval, zone_name: str, days_back: int) -> Interval | None:
    """The same wall-clock hours `days_back` days earlier; None where the clocks change within them."""
    zone = zone_of(zone_name)
    bounds = []
    for instant in (span.start, span.end):
        wall = instant.astimezone(zone).replace(tzinfo=None, fold=0) - timedelta(days=days_back)
        try:
            bounds.append(utc_of_local(wall, zone))
        except Refused:
            return None
    same_length = bounds[1] - bounds[0] == span.end - span.start
    return Interval(*bounds) if same_length else None
