"""Meters: what measures, where it sits and which registers it has."""

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
from ledger.meter import Meter, RegisterMeter


class MeterRegistration(Registration, frozen=True, kw_only=True):
    document: Meter


class MeterVersion(RecordedVersion, frozen=True, kw_only=True):
    document: Meter


class MeterPage(msgspec.Struct, frozen=True):
    position: int
    items: tuple[MeterVersion, ...]
    next_cursor: str | None


class MeterHistory(msgspec.Struct, frozen=True):
    position: int
    id: str
    versions: tuple[MeterVersion, ...]


@get(
    "/meters",
    summary="Meters by id, each with the version recorded last",
    responses=READ_PROBLEMS,
    tags=["Master data"],
    sync_to_thread=True,
)
def list_meters(
    view: NamedDependency[View], effective: Effective = None, limit: Limit = LIMIT, cursor: Cursor = None
) -> MeterPage:
    position, entries, more = listed(view, "meter", Meter, cursor, limit, effective)
    return MeterPage(position, bodies(entries, MeterVersion), more)


@get(
    "/meters/{name:str}",
    summary="All recorded versions of a meter",
    responses=READ_PROBLEMS,
    tags=["Master data"],
    sync_to_thread=True,
)
def show_meter(view: NamedDependency[View], name: Name, effective: Effective = None) -> MeterHistory:
    position, entries = history(view, "meter", Meter, name, effective)
    return MeterHistory(position, name, bodies(entries, MeterVersion))


@post(
    "/meters",
    summary="Register a meter, or its next version",
    responses=WRITE_PROBLEMS,
    tags=["Master data"],
    sync_to_thread=True,
)
def register_meter(intake: NamedDependency[Intake], data: JSONBody[MeterRegistration]) -> Response[Stored]:
    return intake.execute(RegisterMeter(data.period, data.document))


ROUTES = (list_meters, show_meter, register_meter)
