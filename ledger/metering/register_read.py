"""Register reads: what an accumulating register showed at an instant, times the meter's multiplier.

They are optional. Where they are recorded, intervals are compared with their differences, and a gap's
energy is known from those around it (DOMAIN.md 3.11).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Final

import msgspec

from ledger.command import known
from ledger.effective import History
from ledger.interval import Instant, Interval, checked_year
from ledger.readings import REGISTERS, Register, check_meter_id, instant_text
from ledger.refusal import Refused

TOTAL_WH_MAX: Final = 2**53 - 1
READS_MAX: Final = 5000
"""In one command: a month of quarter-hours of one register, which one message holds with ease."""


class RegisterRead(msgspec.Struct, frozen=True):
    """`total_wh` (varh of a reactive register) is the display times the multiplier, cut off to whole
    `step_wh`, which is what the last digit of the display is worth."""

    register: Register
    at: Instant
    total_wh: int
    step_wh: int

    def __post_init__(self) -> None:
        if self.register not in REGISTERS:
            raise Refused("register", f"{self.register!r} is not one of {', '.join(REGISTERS)}")
        if self.at.utcoffset() != timedelta(0) or self.at.microsecond:
            raise Refused("read_instant", f"{self.at} is not a whole second of UTC", place="at")
        checked_year(self.at, "at")
        if not 0 <= self.total_wh <= TOTAL_WH_MAX:
            raise Refused("reading_range", f"{self.total_wh} is not 0..{TOTAL_WH_MAX}", place="total_wh")
        if not 0 < self.step_wh <= TOTAL_WH_MAX:
            raise Refused("read_step", f"{self.step_wh} is not above 0", place="step_wh")


class RegisterReads(msgspec.Struct, frozen=True):
    """The reads of a meter's UTC month, ascending by register and instant; the latest recorded holds."""

    reads: tuple[RegisterRead, ...] = ()


class RegisterReadsRecorded(msgspec.Struct, frozen=True, tag_field="kind", tag="meter.registers_read.v1"):
    """What a meter's registers showed."""

    meter: str
    reads: tuple[RegisterRead, ...]

    def apply(self, state: RegisterReads | None) -> RegisterReads:
        held = {(read.register, read.at): read for read in (*(state.reads if state else ()), *self.reads)}
        return RegisterReads(tuple(held[key] for key in sorted(held)))


class RecordRegisterReads(msgspec.Struct, frozen=True):
    """Record register reads of one meter within one UTC month (`YYYY-MM`).

    A read that falls below an earlier one is recorded as it is: it is a finding of the validation, and
    a finding never changes data.
    """

    meter: str
    month: str
    shown: tuple[RegisterRead, ...]

    @property
    def aggregate(self) -> str:
        return aggregate_of(self.meter, self.month)

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"meter.{self.meter}",)

    def decide(self, _: object, others: Mapping[str, object]) -> tuple[RegisterReadsRecorded]:
        """Raises:
        Refused: `unknown_meter`, `unknown_register`, `register_reads`."""
        meter = known(others, f"meter.{self.meter}", History).latest.document
        if not 0 < len(self.shown) <= READS_MAX:
            raise Refused("register_reads", f"{len(self.shown)} reads are not 1..{READS_MAX}", place="reads")
        seen: set[tuple[Register, object]] = set()
        for number, read in enumerate(self.shown):
            place = f"reads[{number}]"
            if read.register not in meter.registers:
                allowed = ", ".join(meter.registers)
                raise Refused("unknown_register", f"{read.register} is not one of {allowed}", place=place)
            if f"{read.at:%Y-%m}" != self.month:
                raise Refused("register_reads", f"{read.at} is not in UTC month {self.month}", place=place)
            if (read.register, read.at) in seen:
                raise Refused("register_reads", f"{instant_text(read.at)} stands here twice", place=place)
            seen.add((read.register, read.at))
        return (RegisterReadsRecorded(self.meter, self.shown),)


def aggregate_of(meter: str, month: str) -> str:
    """The aggregate of a meter's reads within a UTC month (`YYYY-MM`)."""
    check_meter_id(meter)
    return f"registers.{meter}_{month}"


def around(
    reads: Iterable[RegisterRead], register: Register, interval: Interval, interval_s: int
) -> tuple[RegisterRead, RegisterRead] | None:
    """The last read of `register` not after `interval` begins, and the first not before it ends.

    Only reads on the border of an interval count. None where one of the two is missing: the gap has no
    end point (DOMAIN.md 3.11).
    """
    step = timedelta(seconds=interval_s)
    fitting = [r for r in reads if r.register == register and not (r.at - interval.start) % step]
    before = [read for read in fitting if read.at <= interval.start]
    after = [read for read in fitting if read.at >= interval.end]
    if not before or not after:
        return None
    return max(before, key=lambda read: read.at), min(after, key=lambda read: read.at)
