"""Meters: what measures, where it sits and which registers it has."""

from __future__ import annotations

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from adapters.http.intake import Intake, Stored
from adapters.http.problem import WRITE_PROBLEMS
from adapters.http.register import RecordedVersion, Registration
from adapters.http.registered_routes import registered_routes
from ledger.meter import Meter, RegisterMeter


class MeterRegistration(Registration, frozen=True, kw_only=True):
    document: Meter


class MeterVersion(RecordedVersion, frozen=True, kw_only=True):
    document: Meter


@post(
    "/meters",
    summary="Register a meter, or its next version",
    responses=WRITE_PROBLEMS,
    tags=["Master data"],
    sync_to_thread=True,
)
def register_meter(intake: NamedDependency[Intake], data: JSONBody[MeterRegistration]) -> Response[Stored]:
    return intake.execute(RegisterMeter(data.period, data.document))


ROUTES = (
    *registered_routes(
        "/meters",
        "meter",
        Meter,
        MeterVersion,
        lists=("list_meters", "Meters by id, each with the version recorded last"),
        shows=("show_meter", "All recorded versions of a meter"),
        tag="Master data",
    ),
    register_meter,
)
