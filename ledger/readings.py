"""Meter readings: runs of consecutive intervals of one register of one meter.

Registers are never negative; the direction is in the register's name, seen from the site:

- `import` grid to site, `export` site to grid;
- `charge` site to storage, `discharge` storage to site;
- `pv` generation, `load` consumption;
- `reactive_lagging` reactive energy drawn (inductive), `reactive_leading` delivered (capacitive).

Active registers are in Wh, reactive ones in varh (DOMAIN.md 3.0). A missing interval is a gap between
two runs and never a zero.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final, Literal, get_args

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.interval import Instant, Interval, zone_of
from ledger.refusal import Refused

Register = Literal[
    "import",
    "export",
    "charge",
    "discharge",
    "pv",
    "load",
    "reactive_lagging",
    "reactive_leading",
]
REGISTERS: Final[tuple[Register, ...]] = get_args(Register)
REACTIVE: Final[frozenset[Register]] = frozenset({"reactive_lagging", "reactive_leading"})

QUALITIES: Final = {
    "A": "actual, read from the meter",
    "C": "corrected, the actual value of a meter in error put right",
    "E": "estimated, an actual value may replace it",
    "F": "final substitute, no actual value will come",
    "S": "substitute, an actual value may replace it",
}
"""The letter stored with each interval, as in AEMO's NEM12 quality flags, and C. N (no value) is not one
of them: an interval without a value is not stored."""

RECEIVED_QUALITIES: Final = tuple(letter for letter in QUALITIES if letter != "C")
"""What a file of readings may state; only a substitution corrects a meter's error."""

FIRM_QUALITIES: Final = frozenset("ACF")
"""What an estimate or substitute (E, S) never supersedes, whenever it arrives. Among firm values the
newest holds, and among the others the newest where no firm one is held (DOMAIN.md 3.11)."""

INTERVALS_S: Final = (60, 300, 600, 900, 1800, 3600)
"""The interval lengths that a register may have, in seconds."""

WH_MAX: Final = 2**31 - 1
"""The largest energy of one interval: values are stored as 32-bit integers."""

_METER: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

Values = npt.NDArray[np.int64]


def pack(values: npt.ArrayLike) -> bytes:
    """Energies of consecutive intervals as little-endian 32-bit integers, the form that is stored.

    Raises:
        Refused: `reading_range` for a negative value or one above `WH_MAX`.
    """
    array = np.asarray(values, dtype=np.int64)
    if array.size and (int(array.min()) < 0 or int(array.max()) > WH_MAX):
        at = int(np.argmax((array < 0) | (array > WH_MAX)))
        raise Refused("reading_range", f"{int(array[at])} is not 0..{WH_MAX}", place=f"value {at + 1}")
    return array.astype("<i4").tobytes()


def unpack(packed: bytes) -> Values:
    """The energies that `pack` stored, in Wh or varh.

    Raises:
        Refused: `reading_range` for a negative value, `packed_length` for a torn one.
    """
    if len(packed) % 4:
        raise Refused("packed_length", f"{len(packed)} bytes are not a whole number of 4-byte values")
    values = np.frombuffer(packed, dtype="<i4").astype(np.int64)
    if values.size and int(values.min()) < 0:
        raise Refused("reading_range", f"{int(values.min())} is not 0..{WH_MAX}")
    return values


def check_meter_id(meter: str) -> None:
    """A meter id is 1 to 64 ASCII letters, digits, `_` and `-`, so that it can stand in an address.

    Raises:
        Refused: `meter_id`.
    """
    if not _METER.fullmatch(meter):
        raise Refused("meter_id", f"{meter!r} is not 1 to 64 letters, digits, '_' or '-'", place="meter")


class Run(msgspec.Struct, frozen=True):
    """Consecutive intervals of one register without a gap: what is received, stored and settled.

    `wh` is the packed energy of each interval (Wh, or varh of a reactive register), `quality` one
    letter for all intervals or one letter for each; a uniform quality has only the short form, so
    that equal readings are equal bytes.
    """

    meter: str
    register: Register
    start: Instant
    interval_s: int
    wh: bytes
    quality: str

    def __post_init__(self) -> None:
        check_meter_id(self.meter)
        if self.register not in REGISTERS:
            raise Refused("register", f"{self.register!r} is not one of {', '.join(REGISTERS)}")
        if self.start.utcoffset() != timedelta(0):
            raise Refused("naive_time", f"{self.start} is not in UTC", place="start")
        if self.start.microsecond:
            raise Refused("misaligned_start", f"{self.start} is not a whole second", place="start")
        if self.interval_s not in INTERVALS_S:
            allowed = ", ".join(map(str, INTERVALS_S))
            raise Refused("interval_length", f"{self.interval_s} s is not one of {allowed}")
        count = len(unpack(self.wh))
        if not count:
            raise Refused("empty_run", "a run holds at least one interval", place="wh")
        if len(self.quality) not in {1, count}:
            raise Refused("quality", f"{len(self.quality)} letters for {count} intervals", place="quality")
        if not set(self.quality) <= QUALITIES.keys():
            raise Refused("quality", f"{self.quality!r} holds other than {', '.join(QUALITIES)}")
        if len(self.quality) > 1 and len(set(self.quality)) == 1:
            raise Refused("quality", "a uniform quality is one letter", place="quality")

    @property
    def count(self) -> int:
        """The number of intervals."""
        return len(self.wh) // 4

    @property
    def end(self) -> datetime:
        return self.start + timedelta(seconds=self.interval_s * self.count)

    @property
    def interval(self) -> Interval:
        return Interval(self.start, self.end)

    @property
    def values(self) -> Values:
        """The energy of each interval in Wh (varh of a reactive register), >= 0."""
        return unpack(self.wh)

    @property
    def qualities(self) -> str:
        """One letter for each interval."""
        return self.quality * self.count if len(self.quality) == 1 else self.quality

    @property
    def place(self) -> str:
        """Where a message about this run points."""
        return f"{self.meter} {self.register} {instant_text(self.start)}"


