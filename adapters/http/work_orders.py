"""Work orders and service requests: opened, assigned, done, rated; and a site's milestones."""

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
from adapters.queries.device_care import WorkFound
from ledger.interval import Instant
from ledger.site_milestone import Milestone, StateMilestone
from ledger.work_order import (
    AssignWork,
    CancelWork,
    FinishWork,
    OpenWork,
    Outage,
    RateWork,
    WorkKind,
    WorkStatus,
)

Id = Annotated[str, msgspec.Meta(pattern=ID_PATTERN)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


class WorkAnswer(msgspec.Struct, frozen=True):
    position: int
    items: tuple[WorkFound, ...]


class WorkShown(msgspec.Struct, frozen=True):
    position: int
    found: WorkFound


class OpeningBody(msgspec.Struct, frozen=True, kw_only=True):
    """`planned`: agreed beforehand, not because something failed. `alarm`: the kind that it answers."""

    id: Id
    site: Id
    device: str = ""
    kind: WorkKind
    planned: bool
    title: Text
    alarm: str = ""


class AssignmentBody(msgspec.Struct, frozen=True):
    party: Id
    due: Instant


class DoneBody(msgspec.Struct, frozen=True):
    """`outages`: when the device, or the whole site where the order names none, stood still for it."""

    done_at: Instant
    evidence: Text
    outages: tuple[Outage, ...] = ()


class RatingBody(msgspec.Struct, frozen=True):
    rating: Annotated[int, msgspec.Meta(ge=1, le=5)]
    comment: str = ""


class CancellationBody(msgspec.Struct, frozen=True):
    reason: Text


class MilestoneAnswer(msgspec.Struct, frozen=True):
    """What was stated last of each kind."""

    position: int
    site: str
    items: tuple[Milestone, ...]


@get(
    "/work-orders",
    summary="Work orders and service requests by id",
    responses=READ_PROBLEMS,
    tags=["Devices"],
    sync_to_thread=True,
)
def list_work(
    view: NamedDependency[View],
    site: Annotated[str | None, QueryParameter(pattern=ID_PATTERN, description="Only this one's")] = None,
    status: Annotated[WorkStatus | None, QueryParameter(description="Only in this status")] = None,
) -> WorkAnswer:
    with view.reading() as (connection, position):
        found = device_care.work_orders(connection, position, site=site, status=status)
    return WorkAnswer(position, found)


@get(
    "/work-orders/{name:str}",
    summary="A work order and how far it is",
    responses=READ_PROBLEMS,
    tags=["Devices"],
    sync_to_thread=True,
)
def show_work(view: NamedDependency[View], name: Name) -> WorkShown:
    with view.reading() as (connection, position):
        return WorkShown(position, device_care.work_order(connection, position, name))


@post(
    "/work-orders",
    summary="Open a work order or a service request at a site, or at one of its devices",
    responses=WRITE_PROBLEMS,
    tags=["Devices"],
    sync_to_thread=True,
)
def open_work(intake: NamedDependency[Intake], data: JSONBody[OpeningBody]) -> Response[Stored]:
    command = OpenWork(
        data.id,
        intake.actor,
        site=data.site,
        kind=data.kind,
        planned=data.planned,
        title=data.title,
        device=data.device,
        alarm=data.alarm,
    )
    return intake.execute(command)


@post(
    "/work-orders/{name:str}/assign",
    summary="Assign an order to a party, due at an instant",
    responses=WRITE_PROBLEMS,
    tags=["Devices"],
    sync_to_thread=True,
)
def assign_work(
    intake: NamedDependency[Intake], name: Name, data: JSONBody[AssignmentBody]
) -> Response[Stored]:
    return intake.execute(AssignWork(name, intake.actor, party=data.party, due=data.due))


@post(
    "/work-orders/{name:str}/done",
    summary="Tell that an assigned order was done, and when the storage stood still for it",
    responses=WRITE_PROBLEMS,
    tags=["Devices"],
    sync_to_thread=True,
)
def finish_work(intake: NamedDependency[Intake], name: Name, data: JSONBody[DoneBody]) -> Response[Stored]:
    command = FinishWork(
        name, intake.actor, done_at=data.done_at, evidence=data.evidence, outages=data.outages
    )
    return intake.execute(command)


@post(
    "/work-orders/{name:str}/rate",
    summary="Rate what was done, from 1 (bad) to 5; not by who told that it was done",
    responses=WRITE_PROBLEMS,
    tags=["Devices"],
    sync_to_thread=True,
)
def rate_work(intake: NamedDependency[Intake], name: Name, data: JSONBody[RatingBody]) -> Response[Stored]:
    return intake.execute(RateWork(name, intake.actor, rating=data.rating, comment=data.comment))


@post(
    "/work-orders/{name:str}/cancel",
    summary="Cancel an order that is not done",
    responses=WRITE_PROBLEMS,
    tags=["Devices"],
    sync_to_thread=True,
)
def cancel_work(
    intake: NamedDependency[Intake], name: Name, data: JSONBody[CancellationBody]
) -> Response[Stored]:
    return intake.execute(CancelWork(name, intake.actor, reason=data.reason))


@get(
    "/sites/{name:str}/milestones",
    summary="A site's grid-code status and project milestones",
    responses=READ_PROBLEMS,
    tags=["Master data"],
    sync_to_thread=True,
)
def list_milestones(view: NamedDependency[View], name: Name) -> MilestoneAnswer:
    with view.reading() as (connection, position):
        return MilestoneAnswer(position, name, device_care.milestones(connection, position, name))


@post(
    "/sites/{name:str}/milestones",
    summary="State when a site's milestone is due, or when it was reached, with its proof",
    responses=WRITE_PROBLEMS,
    tags=["Master data"],
    sync_to_thread=True,
)
def state_milestone(
    intake: NamedDependency[Intake], name: Name, data: JSONBody[Milestone]
) -> Response[Stored]:
    return intake.execute(StateMilestone(name, data, intake.actor))


ROUTES: Final = (
    list_work,
    show_work,
    open_work,
    assign_work,
    finish_work,
    rate_work,
    cancel_work,
    list_milestones,
    state_milestone,
)
