"""When what is found of a device becomes an alarm, and when an alarm is over.

A finding that lasts `on_s` is an alarm, since when it was first found. An alarm is over when the opposite was
found for `off_s` without a break: a value that comes and goes is one alarm. What is not known changes
neither, and is no opposite.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, NamedTuple

from dispatch.health.alarm import Alarm, AlarmKind, Severity


class AlarmRule(NamedTuple):
    severity: Severity
    on_s: int
    off_s: int


ALARM_RULES: Final[Mapping[AlarmKind, AlarmRule]] = MappingProxyType(
    {
        "cell_spread": AlarmRule("warning", 300, 3600),
        "cell_temperature_high": AlarmRule("critical", 10, 300),
        "cell_temperature_low": AlarmRule("warning", 60, 300),
        "clock_skew": AlarmRule("warning", 60, 300),
        "communication_lost": AlarmRule("critical", 60, 60),
        "device_fault": AlarmRule("critical", 5, 60),
        "device_refused": AlarmRule("warning", 10, 300),
        "driver_fault": AlarmRule("critical", 5, 300),
        "foreign_writer": AlarmRule("warning", 0, 300),
        "hour_unrecorded": AlarmRule("critical", 5, 300),
        "interlock": AlarmRule("notice", 300, 300),
        "meter_disagrees": AlarmRule("critical", 30, 300),
        "start_blocked": AlarmRule("warning", 120, 60),
        "unavailable": AlarmRule("warning", 300, 60),
        "value_jumped": AlarmRule("warning", 5, 300),
        "watchdog": AlarmRule("warning", 30, 60),
    }
)
"""Of the kinds that are watched as they happen; those of trends are found once a day."""


class Finding(NamedTuple):
    """`holds` True: it is so. False: the opposite is. None: neither, such as a value a little under its
    limit. `severity` is the rule's where it is not stated."""

    kind: AlarmKind
    holds: bool | None
    detail: str
    severity: Severity | None = None


class Raised(NamedTuple):
    kind: AlarmKind
    since: datetime
    severity: Severity
    detail: str


class Cleared(NamedTuple):
    kind: AlarmKind
    since: datetime
    reason: str


class _Phase:
    """Of one kind: since when it is found, or has been over; raised or not."""

    __slots__ = ("detail", "good_since", "raised", "severity", "since")

    def __init__(self, since: datetime, *, raised: bool) -> None:
        self.since = since
        self.raised = raised
        self.good_since: datetime | None = None
        self.detail = ""
        self.severity: Severity | None = None


class AlarmWatch:
    """One device. `standing` are its alarms on record: those of watched kinds go on, whoever raised them.

    `newest`: of each kind since when the newest on record was; a later one never begins at or before it.
    """

    def __init__(
        self,
        standing: Iterable[Alarm] = (),
        newest: Mapping[str, datetime] = MappingProxyType({}),
        rules: Mapping[AlarmKind, AlarmRule] = ALARM_RULES,
    ) -> None:
        self._rules = rules
        self._newest: dict[str, datetime] = dict(newest)
        self._phases: dict[AlarmKind, _Phase] = {
            one.kind: _Phase(one.since, raised=True) for one in standing if one.kind in rules
        }

    def phase(self, kind: AlarmKind) -> bool:
        """Whether it is an alarm, or is about to be: its limit is then the one for being over."""
        return kind in self._phases

    def turn(self, findings: Iterable[Finding], now: datetime) -> tuple[Raised | Cleared, ...]:
        """What follows from what is found now; a kind that is not named is not known. Call it each second."""
        steps: list[Raised | Cleared] = []
        for one in findings:
            step = self._step(one, self._rules[one.kind], now)
            if step is not None:
                steps.append(step)
        return tuple(steps)

    def _step(self, one: Finding, rule: AlarmRule, now: datetime) -> Raised | Cleared | None:
        phase = self._phases.get(one.kind)
        if one.holds:
            if phase is None or (not phase.raised and phase.since > now):
                phase = self._phases[one.kind] = _Phase(self._later(one.kind, now), raised=False)
            phase.good_since = None
            phase.detail, phase.severity = one.detail, one.severity
            if not phase.raised and now - phase.since >= timedelta(seconds=rule.on_s):
                phase.raised = True
                self._newest[one.kind] = phase.since
                return Raised(one.kind, phase.since, phase.severity or rule.severity, phase.detail)
            return None
        if phase is None:
            return None
        if one.holds is None:
            phase.good_since = None
            return None
        if not phase.raised:
            del self._phases[one.kind]
            return None
        if phase.good_since is None or phase.good_since > now:
            phase.good_since = now
        if now - phase.good_since < timedelta(seconds=rule.off_s):
            return None
        del self._phases[one.kind]
        return Cleared(one.kind, phase.since, f"{one.detail} for {rule.off_s} s")

    def _later(self, kind: AlarmKind, now: datetime) -> datetime:
        newest = self._newest.get(kind)
        return now if newest is None or now > newest else newest + timedelta(milliseconds=1)
