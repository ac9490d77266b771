"""Which time-of-use period every minute of a day is in, by month and kind of day."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.calendars import REST, WORKING, Calendar, DayKind, holiday_name
from ledger.refusal import Refused

TouPeriod = Literal["sharp", "peak", "flat", "valley", "deep"]
PERIODS: Final[tuple[TouPeriod, ...]] = ("sharp", "peak", "flat", "valley", "deep")
"""尖, 峰, 平, 谷, 深谷. A period's index in arrays is its place in this tuple."""

MINUTES: Final = 1440
ALL_MONTHS: Final = tuple(range(1, 13))
_UNNAMED: Final = -1
_LEVELS: Final = 3
_ANOTHER_HOLIDAY: Final = "another holiday"


def clock(minute: int) -> str:
    """A minute of the day as tariffs print it.

    >>> clock(450), clock(1440)
    ('07:30', '24:00')
    """
    return f"{minute // 60:02d}:{minute % 60:02d}"


def check_months(months: tuple[int, ...], place: str) -> None:
    """Refuse an empty list, a repeated month and anything outside 1..12."""
    if not months or len(set(months)) != len(months) or not set(months) <= set(ALL_MONTHS):
        raise Refused("months", f"{list(months)} is not a list of different months 1..12", place=place)


class Hours(msgspec.Struct, frozen=True, cache_hash=True):
    """Local minutes [start, end) of a day; the end 1440 is 24:00."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end <= MINUTES:
            raise Refused(
                "hours", f"{clock(self.start)}-{clock(self.end)} is not [start, end) within 00:00-24:00"
            )


class PeriodRule(msgspec.Struct, frozen=True, cache_hash=True):
    """In these months, on these days, at these hours, this period holds.

    `days` holds `all`, `working`, `rest`, `holiday` (any holiday) or `holiday:<name>`. `rest` is a day
    off that is no holiday. The more specific day wins minute by minute: `holiday:<name>` over
    `working`, `rest` and `holiday`, and these over `all`.
    """

    period: TouPeriod
    months: tuple[int, ...]
    days: tuple[str, ...]
    hours: tuple[Hours, ...]

    def __post_init__(self) -> None:
        if self.period not in PERIODS:
            raise Refused("period", f"{self.period!r} is not one of {', '.join(PERIODS)}", place="period")
        check_months(self.months, "months")
        if not self.hours:
            raise Refused("hours", "a rule needs at least one stretch such as 08:00-11:00", place="hours")
        if not self.days:
            raise Refused("days", "a rule needs at least one kind of day such as all", place="days")
        for days in self.days:
            _check_day_name(days)

    def level(self, kind: DayKind) -> int | None:
        """How specific the rule is for such a day; None when it does not apply."""
        levels = [level for days in self.days if (level := _level_of(days, kind)) is not None]
        return max(levels, default=None)

    @property
    def holidays(self) -> tuple[str, ...]:
        """The holidays that the rule names."""
        return tuple(holiday_name(days[8:]) for days in self.days if days.startswith("holiday:"))


def _check_day_name(days: str) -> None:
    if days.startswith("holiday:"):
        try:
            holiday_name(days[8:])
        except Refused as refused:
            raise Refused(refused.code, refused.reason, place="days") from None
    elif days not in {"all", "working", "rest", "holiday"}:
        raise Refused("days", f"{days!r} is not all, working, rest, holiday or holiday:<name>", place="days")


def _level_of(days: str, kind: DayKind) -> int | None:
    if days == "all":
        return 0
    if days.startswith("holiday:"):
        return 2 if holiday_name(days[8:]) in kind.holidays else None
    return 1 if days == kind.type else None


class PeriodSchedule(msgspec.Struct, frozen=True, cache_hash=True):
    """The period rules of one notice; `otherwise` names the period of every minute left over, if one is."""

    rules: tuple[PeriodRule, ...]
    otherwise: TouPeriod | None = None

    def __post_init__(self) -> None:
        if self.otherwise is not None and self.otherwise not in PERIODS:
            raise Refused(
                "period", f"{self.otherwise!r} is not one of {', '.join(PERIODS)}", place="otherwise"
            )

    def timeline(self, month: int, kind: DayKind) -> npt.NDArray[np.int8]:
        """The period index of each of a day's 1,440 local minutes (read-only).

        Raises:
            Refused: `period_gap` or `period_overlap`, naming the month, the kind of day and the minute.
        """
        return _timeline(self, month, kind)

    def check(self, months: Iterable[int], calendar: Calendar) -> None:
        """Refuse unless every minute of every kind of day in `months` is in exactly one period.

        Raises:
            Refused: as `timeline`.
        """
        for month in months:
            for kind in self._kinds(calendar):
                self.timeline(month, kind)

    def _kinds(self, calendar: Calendar) -> list[DayKind]:
        """Every kind of day that the rules can tell apart, merged holidays included."""
        kinds = [WORKING, REST]
        if calendar.has_holidays:
            named = dict.fromkeys(name for rule in self.rules for name in rule.holidays)
            kinds.append(DayKind("holiday", (_ANOTHER_HOLIDAY,)))
            kinds.extend(DayKind("holiday", (name,)) for name in named)
            if {"中秋", "国庆节"} <= set(named):
                kinds.append(DayKind("holiday", ("国庆节", "中秋")))
        return kinds


@lru_cache(maxsize=8192)
def _timeline(schedule: PeriodSchedule, month: int, kind: DayKind) -> npt.NDArray[np.int8]:
    fallback = _UNNAMED if schedule.otherwise is None else PERIODS.index(schedule.otherwise)
    minutes = np.full(MINUTES, fallback, dtype=np.int8)
    for level in range(_LEVELS):
        owner = np.full(MINUTES, _UNNAMED, dtype=np.int64)
        for number, rule in enumerate(schedule.rules):
            if month not in rule.months or rule.level(kind) != level:
                continue
            for hours in rule.hours:
                taken = owner[hours.start : hours.end]
                if (taken != _UNNAMED).any():
                    minute = hours.start + int(np.argmax(taken != _UNNAMED))
                    raise Refused(
                        "period_overlap",
                        f"{_where(month, kind)} {clock(minute)} is also in period[{owner[minute]}]",
                        place=f"period[{number}]",
                    )
                taken[:] = number
                minutes[hours.start : hours.end] = PERIODS.index(rule.period)
    if (minutes == _UNNAMED).any():
        minute = int(np.argmax(minutes == _UNNAMED))
        raise Refused("period_gap", f"{_where(month, kind)} {clock(minute)} is in no period", place="period")
    minutes.setflags(write=False)
    return minutes


def _where(month: int, kind: DayKind) -> str:
    return f"month {month}, {kind.type} {' '.join(kind.holidays)}".rstrip() + ","
