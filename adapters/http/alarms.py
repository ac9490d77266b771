"""Alarms of devices: those that are open, and what is done about them."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from adapters.http.intake import Intake, Stored
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.register import ID_PATTERN, Name
from adapters.http.view import View
from adapters.queries import device_care
from adapters.queries.device_care import OpenAlarm
from dispatch.health.alarm import AcknowledgeAlarm, AlarmKind, ClearAlarm, RaiseAlarm, Severity
from ledger.interval import Instant

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


class AlarmAnswer(msgspec.Struct, frozen=True):
    position: int
    items: tuple[OpenAlarm, ...]


class AlarmBody(msgspec.Struct, frozen=True):
    """`since` is from when it is so: with the device and the kind it says which alarm this is."""

    kind: AlarmKind
    since: Instant
    severity: Severity
    detail: Text


class AlarmAcknowledgement(msgspec.Struct, frozen=True):
    kind: AlarmKind
    since: Instant
    note: Text


class AlarmClearing(msgspec.Struct, frozen=True):
    kind: AlarmKind
    since: Instant
    reason: Text


@get(
    "/alarms",
    summary="Alarms that are not cleared, the oldest first",
    responses=READ_PROBLEMS,
    tags=["Devices"],
    sync_to_thread=True,
)
def list_alarms(
    view: NamedDependency[View],
    device: Annotated[str | None, QueryParameter(pattern=ID_PATTERN, description="Only this one's")] = None,
) -> AlarmAnswer:
    with view.reading() as (connection, position):
        return AlarmAnswer(position, device_care.open_alarms(connection, position, device))


@post(
    "/devices/{name:str}/alarms",
    summary="Raise an alarm of a device; one of the same kind and instant is raised once",
    responses=WRITE_PROBLEMS,
    tags=["Devices"],
    sync_to_thread=True,
)
def raise_alarm(intake: NamedDependency[Intake], name: Name, data: JSONBody[AlarmBody]) -> Response[Stored]:
    command = RaiseAlarm(name, data.kind, data.since, intake.actor, data.severity, data.detail)
    return intake.execute(command)


@post(
    "/devices/{name:str}/alarms/acknowledge",
    summary="Say that an open alarm was seen, and what is done about it",
    responses=WRITE_PROBLEMS,
    tags=["Devices"],
    sync_to_thread=True,
)
def acknowledge_alarm(
    intake: NamedDependency[Intake], name: Name, data: JSONBody[AlarmAcknowledgement]
) -> Response[Stored]:
    return intake.execute(AcknowledgeAlarm(name, data.kind, data.since, intake.actor, data.note))


@post(
    "/devices/{name:str}/alarms/clear",
    summary="Say that what an alarm tells is over",
    responses=WRITE_PROBLEMS,
    tags=["Devices"],
    sync_to_thread=True,
)
def clear_alarm(
    intake: NamedDependency[Intake], name: Name, data: JSONBody[AlarmClearing]
) -> Response[Stored]:
    return intake.execute(ClearAlarm(name, data.kind, data.since, intake.actor, data.reason))


ROUTES: Final = (list_alarms, raise_alarm, acknowledge_alarm, clear_alarm)
