"""What a step test found, on record: without a pass nothing raises a device's power.

A pass is of one profile and one address: when either changes, the device is to be tested again. A newer test
takes the place of every earlier one, and so a failed one takes a pass away.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from dispatch.commissioning.step_plan import StepPlan
from dispatch.commissioning.step_result import STEPS, StepResult
from dispatch.devices.profile import Profile
from ledger.command import known
from ledger.effective import History
from ledger.identity import checked_id
from ledger.interval import Instant
from ledger.refusal import Refused

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_NEEDED: Final = ("telemetry", "latency", "sign", "scale", "ramp", "capability", "left_safe")
"""Steps that every device can take; one that was not run is no pass. So are those of which its profile has
what they test."""


class CommissioningReport(msgspec.Struct, frozen=True, kw_only=True):
    """One step test. `address_sha256` is of the address in the fleet file; the address itself is local.
    `lacks`: what else a driver needs at the site before it raises the device; "" where nothing is known to be
    missing."""

    device: str
    profile: str
    profile_sha256: str
    address_sha256: str
    meter: str
    started_at: Instant
    ended_at: Instant
    plan: StepPlan
    results: tuple[StepResult, ...]
    lacks: str = ""

    def __post_init__(self) -> None:
        checked_id(self.device, "device")
        checked_id(self.profile, "profile")
        for place in ("profile_sha256", "address_sha256"):
            if not _SHA256.fullmatch(getattr(self, place)):
                raise Refused("digest", "64 hexadecimal digits", place=place)
        if self.ended_at < self.started_at:
            raise Refused("interval", "a test ends after it starts", place="ended_at")
        if tuple(one.step for one in self.results) != STEPS:
            raise Refused("commissioning_steps", f"each once, in order: {', '.join(STEPS)}", place="results")

    @property
    def failed_step(self) -> str:
        """The first step that failed, or that had to be run and was not; empty for a pass."""
        for one in self.results:
            if one.verdict == "failed" or (one.verdict == "not_run" and one.step in self._needed):
                return one.step
        guards = [one for one in self.results if one.step in ("revert", "watchdog")]
        return "watchdog" if all(one.verdict == "not_run" for one in guards) else ""

    @property
    def _needed(self) -> frozenset[str]:
        plan = self.plan
        has = {
            "clock": plan.clock,
            "heartbeat": plan.counter,
            "revert": plan.reverts,
            "watchdog": plan.watchdog_s is not None,
        }
        return frozenset((*_NEEDED, *(step for step, there in has.items() if there)))

    @property
    def passed(self) -> bool:
        return not self.failed_step


class Commissioning(msgspec.Struct, frozen=True, kw_only=True):
    """A device's newest test, how many there were, and the test that has begun and not ended, if any."""

    count: int = 0
    newest: CommissioningReport | None = None
    begun_by: str = ""

    def permits(self, profile_sha256: str, address_sha256: str) -> bool:
        """Whether a device of that profile at that address may be dispatched."""
        one = self.newest
        return (
            one is not None
            and one.passed
            and not self.begun_by
            and (one.profile_sha256, one.address_sha256) == (profile_sha256, address_sha256)
        )


class CommissioningBegun(msgspec.Struct, frozen=True, tag_field="kind", tag="commissioning.begun.v1"):
    """What is about to be commanded, on record before any of it is written."""

    by: str
    at: Instant
    profile_sha256: str
    plan: StepPlan

    def apply(self, state: Commissioning | None) -> Commissioning:
        return msgspec.structs.replace(state or Commissioning(), begun_by=self.by)


class CommissioningTested(msgspec.Struct, frozen=True, tag_field="kind", tag="commissioning.tested.v1"):
    report: CommissioningReport
    by: str
    passed: bool
    failed_step: str

    def apply(self, state: Commissioning | None) -> Commissioning:
        before = 0 if state is None else state.count
        return Commissioning(count=before + 1, newest=self.report)


class BeginCommissioning(msgspec.Struct, frozen=True):
    """Say what a step test is going to command. Until it ends the device has no pass."""

    device: str
    by: str
    profile_sha256: str
    plan: StepPlan

    @property
    def aggregate(self) -> str:
        return commissioning_aggregate(self.device)

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"device.{self.device}",)

    def decide_at(
        self, now: datetime, _: Commissioning | None, others: Mapping[str, object]
    ) -> tuple[CommissioningBegun]:
        """Raises:
        Refused: `id`, `unknown_device`. One that another began and never ended is no hindrance: who may
            write is the lease's matter."""
        checked_id(self.device, "device")
        checked_id(self.by, "by")
        known(others, f"device.{self.device}", History)
        return (CommissioningBegun(self.by, now, self.profile_sha256, self.plan),)


class RecordCommissioning(msgspec.Struct, frozen=True):
    """Record what a step test found."""

    report: CommissioningReport
    by: str

    @property
    def aggregate(self) -> str:
        return commissioning_aggregate(self.report.device)

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"device.{self.report.device}",)

    def decide_at(
        self, now: datetime, state: Commissioning | None, others: Mapping[str, object]
    ) -> tuple[CommissioningTested]:
        """Raises:
        Refused: `id`, `unknown_device`, `time_ahead`; `commissioning_not_begun` for a test that was not on
            record before it wrote."""
        checked_id(self.by, "by")
        known(others, f"device.{self.report.device}", History)
        if self.report.ended_at > now:
            raise Refused("time_ahead", f"{self.report.ended_at} is after {now}", place="ended_at")
        if state is None or not state.begun_by:
            wrong = f"no step test of {self.report.device} has begun"
            raise Refused("commissioning_not_begun", wrong, place="device")
        return (CommissioningTested(self.report, self.by, self.report.passed, self.report.failed_step),)


def commissioning_aggregate(device: str) -> str:
    """The aggregate of a device's step tests."""
    return f"commissioning.{device}"


def profile_sha256(profile: Profile) -> str:
    """The digest of all that a profile says."""
    return hashlib.sha256(msgspec.json.encode(profile, order="sorted")).hexdigest()


def address_sha256(address: object) -> str:
    """The digest of a device's address as the fleet file states it."""
    return hashlib.sha256(msgspec.json.encode(address, order="sorted")).hexdigest()
