"""Devices: storage units, converters and controllers at a site."""

from __future__ import annotations

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from adapters.http.intake import Intake, Stored
from adapters.http.paging import LIMIT, Cursor, Limit
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.register import (
    Effective,
    Name,
    RecordedVersion,
    Registration,
    bodies,
    history,
    listed,
)
from adapters.http.view import View
from ledger.device import Device, RegisterDevice


class DeviceRegistration(Registration, frozen=True, kw_only=True):
    document: Device


class DeviceVersion(RecordedVersion, frozen=True, kw_only=True):
    document: Device


class DevicePage(msgspec.Struct, frozen=True):
    position: int
    items: tuple[DeviceVersion, ...]
    next_cursor: str | None


class DeviceHistory(msgspec.Struct, frozen=True):
    position: int
    id: str
    versions: tuple[DeviceVersion, ...]


@get(
    "/devices",
    summary="Devices by id, each with the version recorded last",
    responses=READ_PROBLEMS,
    tags=["Master data"],
    sync_to_thread=True,
)
def list_devices(
    view: NamedDependency[View], effective: Effective = None, limit: Limit = LIMIT, cursor: Cursor = None
) -> DevicePage:
    position, entries, more = listed(view, "device", Device, cursor, limit, effective)
    return DevicePage(position, bodies(entries, DeviceVersion), more)


@get(
    "/devices/{name:str}",
    summary="All recorded versions of a device",
    responses=READ_PROBLEMS,
    tags=["Master data"],
    sync_to_thread=True,
)
def show_device(view: NamedDependency[View], name: Name, effective: Effective = None) -> DeviceHistory:
    position, entries = history(view, "device", Device, name, effective)
    return DeviceHistory(position, name, bodies(entries, DeviceVersion))


@post(
    "/devices",
    summary="Register a device, or its next version",
    responses=WRITE_PROBLEMS,
    tags=["Master data"],
    sync_to_thread=True,
)
def register_device(intake: NamedDependency[Intake], data: JSONBody[DeviceRegistration]) -> Response[Stored]:
    return intake.execute(RegisterDevice(data.period, data.document))


ROUTES = (list_devices, show_device, register_device)
