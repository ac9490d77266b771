"""Alarms, work orders, milestones and step tests, as of a sequence number."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from adapters.postgres.database import Connection
from adapters.queries import registered_page
from adapters.queries.registered_events import folded_states
from dispatch.commissioning.report import CommissioningReport
from dispatch.health.alarm import Alarm, AlarmEvent, Alarms
from ledger.refusal import Refused
from ledger.site_milestone import KINDS, Milestone, MilestoneStated
from ledger.work_order import WorkEvent, WorkOrder, WorkStatus


class OpenAlarm(msgspec.Struct, frozen=True):
    """An alarm that is not cleared, and the device's last event about its alarms."""

    device: str
    sequence: int
    alarm: Alarm


class WorkFound(msgspec.Struct, frozen=True):
    """A work order, and its last event."""

    sequence: int
    order: WorkOrder


class Tested(msgspec.Struct, frozen=True):
    """A step test: its event, its report, whether it passed, and the step that failed; empty: none."""

    sequence: int
    passed: bool
    failed_step: str
    report: CommissioningReport


def open_alarms(connection: Connection, position: int, device: str | None = None) -> tuple[OpenAlarm, ...]:
    """Those of all devices, or of one, the oldest first."""
    found = folded_states(connection, "alarm", cast("Any", AlarmEvent), position, device)
    items = [
        OpenAlarm(name, one.sequence, alarm)
        for name, one in found.items()
        if isinstance(one.state, Alarms)
        for alarm in one.state.open
    ]
    return tuple(sorted(items, key=lambda one: (one.alarm.since, one.device, one.alarm.kind)))


def work_orders(
    connection: Connection, position: int, *, site: str | None = None, status: WorkStatus | None = None
) -> tuple[WorkFound, ...]:
    """By id; only of a site, or of a status."""
    found = folded_states(connection, "work", cast("Any", WorkEvent), position)
    return tuple(
        WorkFound(one.sequence, one.state)
        for one in found.values()
        if site in (None, one.state.site) and status in (None, one.state.status)
    )


def work_order(connection: Connection, position: int, name: str) -> WorkFound:
    """Raises:
    Refused: `unknown_work`."""
    found = folded_states(connection, "work", cast("Any", WorkEvent), position, name).get(name)
    if found is None:
        raise Refused("unknown_work", f"no work order {name!r} was opened", place="name")
    return WorkFound(found.sequence, found.state)


def milestones(connection: Connection, position: int, site: str) -> tuple[Milestone, ...]:
    """What was stated last of each kind, in the order in which a project has them.

    Raises:
        Refused: `unknown_milestone` for a site without any.
    """
    found = folded_states(connection, "milestone", MilestoneStated, position, site).get(site)
    if found is None:
        raise Refused("unknown_milestone", f"no milestone of site {site!r} was stated", place="name")
    stated: dict[str, Milestone] = found.state
    return tuple(stated[kind] for kind in KINDS if kind in stated)


def step_tests(connection: Connection, position: int, device: str) -> tuple[Tested, ...]:
    """Every step test of a device, the oldest first; only the last one counts."""
    rows = registered_page.versions(connection, "commissioning", CommissioningReport, position, device)
    return tuple(
        Tested(one.sequence, one.document.passed, one.document.failed_step, one.document) for one in rows
    )
