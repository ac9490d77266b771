"""What happened to a setpoint, recorded as it was: written, read back, seen by the meter.

What each step may follow is in `dispatch.control.command_life`. A record's command id is
`dispatch.control.setpoint.step_id`, so that telling it twice is telling it once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from dispatch.control.command_life import (
    DeviceDay,
    ForeignWriterSeen,
    SetpointNotApplied,
    SetpointReadBack,
    SetpointSeen,
    SetpointWritten,
    WriteUncertain,
    WrittenFirst,
)
from dispatch.control.fallback import Fallback, fallback_aggregate
from dispatch.control.foreign_writer import read_back
from dispatch.control.lease import Lease, day_of_token, lease_aggregate
from dispatch.control.on_day import (
    OnDay,
    check_day,
    check_not_ahead,
    check_status,
    command_of,
    device_of,
    next_sequence,
)
from dispatch.control.setpoint import Setpoint, lowers
from ledger.command import known
from ledger.effective import History
from ledger.identity import checked_id
from ledger.interval import Instant
from ledger.refusal import Refused

_REASON_MAX: Final = 2000


class RecordWritten(OnDay, frozen=True):
    """Tell that a setpoint was written `at`; `uncertain` says why nobody knows whether it arrived. `after`:
    which one of the day its driver wrote before it, 0 where it does not know."""

    sequence: int
    token: int
    before_w: int | None
    at: Instant
    uncertain: str = ""
    after: int = 0

    @property
    def reads(self) -> tuple[str, ...]:
        return (lease_aggregate(self.device, day_of_token(self.token)),)

    def decide_at(
        self, now: datetime, state: DeviceDay | None, others: Mapping[str, object]
    ) -> tuple[SetpointWritten] | tuple[WriteUncertain]:
        """Raises:
        Refused: `unknown_command`, `unknown_lease`, `time_ahead`, `reason`; `command_status` for one that was
            never leased, or is written already.

        A write under a lease that was lost by then is a fact, and marked `fenced`."""
        command = command_of(state, self.sequence)[1]
        check_not_ahead(self.at, now)
        if command.written_at is not None:
            raise Refused("command_status", f"{self.sequence} is written already", place="sequence")
        if not command.token:
            raise Refused("command_status", f"{self.sequence} was never leased", place="sequence")
        lease = others.get(lease_aggregate(self.device, day_of_token(self.token)))
        if not isinstance(lease, Lease) or self.token > lease.token:
            raise Refused("unknown_lease", f"{self.device} has no lease {self.token}", place="token")
        over = self.token < lease.token and self.at >= lease.since
        fenced = over or (self.token == lease.token and self.at >= lease.until)
        if self.uncertain:
            reason = _checked_reason(self.uncertain)
            return (
                WriteUncertain(self.sequence, self.token, self.before_w, self.at, reason, fenced, self.after),
            )
        return (SetpointWritten(self.sequence, self.token, self.before_w, self.at, fenced, self.after),)


class RecordReadBack(OnDay, frozen=True):
    """Tell what the device's setpoint register showed `at`; what that means is found here.

    `tolerance_w` is half a step of the register, `safe_w` what the device falls back to by itself, `remote`
    whether it obeys us. `fallback_s`: how long after a write it may be in its safe state by itself; None:
    never. `fallen`: it is there, and obeys no setpoint; what was to do nothing at all stands all the same.
    `written_w`: what a signal made of it within its band, and was written last; None where nobody knows, as
    after its driver ended: then all of the band may be ours.
    """

    sequence: int
    found_w: int
    at: Instant
    tolerance_w: int = 0
    safe_w: int | None = None
    remote: bool = True
    fallback_s: int | None = None
    fallen: bool = False
    written_w: int | None = None

    def decide_at(
        self, now: datetime, state: DeviceDay | None, _: Mapping[str, object]
    ) -> tuple[SetpointReadBack] | tuple[SetpointNotApplied] | tuple[ForeignWriterSeen]:
        """Raises:
        Refused: `unknown_command`, `time_ahead`, `setpoint_power`; `command_status` for one that the device
            does not have; `read_before_written`. One that it still shows is read back again."""
        day, command = command_of(state, self.sequence)
        check_not_ahead(self.at, now)
        if self.tolerance_w < 0:
            raise Refused("negative", "a tolerance is at least 0 W", place="tolerance_w")
        shown = command.status in ("read_back", "seen")
        if not shown:
            check_status(command, "written", "unknown")
        if day.last != self.sequence:
            raise Refused("command_status", f"{day.last} was written after it: read that", place="sequence")
        assert command.written_at is not None, "it was written"
        if self.at < command.written_at:
            raise Refused("read_before_written", f"written at {command.written_at}", place="at")
        wanted, band_w = self._written_w(command.setpoint, shown=shown)
        earlier = tuple(one.setpoint.setpoint_w for n, one in day.commands.items() if n != self.sequence)
        found = read_back(
            wanted,
            None if shown else command.before_w,
            self.found_w,
            tolerance_w=self.tolerance_w + band_w,
            safe_w=self.safe_w,
            remote=self.remote,
            earlier_w=earlier,
            fallback_s=self.fallback_s,
            after=self.at - command.written_at,
            fallen=self.fallen and bool(command.setpoint.power_w_max),
        )
        match found.answer:
            case "applied":
                return (SetpointReadBack(self.sequence, self.found_w, self.at),)
            case "not_applied":
                return (SetpointNotApplied(self.sequence, self.found_w, self.at),)
            case "foreign":
                assert found.writer is not None, "somebody wrote it"
                before = command.before_w
                return (
                    ForeignWriterSeen(self.sequence, wanted, before, self.found_w, found.writer, self.at),
                )

    def _written_w(self, setpoint: Setpoint, *, shown: bool) -> tuple[int, int]:
        """What was written, and how far from it what is ours may be."""
        if self.written_w is None:
            return setpoint.setpoint_w, setpoint.band_w if shown else 0
        if abs(self.written_w - setpoint.setpoint_w) > setpoint.band_w:
            wrong = f"within {setpoint.band_w} W of {setpoint.setpoint_w} W"
            raise Refused("setpoint_power", wrong, place="written_w")
        return self.written_w, 0


class RecordSeen(OnDay, frozen=True):
    """Tell that the storage's own meter showed, at `at`, what was commanded, within `tolerance_w`."""

    sequence: int
    meter: str
    measured_w: int
    at: Instant
    tolerance_w: int

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"meter.{self.meter}",)

    def decide_at(
        self, now: datetime, state: DeviceDay | None, others: Mapping[str, object]
    ) -> tuple[SetpointSeen]:
        """Raises:
        Refused: `unknown_meter`, `unknown_command`, `command_status`, `time_ahead`, `read_before_written`,
            `meter_disagrees`."""
        checked_id(self.meter, "meter")
        known(others, f"meter.{self.meter}", History)
        command = command_of(state, self.sequence)[1]
        check_not_ahead(self.at, now)
        check_status(command, "read_back", "superseded", "expired")
        if not command.confirmed:
            raise Refused("command_status", f"{self.sequence} never stood at the device", place="sequence")
        assert command.written_at is not None, "it was written"
        if self.at < command.written_at:
            raise Refused("read_before_written", f"written at {command.written_at}", place="at")
        apart = abs(self.measured_w - command.setpoint.setpoint_w)
        if self.tolerance_w < 0 or apart > self.tolerance_w + command.setpoint.band_w:
            wrong = f"{self.measured_w} W is {apart} W from what was commanded"
            raise Refused("meter_disagrees", wrong, place="measured_w")
        return (SetpointSeen(self.sequence, self.meter, self.measured_w, self.at),)


