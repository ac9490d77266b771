"""UTC instants, half-open intervals [start, end) and a market's calendar months.

A market's local day or month has 23, 24 or 25 hours where the clocks change; "24:00" is the next
day's 00:00 (DOMAIN.md 3.0).
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Final, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from ledger.refusal import Refused

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""An aware datetime; stored and compared in UTC."""


def zone_of(name: str) -> ZoneInfo:
    """The IANA time zone of that name.

    Raises:
        Refused: `zone` for an unknown name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Refused("zone", f"{name!r} is not an IANA time zone such as Asia/Shanghai") from None


def utc_of_local(wall: datetime, zone: ZoneInfo, *, second_pass: bool | None = None) -> datetime:
    """The UTC instant that clocks in `zone` showed as `wall` (naive).

    `second_pass` says which of a repeated hour is meant; without it a repeated wall time is refused,
    as is one that the spring change skips.

    Raises:
        Refused: `ambiguous_time` or `skipped_time`.
    """
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) != wall:
        raise Refused("skipped_time", f"{wall} does not exist in {zone.key}: the clocks skip it")
    if first == second:
        return first
    if second_pass is None:
        raise Refused("ambiguous_time", f"{wall} happens twice in {zone.key}: add the UTC offset")
    return second if second_pass else first


YEAR_MIN: Final = 1970
YEAR_MAX: Final = 9998
_YEARS: Final = f"the years {YEAR_MIN} to {YEAR_MAX}"
_AFTER_ALL_MONTHS: Final = (YEAR_MAX + 1, 1)
"""Where the last month ends."""


def checked_year(day: date, place: str) -> None:
    """Refuse years that clocks of some zone or a database could not hold.

    Raises:
        Refused: `year`.
    """
    if not YEAR_MIN <= day.year <= YEAR_MAX:
        raise Refused("year", f"{day.year} is not {YEAR_MIN}..{YEAR_MAX}", place=place)


class Interval(msgspec.Struct, frozen=True):
    """[start, end) in UTC; never empty."""

    start: Instant
    end: Instant

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise Refused("naive_time", "an instant needs its UTC offset")
        if self.end <= self.start:
            raise Refused("interval", f"end {self.end} is not after start {self.start}")

    @property
    def seconds(self) -> int:
        return int((self.end - self.start).total_seconds())

    def contains(self, instant: datetime) -> bool:
        return self.start <= instant < self.end

    def overlaps(self, other: Interval) -> bool:
        return self.start < other.end and other.start < self.end


class Month(msgspec.Struct, frozen=True, order=True):
    """A calendar month; its instants depend on the market's zone.

    >>> str(Month.parse("2026-08")), str(Month(2026, 12).next())
    ('2026-08', '2027-01')
    """

    year: int
    month: int

    def __post_init__(self) -> None:
        of_a_year = self.year >= YEAR_MIN and 1 <= self.month <= 12
        if not of_a_year or (self.year, self.month) > _AFTER_ALL_MONTHS:
            raise Refused("month", f"{self.year:04d}-{self.month:02d} is not a month of {_YEARS}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `YYYY-MM`.

        Raises:
            Refused: `month`.
        """
        if not re.fullmatch(r"\d{4}-\d{2}", text, re.ASCII):
            raise Refused("month", f"{text!r} is not a month such as 2026-08")
        year, month = int(text[:4]), int(text[5:])
        if year > YEAR_MAX:
            raise Refused("month", f"{text} is not a month of {_YEARS}")
        return cls(year, month)

    @classmethod
    def of(cls, day: date) -> Self:
        return cls(day.year, day.month)

    def next(self) -> Month:
        return Month(self.year + self.month // 12, self.month % 12 + 1)

    @property
    def first_day(self) -> date:
        return date(self.year, self.month, 1)

    @property
    def days(self) -> int:
        return (self.next().first_day - self.first_day).days

    def interval(self, zone: ZoneInfo) -> Interval:
        """The instants of the month on clocks in `zone`."""
        return Interval(midnight(self.first_day, zone), midnight(self.next().first_day, zone))

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The UTC instant at which the local day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def interval_starts(interval: Interval, seconds: int) -> list[datetime]:
    """The starts of the equal pieces of `interval`.

    Raises:
        Refused: `interval` when `seconds` does not divide it.
    """
    if seconds <= 0 or interval.seconds % seconds:
        raise Refused("interval", f"{seconds} s does not divide {interval.seconds} s")
    step = timedelta(seconds=seconds)
    return [interval.start + step * i for i in range(interval.seconds // seconds)]
