"""Alarms of a device: raised, acknowledged by a person, cleared.

An alarm is its device, its kind and since when it is so. Of a kind one is open at a time, and one that was
raised is never raised again: whoever finds the same thing twice tells it once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal, get_args

import msgspec

from dispatch.control.setpoint import step_id
from ledger.command import known
from ledger.effective import History
from ledger.identity import checked_id
from ledger.interval import Instant
from ledger.refusal import Refused

AlarmKind = Literal[
    "capacity_low",
    "cell_spread",
    "cell_temperature_high",
    "cell_temperature_low",
    "clock_skew",
    "commissioning_failed",
    "communication_lost",
    "device_fault",
    "device_refused",
    "driver_fault",
    "efficiency_low",
    "foreign_writer",
    "hour_unrecorded",
    "interlock",
    "meter_disagrees",
    "start_blocked",
    "unavailable",
    "value_jumped",
    "watchdog",
    "trend_cell_spread",
    "trend_efficiency",
    "trend_temperature_rise",
]
"""A kind that begins with trend_ tells of what is not so yet. driver_fault: of the program that drives it.
hour_unrecorded: of what its site did under a regulation signal in an hour nothing is on record.
start_blocked: device and record do not agree, so that nothing is raised. value_jumped: a value moved further
than it can have, and is not believed yet."""
Severity = Literal["notice", "warning", "critical"]
ALARM_KINDS: Final[tuple[AlarmKind, ...]] = get_args(AlarmKind)
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)
_TEXT_MAX: Final = 2000


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """`detail` says what was found, with its figures; `acknowledged_by` is empty until somebody has seen
    it."""

    kind: AlarmKind
    since: Instant
    severity: Severity
    detail: str
    raised_by: str
    acknowledged_by: str = ""
    note: str = ""


class Alarms(msgspec.Struct, frozen=True):
    """Those that are open, and of each kind since when the newest was."""

    open: tuple[Alarm, ...] = ()
    newest: dict[str, Instant] = {}

    def find(self, kind: str, since: datetime) -> Alarm | None:
        return next((one for one in self.open if (one.kind, one.since) == (kind, since)), None)


class AlarmRaised(msgspec.Struct, frozen=True, tag_field="kind", tag="alarm.raised.v1"):
    device: str
    alarm: Alarm

    def apply(self, state: Alarms | None) -> Alarms:
        before = state or Alarms()
        return Alarms((*before.open, self.alarm), before.newest | {self.alarm.kind: self.alarm.since})


class AlarmAcknowledged(msgspec.Struct, frozen=True, tag_field="kind", tag="alarm.acknowledged.v1"):
    device: str
    alarm: AlarmKind
    since: Instant
    by: str
    note: str
    at: Instant

    def apply(self, state: Alarms) -> Alarms:
        changed = tuple(
            msgspec.structs.replace(one, acknowledged_by=self.by, note=self.note)
            if (one.kind, one.since) == (self.alarm, self.since)
            else one
            for one in state.open
        )
        return msgspec.structs.replace(state, open=changed)


class AlarmCleared(msgspec.Struct, frozen=True, tag_field="kind", tag="alarm.cleared.v1"):
    """It is no longer so, whether or not anybody acknowledged it."""

    device: str
    alarm: AlarmKind
    since: Instant
    by: str
    reason: str
    at: Instant

    def apply(self, state: Alarms) -> Alarms:
        left = tuple(one for one in state.open if (one.kind, one.since) != (self.alarm, self.since))
        return msgspec.structs.replace(state, open=left)


class _OnAlarms(msgspec.Struct, frozen=True):
    device: str
    kind: AlarmKind
    since: Instant
    by: str

    @property
    def aggregate(self) -> str:
        return alarm_aggregate(self.device)

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def _check(self) -> None:
        checked_id(self.device, "device")
        checked_id(self.by, "by")
        if self.kind not in ALARM_KINDS:
            raise Refused("alarm_kind", f"one of {', '.join(ALARM_KINDS)}", place="kind")
        if self.since.tzinfo is None:
            raise Refused("naive_time", "an instant needs its UTC offset", place="since")

    def _open(self, state: Alarms | None) -> Alarm:
        found = None if state is None else state.find(self.kind, self.since)
        if found is None:
            wrong = f"{self.device} has no open alarm {self.kind} since {self.since.isoformat()}"
            raise Refused("unknown_alarm", wrong, place="since")
        return found


class RaiseAlarm(_OnAlarms, frozen=True):
    """Raise an alarm; its command id is `alarm_id` wherever a machine raises it."""

    severity: Severity
    detail: str

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"device.{self.device}",)

    def decide_at(
        self, now: datetime, state: Alarms | None, others: Mapping[str, object]
    ) -> tuple[AlarmRaised]:
        """Raises:
        Refused: `id`, `alarm_kind`, `not_allowed`, `naive_time`, `time_ahead`, `reason`, `unknown_device`;
            `alarm_open` while one of the kind is; `alarm_repeated` for one that was raised, or an older
            one."""
        self._check()
        known(others, f"device.{self.device}", History)
        if self.severity not in SEVERITIES:
            raise Refused("not_allowed", f"one of {', '.join(SEVERITIES)}", place="severity")
        if self.since > now:
            raise Refused("time_ahead", f"{self.since} is after {now}", place="since")
        before = state or Alarms()
        newest = before.newest.get(self.kind)
        if newest is not None and self.since <= newest:
            wrong = f"{self.kind} since {newest.isoformat()} is on record: a later one only"
            raise Refused("alarm_repeated", wrong, place="since")
        if any(one.kind == self.kind for one in before.open):
            raise Refused("alarm_open", f"{self.kind} of {self.device} is open: clear it first", place="kind")
        alarm = Alarm(
            kind=self.kind,
            since=self.since,
            severity=self.severity,
            detail=_checked_text(self.detail, "detail"),
            raised_by=self.by,
        )
        return (AlarmRaised(self.device, alarm),)


class AcknowledgeAlarm(_OnAlarms, frozen=True):
    """Say that an open alarm was seen, and what is done about it."""

    note: str

    def decide_at(
        self, now: datetime, state: Alarms | None, _: Mapping[str, object]
    ) -> tuple[AlarmAcknowledged]:
        """Raises:
        Refused: `id`, `alarm_kind`, `naive_time`, `reason`, `unknown_alarm`; `alarm_acknowledged` when
            somebody did."""
        self._check()
        found = self._open(state)
        if found.acknowledged_by:
            wrong = f"{found.acknowledged_by} acknowledged it"
            raise Refused("alarm_acknowledged", wrong, place="kind")
        note = _checked_text(self.note, "note")
        return (AlarmAcknowledged(self.device, self.kind, self.since, self.by, note, now),)


class ClearAlarm(_OnAlarms, frozen=True):
    """Say that what an alarm tells is over."""

    reason: str

    def decide_at(self, now: datetime, state: Alarms | None, _: Mapping[str, object]) -> tuple[AlarmCleared]:
        """Raises:
        Refused: `id`, `alarm_kind`, `naive_time`, `reason`, `unknown_alarm`."""
        self._check()
        self._open(state)
        reason = _checked_text(self.reason, "reason")
        return (AlarmCleared(self.device, self.kind, self.since, self.by, reason, now),)


AlarmEvent = AlarmRaised | AlarmAcknowledged | AlarmCleared


def alarm_aggregate(device: str) -> str:
    """The aggregate of a device's alarms."""
    return f"alarm.{device}"


def alarm_id(device: str, kind: AlarmKind, since: datetime) -> str:
    """The command id under which that alarm is raised, whoever finds it and however often."""
    return step_id(device, f"{since:%Y-%m-%d}", 0, "alarm", f"{kind} {since.isoformat()}")


def _checked_text(text: str, place: str) -> str:
    if not 0 < len(text.strip()) <= _TEXT_MAX:
        raise Refused("reason", f"say it in 1 to {_TEXT_MAX} characters", place=place)
    return text