class RecordWrittenFirst(OnDay, frozen=True):
    """Tell of a stop or limit that a driver wrote `at` before it could be recorded; `journal` is its own
    number for it, by which a repeat is recognised. `day` is that of `at`; `after` as in `RecordWritten`."""

    setpoint: Setpoint
    journal: str
    before_w: int | None
    at: Instant
    by: str
    certain: bool = True
    after: int = 0

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"device.{self.device}", fallback_aggregate(self.device))

    def decide_at(
        self, now: datetime, state: DeviceDay | None, others: Mapping[str, object]
    ) -> tuple[WrittenFirst]:
        """Raises:
        Refused: `id`, `unknown_device`, `command_day`, `time_ahead`; `journal_repeated`.

        What raised power is recorded all the same, and marked `raised`; but for what the schedule says that
        the site has acknowledged: its intent was on record."""
        for place in ("device", "by", "journal"):
            checked_id(getattr(self, place), place)
        device_of(others, self.device)
        check_not_ahead(self.at, now)
        check_day(self.day, self.at)
        if state is not None and self.journal in state.journalled:
            wrong = f"{self.journal} is recorded as {state.journalled[self.journal]}"
            raise Refused("journal_repeated", wrong, place="journal")
        scheduled = _scheduled(others.get(fallback_aggregate(self.device)), self.setpoint, self.at)
        raised = not scheduled and not lowers(self.setpoint, self.before_w)
        return (
            WrittenFirst(
                next_sequence(state),
                self.setpoint,
                self.journal,
                self.before_w,
                self.at,
                self.by,
                self.certain,
                raised,
                self.after,
            ),
        )


def _scheduled(fallback: object, setpoint: Setpoint, at: datetime) -> bool:
    """Whether the schedule that the site holds, or the driver, says so at that instant."""
    if not isinstance(fallback, Fallback) or setpoint.origin != "fallback":
        return False
    return any(
        setpoint.cause == f"fallback {schedule.digest}"
        and schedule.start <= at < schedule.end
        and schedule.at(at) == setpoint.setpoint_w
        for schedule in (fallback.kept, fallback.acknowledged)
        if schedule is not None
    )


def _checked_reason(text: str) -> str:
    if not 0 < len(text.strip()) <= _REASON_MAX:
        raise Refused("reason", f"say why, in at most {_REASON_MAX} characters", place="reason")
    return text