def instant_text(instant: datetime) -> str:
    """The instant as 2026-08-01T00:15:00Z."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def run_of(
    meter: str, register: Register, start: datetime, interval_s: int, values: npt.ArrayLike, quality: str
) -> Run:
    """A run from plain values; `quality` may be one letter or one for each interval.

    Raises:
        Refused: as `pack` and `Run`.
    """
    short = quality[0] if quality and quality == quality[0] * len(quality) else quality
    if len(quality) > 1 and len(quality) != np.size(values):
        raise Refused("quality", f"{len(quality)} letters for {np.size(values)} intervals", place="quality")
    return Run(meter, register, start, interval_s, pack(values), short)


class Gap(msgspec.Struct, frozen=True):
    """[start, end) in which a register has no value although it has values around it."""

    meter: str
    register: Register
    start: Instant
    end: Instant

    def __post_init__(self) -> None:
        Interval(self.start, self.end)


def gaps(runs: Iterable[Run]) -> list[Gap]:
    """The holes between the runs of each register, ordered by meter, register and start.

    What lies before the first run and after the last one is unknown here and not listed.

    Raises:
        Refused: `overlapping_interval` when two runs of a register overlap.
    """
    found: list[Gap] = []
    ordered = sorted(runs, key=lambda run: (run.meter, run.register, run.start))
    for before, after in pairwise(ordered):
        if (before.meter, before.register) != (after.meter, after.register):
            continue
        if after.start < before.end:
            raise Refused("overlapping_interval", f"overlaps the run of {before.place}", place=after.place)
        if after.start > before.end:
            found.append(Gap(after.meter, after.register, before.end, after.start))
    return found


class MeterSpec(msgspec.Struct, frozen=True):
    """What is known of a meter, against which its readings are checked.

    `power_w_max` is the largest power that the metered device or connection can carry, in W (and in
    var for the reactive registers); `zone` is the IANA zone whose clock the intervals follow.
    """

    meter: str
    registers: tuple[Register, ...]
    interval_s: int
    power_w_max: int
    zone: str

    def __post_init__(self) -> None:
        check_meter_id(self.meter)
        if not self.registers or not set(self.registers) <= set(REGISTERS):
            raise Refused("register", f"{self.registers} is not a choice of {', '.join(REGISTERS)}")
        if self.interval_s not in INTERVALS_S:
            allowed = ", ".join(map(str, INTERVALS_S))
            raise Refused("interval_length", f"{self.interval_s} s is not one of {allowed}")
        if self.power_w_max <= 0:
            raise Refused("power_w_max", f"{self.power_w_max} is not above 0", place="power_w_max")
        zone_of(self.zone)

    @property
    def wh_max(self) -> int:
        """The largest plausible energy of an interval: P_n x interval x 1.05, cut off to whole Wh
        (DOMAIN.md 3.11)."""
        return self.power_w_max * self.interval_s * 105 // (3600 * 100)


def validate(run: Run, spec: MeterSpec) -> None:
    """Check a run against its meter (DOMAIN.md 3.11: range, interval, alignment).

    An interval starts on a multiple of its length after local midnight.

    Raises:
        Refused: in this precedence `unknown_meter`, `unknown_register`, `interval_length`,
            `misaligned_start` or `above_device_limit`, with the meter, register and time.
    """
    if run.meter != spec.meter:
        raise Refused("unknown_meter", f"{run.meter} is not meter {spec.meter}", place=run.place)
    if run.register not in spec.registers:
        known = ", ".join(spec.registers)
        raise Refused("unknown_register", f"{run.register} is not one of {known}", place=run.place)
    if run.interval_s != spec.interval_s:
        reason = f"{run.interval_s} s is not the meter's interval of {spec.interval_s} s"
        raise Refused("interval_length", reason, place=run.place)
    wall = run.start.astimezone(zone_of(spec.zone))
    if (wall.hour * 3600 + wall.minute * 60 + wall.second) % run.interval_s:
        reason = f"{wall:%H:%M:%S} in {spec.zone} does not start an interval of {run.interval_s} s"
        raise Refused("misaligned_start", reason, place=run.place)
    values = run.values
    if int(values.max()) > spec.wh_max:
        at = int(np.argmax(values > spec.wh_max))
        start = run.start + timedelta(seconds=run.interval_s * at)
        raise Refused(
            "above_device_limit",
            f"{int(values[at])} is above {spec.wh_max}, 1.05 x what {spec.power_w_max} W gives",
            place=f"{run.meter} {run.register} {instant_text(start)}",
        )
