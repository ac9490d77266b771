"""A device's health on record: one line a day of what its telemetry told, and its capacity tests.

Telemetry is kept for days and health is asked of years: what a day's samples told is an event, once, when all
of them have come. What was not measured is None, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Final

import msgspec

from ledger.command import known
from ledger.device import Device
from ledger.effective import History
from ledger.identity import checked_id
from ledger.interval import Instant
from ledger.refusal import Refused

_TEXT_MAX: Final = 2000
NAMEPLATE_PERCENT_MAX: Final = 130
"""No storage holds more of its nameplate when it is new: what is above it is a slip of the pen."""


class EnergyRead(msgspec.Struct, frozen=True, kw_only=True):
    """The revenue meter's registers at an instant, Wh: `charge_wh` into the storage, `discharge_wh` out of
    it; and what the storage held then, None where it did not tell."""

    at: Instant
    charge_wh: int
    discharge_wh: int
    stored_wh: int | None


class HealthDay(msgspec.Struct, frozen=True, kw_only=True):
    """[start, end) of a local day. `available_s`: the device was read well and told no fault. `spread_mv`:
    the middle spread of its cells at rest. `rise_mk`: by how much its hottest cell is above the air around
    it, per full power squared (dispatch.health.day_figures). `opened` and `closed`: the day's first and last
    read.
    """

    day: date
    start: Instant
    end: Instant
    samples: int
    available_s: int
    spread_mv: int | None = None
    rise_mk: int | None = None
    opened: EnergyRead | None = None
    closed: EnergyRead | None = None

    def __post_init__(self) -> None:
        whole = self.whole_s
        if whole <= 0 or not 0 <= self.available_s <= whole:
            raise Refused("health_day", f"0 to {whole} s of a day were available", place="available_s")
        if self.samples < 1:
            raise Refused("health_day", "a day without samples tells nothing", place="samples")
        if (self.opened is None) != (self.closed is None):
            raise Refused("health_day", "the first read and the last one, or neither", place="closed")

    @property
    def whole_s(self) -> int:
        length = self.end - self.start
        return length.days * 86_400 + length.seconds


class CapacityTestOnRecord(msgspec.Struct, frozen=True, kw_only=True):
    """`usable_wh` came out of a full storage until it was empty, at the AC side."""

    usable_wh: int
    tested_at: Instant
    by: str
    evidence: str


class HealthRecord(msgspec.Struct, frozen=True):
    """In the order of their days, and of when they were tested; tests that were withdrawn are apart."""

    days: tuple[HealthDay, ...] = ()
    tests: tuple[CapacityTestOnRecord, ...] = ()
    withdrawn: tuple[CapacityTestOnRecord, ...] = ()


class HealthDayRecorded(msgspec.Struct, frozen=True, tag_field="kind", tag="health.day_recorded.v1"):
    device: str
    day: HealthDay

    def apply(self, state: HealthRecord | None) -> HealthRecord:
        before = state or HealthRecord()
        return msgspec.structs.replace(before, days=(*before.days, self.day))


class CapacityTested(msgspec.Struct, frozen=True, tag_field="kind", tag="health.capacity_tested.v1"):
    """A test, or with `withdrawn_for` that the same one no longer counts, by whom and why."""

    device: str
    test: CapacityTestOnRecord
    withdrawn_for: str = ""
    withdrawn_by: str = ""

    def apply(self, state: HealthRecord | None) -> HealthRecord:
        before = state or HealthRecord()
        if not self.withdrawn_for:
            return msgspec.structs.replace(before, tests=(*before.tests, self.test))
        left = tuple(one for one in before.tests if one != self.test)
        return msgspec.structs.replace(before, tests=left, withdrawn=(*before.withdrawn, self.test))


class _OnHealth(msgspec.Struct, frozen=True):
    device: str

    @property
    def aggregate(self) -> str:
        return health_aggregate(self.device)

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"device.{self.device}",)


class RecordHealthDay(_OnHealth, frozen=True):
    """Record what a day's telemetry told; the days of a device in their order, each once."""

    day: HealthDay

    def decide_at(
        self, now: datetime, state: HealthRecord | None, others: Mapping[str, object]
    ) -> tuple[HealthDayRecorded]:
        """Raises:
        Refused: `id`, `unknown_device`, `time_ahead`; `health_day` for a day that is not after the newest."""
        checked_id(self.device, "device")
        known(others, f"device.{self.device}", History)
        if self.day.end > now:
            raise Refused("time_ahead", f"{self.day.day} is not over", place="day")
        if state is not None and state.days and state.days[-1].day >= self.day.day:
            newest = state.days[-1].day
            raise Refused("health_day", f"{newest} is on record: a later day only", place="day")
        return (HealthDayRecorded(self.device, self.day),)


