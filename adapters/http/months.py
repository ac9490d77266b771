"""Month close: the checklist, final runs, and closing with a second person's approval."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from adapters import closing
from adapters.closing import Checklist
from adapters.http.instant import month_of
from adapters.http.intake import Intake, Stored
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.register import ID_PATTERN
from adapters.http.settlements import ContractName, MonthName
from adapters.http.view import View
from adapters.settling import wait_until
from ledger.interval import Month

_WAIT_S = 10.0


class FinalRun(msgspec.Struct, frozen=True):
    """The latest run's number, so that nobody makes a run final that another has replaced."""

    run: Annotated[int, msgspec.Meta(ge=1)]


class Close(msgspec.Struct, frozen=True):
    """Every dispute that is still open, by id: its lines wait for the next month."""

    carried_disputes: Annotated[
        tuple[Annotated[str, msgspec.Meta(pattern=ID_PATTERN)], ...], msgspec.Meta(max_length=1000)
    ] = ()


class ChecklistAnswer(msgspec.Struct, frozen=True):
    """`ready` when nothing is missing but the open disputes' names, and the month's end before
    `checklist.closes_from`."""

    position: int
    ready: bool
    checklist: Checklist


@post(
    "/settlements/{contract:str}/{month:str}/finalise",
    summary="Make the latest run of a month final; what comes later corrects it",
    responses=WRITE_PROBLEMS,
    tags=["Month close"],
    sync_to_thread=True,
)
def finalise(
    intake: NamedDependency[Intake], contract: ContractName, month: MonthName, data: JSONBody[FinalRun]
) -> Response[Stored]:
    name = month_of(month)
    runs = intake.service.door.state(f"settlement.{contract}_{name}")
    return intake.submit(closing.final_run(runs, contract, name, data.run, intake.actor))


@get(
    "/months/{month:str}",
    summary="What is still missing before a month can be closed",
    responses=READ_PROBLEMS,
    tags=["Month close"],
    sync_to_thread=True,
)
def show_month(view: NamedDependency[View], month: MonthName) -> ChecklistAnswer:
    with view.reading() as (connection, position):
        found = closing.checklist(connection, Month.parse(month_of(month)), position)
    return ChecklistAnswer(position, found.ready, found)


@post(
    "/months/{month:str}/close",
    summary="Close a month; corrections of it are posted in the next one from then on",
    responses=WRITE_PROBLEMS,
    tags=["Month close"],
    sync_to_thread=True,
)
def close_month(intake: NamedDependency[Intake], month: MonthName, data: JSONBody[Close]) -> Response[Stored]:
    service = intake.service
    position = service.last_sequence()
    wait_until(service.database, service.book, position, _WAIT_S)
    with service.database.reading(service.book) as connection:
        check = closing.checklist(connection, Month.parse(month_of(month)), position)
        command = closing.close_command(connection, check, position, data.carried_disputes, intake.actor)
    return intake.submit(command)


ROUTES = (finalise, show_month, close_month)
