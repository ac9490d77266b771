"""A file's time stamps to the UTC start of each interval."""

from __future__ import annotations

import re
from collections.abc import Hashable
from datetime import date, datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from ledger.interval import utc_of_local, zone_of
from ledger.refusal import Refused

DateOrder = Literal["ymd", "dmy", "mdy"]
Column = str
"""A column's name in the header line; in a file without one its number from 1, such as 2."""

YEAR_MIN: Final = 1990
YEAR_MAX: Final = 2199

_CLOCK: Final = (
    r"[T ](?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?(?P<offset>Z|[+-]\d{2}:\d{2})?"
)
_DATES: Final = {
    "ymd": r"(?P<y>\d{4})(?P<sep>[-/.])(?P<m>\d{1,2})(?P=sep)(?P<d>\d{1,2})",
    "dmy": r"(?P<d>\d{1,2})(?P<sep>[-/.])(?P<m>\d{1,2})(?P=sep)(?P<y>\d{4})",
    "mdy": r"(?P<m>\d{1,2})(?P<sep>[-/.])(?P<d>\d{1,2})(?P=sep)(?P<y>\d{4})",
}
_DATE: Final = {order: re.compile(pattern, re.ASCII) for order, pattern in _DATES.items()}
_STAMP: Final = {order: re.compile(pattern + _CLOCK, re.ASCII) for order, pattern in _DATES.items()}
_OFFSET: Final = re.compile(r"([+-])(\d{2}):(\d{2})", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - wall times are naive by meaning
_CACHE_MAX: Final = 200_000


class TimeRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a file stamps its intervals.

    `zone` (IANA) or `utc_offset` (+08:00) says which clock stamps without an offset follow; a stamp's
    own offset always wins. `stamp` says which end of the interval is named: there is no default.
    `midnight_same_day`: the last interval of a day is stamped 00:00 of that same day, instead of the
    next one. `repeated_hour = "in_order"`: of the hour that the clocks repeat in autumn, the first
    row of a register is the first pass.
    """

    stamp: Literal["interval_start", "interval_end"]
    column: Column = "time"
    date_order: DateOrder = "ymd"
    zone: str = ""
    utc_offset: str = ""
    midnight_same_day: bool = False
    repeated_hour: Literal["refuse", "in_order"] = "refuse"

    def __post_init__(self) -> None:
        if self.zone and self.utc_offset:
            raise Refused("zone", "give zone or utc_offset, not both", place="zone")
        if self.zone:
            zone_of(self.zone)
        if self.utc_offset:
            offset_s_of(self.utc_offset)
        if self.midnight_same_day and self.stamp != "interval_end":
            reason = "only stamps of the interval's end can name the day's last midnight"
            raise Refused("midnight_same_day", reason, place="midnight_same_day")


def offset_s_of(text: str) -> int:
    """Seconds east of UTC from `Z` or `+08:00`.

    Raises:
        Refused: `utc_offset`.
    """
    if text == "Z":
        return 0
    match = _OFFSET.fullmatch(text)
    if match is None or int(match[2]) > 14 or int(match[3]) > 59:
        raise Refused("utc_offset", f"{text!r} is not an offset such as +08:00", place="utc_offset")
    seconds = int(match[2]) * 3600 + int(match[3]) * 60
    return -seconds if match[1] == "-" else seconds


def date_of(text: str, order: DateOrder) -> date:
    """The calendar date; the parts' order is the profile's, never guessed.

    Raises:
        Refused: `time`.
    """
    match = _DATE[order].fullmatch(text)
    if match is None:
        raise Refused("time", f"{text[:40]!r} is not a date in the order {order}")
    return _date(match, text)


def _date(match: re.Match[str], text: str) -> date:
    year = int(match["y"])
    if not YEAR_MIN <= year <= YEAR_MAX:
        raise Refused("time", f"{text!r}: the year is not {YEAR_MIN}..{YEAR_MAX}")
    try:
        return date(year, int(match["m"]), int(match["d"]))
    except ValueError:
        raise Refused("time", f"{text!r}: there is no such date; check date_order") from None


class Stamper:
    """Turns stamps into epoch seconds of the interval's start, by one rule."""

    def __init__(self, rule: TimeRule, interval_s: int) -> None:
        self._rule = rule
        self._zone = zone_of(rule.zone) if rule.zone else None
        self._shift_s = interval_s if rule.stamp == "interval_end" else 0
        self._offset_s = offset_s_of(rule.utc_offset) if rule.utc_offset else None
        self._cache: dict[str, int] = {}
        self._passes: dict[tuple[Hashable, datetime], list[int]] = {}

    def start_s(self, text: str, series: Hashable, row: int) -> int:
        """The start of the interval that `text` stamps, in seconds since 1970 UTC.

        `series` tells registers apart for the repeated hour; each row is asked once per series.

        Raises:
            Refused: `time`, `naive_time`, `skipped_time` or `ambiguous_time`.
        """
        known = self._cache.get(text)
        if known is not None:
            return known
        wall, offset_s = self._wall(text)
        offset_s = self._offset_s if offset_s is None else offset_s
        if offset_s is not None:
            start = epoch_s(wall) - offset_s - self._shift_s
        elif self._zone is None:
            reason = f"{text!r} has no UTC offset; give the profile's zone or utc_offset"
            raise Refused("naive_time", reason)
        elif (twin := repeated(wall, self._zone)) and self._rule.repeated_hour == "in_order":
            return twin[self._pass(series, wall, row)] - self._shift_s
        else:
            start = int(utc_of_local(wall, self._zone).timestamp()) - self._shift_s
        if len(self._cache) >= _CACHE_MAX:
            self._cache.clear()
        self._cache[text] = start
        return start

    def lone_passes(self) -> dict[int, str]:
        """Rows of a repeated hour without their twin: which pass they belong to nobody can say."""
        return {
            rows[0]: f"{wall} happens twice in {self._rule.zone}, but stands in the file once"
            for (_, wall), rows in self._passes.items()
            if len(rows) == 1
        }

    def _pass(self, series: Hashable, wall: datetime, row: int) -> int:
        rows = self._passes.setdefault((series, wall), [])
        if len(rows) == 2:
            raise Refused("ambiguous_time", f"{wall} stands in the file a third time")
        rows.append(row)
        return len(rows) - 1

    def _wall(self, text: str) -> tuple[datetime, int | None]:
        match = _STAMP[self._rule.date_order].fullmatch(text)
        if match is None:
            order = self._rule.date_order
            raise Refused("time", f"{text[:40]!r} is not a date in the order {order} and a time HH:MM[:SS]")
        day = _date(match, text)
        hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"] or 0)
        next_day = hour == 24 and minute == 0 and second == 0
        if next_day or (self._rule.midnight_same_day and hour == minute == second == 0):
            day, hour = day + timedelta(days=1), 0
        if hour > 23 or minute > 59 or second > 59:
            raise Refused("time", f"{text!r} is not on a clock of 00:00 to 24:00")
        wall = datetime(day.year, day.month, day.day, hour, minute, second)  # noqa: DTZ001
        return wall, None if match["offset"] is None else offset_s_of(match["offset"])


def epoch_s(wall: datetime) -> int:
    """Seconds from 1970-01-01 to a naive wall time."""
    return (wall - _EPOCH) // timedelta(seconds=1)


def repeated(wall: datetime, zone: ZoneInfo) -> tuple[int, int] | None:
    """The two instants (seconds since 1970) of a wall time that the clocks repeat, else None."""
    first = wall.replace(tzinfo=zone, fold=0)
    second = wall.replace(tzinfo=zone, fold=1)
    if first.utcoffset() == second.utcoffset():
        return None
    instants = int(first.timestamp()), int(second.timestamp())
    return instants if instants[0] < instants[1] else None


def starts_of_day(day: date, interval_s: int, clock: ZoneInfo | int) -> list[int | Refused]:
    """Where each interval on a local day's clock starts, in seconds since 1970 UTC.

    `clock` is a zone or a fixed offset in seconds. Where the clocks change, an interval has instead
    the `skipped_time` or `ambiguous_time` with which its value is refused.
    """
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001
    starts: list[int | Refused] = []
    for second in range(0, 86_400, interval_s):
        wall = midnight + timedelta(seconds=second)
        if isinstance(clock, int):
            starts.append(epoch_s(wall) - clock)
            continue
        try:
            starts.append(int(utc_of_local(wall, clock).timestamp()))
        except Refused as refused:
            starts.append(refused)
    return starts
