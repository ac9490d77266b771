"""Emergencies: ordered at once and before every plan, and ended by a person."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter

from adapters.http.intake import Intake, Stored
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.view import View
from adapters.queries.as_of import recorded_at_max
from adapters.queries.told_devices import EmergenciesShown, emergencies
from dispatch.control.emergency import EmergencyKind, EmergencyOrder, EndEmergency, OrderEmergency, Scope
from ledger.interval import Instant

Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
Number = Annotated[int, PathParameter(ge=1, le=2**31 - 1, description="The emergency's number")]
_BOOK: Final = Scope("book")


class Ordering(msgspec.Struct, frozen=True, kw_only=True):
    """`scope` is the whole book where it is not stated; `power_w` for limit_export (W out of each site at
    most) and respond_now (W from all of them together, above 0 discharging)."""

    kind: EmergencyKind
    reason: Reason
    scope: Scope = _BOOK
    power_w: int | None = None
    until: Instant | None = None


class Ending(msgspec.Struct, frozen=True):
    reason: Reason


@get(
    "/emergencies",
    summary="Emergencies that nobody ended, the newest first, and whether each still stands",
    responses=READ_PROBLEMS,
    tags=["Devices"],
    sync_to_thread=True,
)
def list_emergencies(view: NamedDependency[View]) -> EmergenciesShown:
    with view.reading() as (connection, position):
        now = view.service.clock() if view.at is None else recorded_at_max(connection, position)
        return emergencies(connection, position, now)


@post(
    "/emergencies",
    summary="Order an emergency: stop everything, hold, limit export, or respond now",
    responses=WRITE_PROBLEMS,
    tags=["Devices"],
    sync_to_thread=True,
)
def order_emergency(intake: NamedDependency[Intake], data: JSONBody[Ordering]) -> Response[Stored]:
    order = EmergencyOrder(kind=data.kind, scope=data.scope, power_w=data.power_w, until=data.until)
    return intake.execute(OrderEmergency(order, intake.actor, data.reason))


@post(
    "/emergencies/{number:int}/ending",
    summary="End an emergency; a stop is ended by another person than who ordered it",
    responses=WRITE_PROBLEMS,
    tags=["Devices"],
    sync_to_thread=True,
)
def end_emergency(
    intake: NamedDependency[Intake], number: Number, data: JSONBody[Ending]
) -> Response[Stored]:
    return intake.execute(EndEmergency(number, intake.actor, data.reason))


ROUTES: Final = (list_emergencies, order_emergency, end_emergency)
