"""What a device is told: its commands of a day, who may write to it, and the schedule it falls back to."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, QueryParameter

from adapters.http.intake import Intake, Stored
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.register import ID_PATTERN
from adapters.http.view import View
from adapters.queries import told_devices
from adapters.queries.told_devices import CommandsShown, FallbackShown, LeaseShown
from dispatch.control.fallback import AcknowledgeFallback, FallbackSchedule, StoreFallback
from ledger.interval import Instant

DeviceName = Annotated[str, PathParameter(pattern=ID_PATTERN, description="A device's id")]
CommandDay = Annotated[date, QueryParameter(description="The UTC day of the commands (effective time)")]


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """Setpoints of equal intervals from `start`: W at the AC side, above 0 discharging."""

    start: Instant
    interval_s: int
    setpoint_w: tuple[int, ...]


class FallbackAcknowledgement(msgspec.Struct, frozen=True):
    """`digest` is the SHA-256 that the site worked out itself from the schedule that it holds."""

    digest: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


@get(
    "/devices/{name:str}/commands",
    summary="What a device was told on a UTC day: each setpoint, how far it came, and what forbade it",
    responses=READ_PROBLEMS,
    tags=["Devices"],
    sync_to_thread=True,
)
def list_commands(view: NamedDependency[View], name: DeviceName, day: CommandDay) -> CommandsShown:
    with view.reading() as (connection, position):
        return told_devices.commands(connection, position, name, day)


@get(
    "/devices/{name:str}/lease",
    summary="Who may write to a device, or could last",
    responses=READ_PROBLEMS,
    tags=["Devices"],
    sync_to_thread=True,
)
def show_lease(view: NamedDependency[View], name: DeviceName) -> LeaseShown:
    with view.reading() as (connection, position):
        return told_devices.lease(connection, position, name)


@get(
    "/devices/{name:str}/fallback",
    summary="The schedule that a device's site follows when nobody can tell it anything",
    responses=READ_PROBLEMS,
    tags=["Devices"],
    sync_to_thread=True,
)
def show_fallback(view: NamedDependency[View], name: DeviceName) -> FallbackShown:
    with view.reading() as (connection, position):
        return told_devices.fallback(connection, position, name)


@post(
    "/devices/{name:str}/fallback",
    summary="Store a device's fallback schedule, before it is sent to the site",
    responses=WRITE_PROBLEMS,
    tags=["Devices"],
    sync_to_thread=True,
)
def store_fallback(
    intake: NamedDependency[Intake], name: DeviceName, data: JSONBody[Schedule]
) -> Response[Stored]:
    schedule = FallbackSchedule(
        device=name, start=data.start, interval_s=data.interval_s, setpoint_w=data.setpoint_w
    )
    return intake.execute(StoreFallback(schedule, intake.actor))


@post(
    "/devices/{name:str}/fallback/acknowledgement",
    summary="Tell the hash of the fallback schedule that the site holds",
    responses=WRITE_PROBLEMS,
    tags=["Devices"],
    sync_to_thread=True,
)
def acknowledge_fallback(
    intake: NamedDependency[Intake], name: DeviceName, data: JSONBody[FallbackAcknowledgement]
) -> Response[Stored]:
    return intake.execute(AcknowledgeFallback(name, data.digest))


ROUTES: Final = (list_commands, show_lease, show_fallback, store_fallback, acknowledge_fallback)
