"""A meter's energy with its gaps, and the time in it that is not normal."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.interval import Instant, Interval, zone_of
from ledger.refusal import Refused

WH_MAX: Final = 2**40
"""Above any interval's energy; a sum over a million intervals still fits 64 bits."""


class Profile(msgspec.Struct, frozen=True, eq=False):
    """Metered energy in Wh of consecutive intervals from `start`, and which of them are missing.

    Consumption is above zero, delivery below. The value under a missing interval is never looked at.
    """

    start: Instant
    interval_s: int
    zone: str
    wh: npt.NDArray[np.int64]
    missing: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.start.tzinfo is None:
            raise Refused("naive_time", "an instant needs its UTC offset", place="start")
        zone_of(self.zone)
        whole_number(self.interval_s, 1, "interval_s")
        if self.wh.dtype != np.int64 or self.missing.dtype != np.bool_:
            raise Refused("profile", "energy is whole int64 Wh and missing is bool", place="wh")
        if self.wh.ndim != 1 or not self.wh.size or self.wh.shape != self.missing.shape:
            raise Refused(
                "profile", "energy and missing are for the same intervals, at least one", place="wh"
            )
        known = self.wh[~self.missing]
        if known.size and (int(known.max()) >= WH_MAX or int(known.min()) <= -WH_MAX):
            raise Refused("reading_range", f"an interval's energy is below {WH_MAX} Wh", place="wh")

    def rows(self, interval: Interval) -> slice | None:
        """Which intervals make up `interval`; None where the profile does not reach.

        Raises:
            Refused: `interval` when it cuts one of the profile's.
        """
        step = timedelta(seconds=self.interval_s)
        first, off = divmod(interval.start - self.start, step)
        count, over = divmod(interval.end - interval.start, step)
        if off or over:
            shown = f"{interval.start} to {interval.end}"
            raise Refused("interval", f"{shown} cuts an interval of {self.interval_s} s", place="interval")
        return slice(first, first + count) if first >= 0 and first + count <= len(self.wh) else None

    def readings(self, interval: Interval, purpose: str) -> npt.NDArray[np.int64]:
        """The energies of `interval`, all of which must be known.

        Raises:
            Refused: `reading_missing`, naming the first interval without a reading.
        """
        rows = self.rows(interval)
        if rows is None:
            shown = f"{interval.start} to {interval.end}"
            raise Refused(
                "reading_missing", f"{purpose}: the readings do not cover {shown}", place="readings"
            )
        gaps = np.flatnonzero(self.missing[rows])
        if gaps.size:
            at = interval.start + timedelta(seconds=self.interval_s) * int(gaps[0])
            raise Refused("reading_missing", f"{purpose}: there is no reading for {at}", place="readings")
        return self.wh[rows]


class Exclusion(NamedTuple):
    """Time that is not normal: another event, an outage. Its local days are in no pool."""

    interval: Interval
    reason: str


class LeftOut(NamedTuple):
    """A day that was looked at and not used."""

    day: date
    reason: str


def whole_number(value: int, least: int, place: str) -> None:
    """That `value` is an integer from `least`.

    Raises:
        Refused: `whole_number`.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise Refused("whole_number", f"{value!r} is not a whole number from {least}", place=place)
