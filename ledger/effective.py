"""When a version of something holds: effective time, beside the recorded time that its event has."""

from __future__ import annotations

from datetime import datetime
from typing import Generic, TypeVar

import msgspec

from ledger.interval import Instant, Interval, checked_year
from ledger.refusal import Refused

T = TypeVar("T")


class Period(msgspec.Struct, frozen=True):
    """[start, end) in UTC; without `end` it is open."""

    start: Instant
    end: Instant | None = None

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or (self.end is not None and self.end.tzinfo is None):
            raise Refused("naive_time", "an instant needs its UTC offset", place="period")
        for instant in (self.start, self.end):
            if instant is not None:
                checked_year(instant, "period")
        if self.end is not None and self.end <= self.start:
            raise Refused("interval", f"end {self.end} is not after start {self.start}", place="period")

    def contains(self, instant: datetime) -> bool:
        return self.start <= instant and (self.end is None or instant < self.end)

    def overlaps(self, interval: Interval) -> bool:
        return self.start < interval.end and (self.end is None or interval.start < self.end)


class Version(msgspec.Struct, Generic[T], frozen=True):
    """One recorded version of a document and the time for which it holds."""

    number: int
    period: Period
    document: T


class History(msgspec.Struct, Generic[T], frozen=True):
    """All recorded versions, oldest first. Where two overlap, the later recorded one holds."""

    versions: tuple[Version[T], ...] = ()

    def with_version(self, period: Period, document: T) -> History[T]:
        return History((*self.versions, Version(len(self.versions) + 1, period, document)))

    def at(self, instant: datetime) -> Version[T] | None:
        """The version in force at `instant`, as far as is recorded."""
        for version in reversed(self.versions):
            if version.period.contains(instant):
                return version
        return None

    @property
    def latest(self) -> Version[T]:
        return self.versions[-1]


def extended(history: History[T] | None, period: Period, document: T) -> History[T]:
    """`history`, begun if need be, with one version more."""
    return (history or History[T]()).with_version(period, document)
