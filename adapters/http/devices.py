"""Devices: storage units, converters and controllers at a site."""

from __future__ import annotations

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from adapters.http.intake import Intake, Stored
from adapters.http.problem import WRITE_PROBLEMS
from adapters.http.register import RecordedVersion, Registration
from adapters.http.registered_routes import registered_routes
from ledger.device import Device, RegisterDevice


class DeviceRegistration(Registration, frozen=True, kw_only=True):
    document: Device


class DeviceVersion(RecordedVersion, frozen=True, kw_only=True):
    document: Device


@post(
    "/devices",
    summary="Register a device, or its next version",
    responses=WRITE_PROBLEMS,
    tags=["Master data"],
    sync_to_thread=True,
)
def register_device(intake: NamedDependency[Intake], data: JSONBody[DeviceRegistration]) -> Response[Stored]:
    return intake.execute(RegisterDevice(data.period, data.document))


ROUTES = (
    *registered_routes(
        "/devices",
        "device",
        Device,
        DeviceVersion,
        lists=("list_devices", "Devices by id, each with the version recorded last"),
        shows=("show_device", "All recorded versions of a device"),
        tag="Master data",
    ),
    register_device,
)