class RecordCapacityTest(_OnHealth, frozen=True, kw_only=True):
    """Record a capacity test: what came out of the full storage, when, and what proves it."""

    usable_wh: int
    tested_at: Instant
    by: str
    evidence: str

    def decide_at(
        self, now: datetime, state: HealthRecord | None, others: Mapping[str, object]
    ) -> tuple[CapacityTested]:
        """Raises:
        Refused: `id`, `unknown_device`, `naive_time`, `time_ahead`, `evidence`; `capacity_test` for one of no
            energy, of more than `NAMEPLATE_PERCENT_MAX` of the nameplate, or not after the newest."""
        checked_id(self.device, "device")
        checked_id(self.by, "by")
        devices: History[Device] = known(others, f"device.{self.device}", History)
        if self.tested_at.tzinfo is None:
            raise Refused("naive_time", "an instant needs its UTC offset", place="tested_at")
        _check_usable(self.usable_wh, (devices.at(self.tested_at) or devices.latest).document)
        if self.tested_at > now:
            raise Refused("time_ahead", f"{self.tested_at} is after {now}", place="tested_at")
        if state is not None and state.tests and state.tests[-1].tested_at >= self.tested_at:
            newest = state.tests[-1].tested_at.isoformat()
            raise Refused("capacity_test", f"one of {newest} is on record: a later one", place="tested_at")
        if not 0 < len(self.evidence.strip()) <= _TEXT_MAX:
            raise Refused("evidence", f"say what proves it, in 1 to {_TEXT_MAX} characters", place="evidence")
        test = CapacityTestOnRecord(
            usable_wh=self.usable_wh, tested_at=self.tested_at, by=self.by, evidence=self.evidence
        )
        return (CapacityTested(self.device, test),)


class WithdrawCapacityTest(_OnHealth, frozen=True, kw_only=True):
    """Say that a capacity test on record does not count, and why; it stays on record."""

    tested_at: Instant
    by: str
    reason: str

    def decide(self, state: HealthRecord | None, _: Mapping[str, object]) -> tuple[CapacityTested]:
        """Raises:
        Refused: `id`, `reason`; `unknown_test` for an instant of which no test is on record;
            `already_withdrawn`."""
        checked_id(self.device, "device")
        checked_id(self.by, "by")
        if not 0 < len(self.reason.strip()) <= _TEXT_MAX:
            wrong = f"say why it does not count, in 1 to {_TEXT_MAX} characters"
            raise Refused("reason", wrong, place="reason")
        held = state or HealthRecord()
        found = [one for one in held.tests if one.tested_at == self.tested_at]
        if not found:
            if any(one.tested_at == self.tested_at for one in held.withdrawn):
                wrong = f"the test of {self.tested_at.isoformat()} is withdrawn already"
                raise Refused("already_withdrawn", wrong, place="tested_at")
            there = ", ".join(one.tested_at.isoformat() for one in held.tests) or "none"
            raise Refused("unknown_test", f"the capacity tests of {self.device}: {there}", place="tested_at")
        return (CapacityTested(self.device, found[0], self.reason, self.by),)


def _check_usable(usable_wh: int, device: Device) -> None:
    """That a storage of that nameplate can have given so much; a device that states none has no bound, and no
    state of health either.

    >>> _check_usable(1300, Device("B1", "S1", "battery", 500, 1000))
    """
    if usable_wh <= 0:
        raise Refused("capacity_test", f"{usable_wh} Wh is not above 0", place="usable_wh")
    most_wh = device.energy_wh * NAMEPLATE_PERCENT_MAX // 100
    if device.energy_wh and usable_wh > most_wh:
        wrong = (
            f"{usable_wh} Wh came out of {device.id}, whose nameplate is {device.energy_wh} Wh: at most"
            f" {NAMEPLATE_PERCENT_MAX} % of that, {most_wh} Wh"
        )
        raise Refused("capacity_test", wrong, place="usable_wh")


HealthEvent = HealthDayRecorded | CapacityTested


def health_aggregate(device: str) -> str:
    """The aggregate of a device's health."""
    return f"health.{device}"
