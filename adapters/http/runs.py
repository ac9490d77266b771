"""Run calendars, which runs are due, and correcting a month that is older than its calendar looks back."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, RawBody

from adapters.http.addressed import RunNumber
from adapters.http.instant import month_of
from adapters.http.intake import Intake, Stored
from adapters.http.paging import LIMIT, Cursor, Limit, cursor_of
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.publishing import PUBLISH_PROBLEMS, TAKES_TOML, Checked, Publishing
from adapters.http.register import RecordedVersion
from adapters.http.registered_routes import registered_routes
from adapters.http.settlements import ContractName, MonthFilter, MonthName
from adapters.http.view import EffectiveDay, View
from adapters.queries.runs_due import MonthDue, NotTold, runs_due
from ledger.effective import Period
from ledger.interval import Month
from ledger.settlement.look_back import WaiveLookBack
from ledger.settlement.run_calendar import PublishRunCalendar, RunCalendar, parse
from ledger.settlement.voided import VoidRun


class CalendarVersion(RecordedVersion, frozen=True, kw_only=True):
    document: RunCalendar


class DuePage(msgspec.Struct, frozen=True):
    """Every contract's month that is not closed, oldest first, with its stages as they stand on `on`."""

    position: int
    on: date
    items: tuple[MonthDue, ...]
    refused: tuple[NotTold, ...]
    """Whose run calendar is not published."""
    next_cursor: str | None


class Waiver(msgspec.Struct, frozen=True):
    """Why the next correction is let through although the month is too old."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


@get(
    "/runs/due",
    summary="Which contract's month has which run due, overdue or done, by its run calendar",
    responses=READ_PROBLEMS,
    tags=["Money"],
    sync_to_thread=True,
)
def list_due(
    view: NamedDependency[View],
    effective: EffectiveDay = None,
    month: MonthFilter = None,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> DuePage:
    day = view.day(effective)
    wanted = None if month is None else Month.parse(month_of(month))
    with view.page(cursor, tuple[str, str], ("", "")) as (connection, position, after):
        found = runs_due(connection, position, day, month=wanted)
    left = [one for one in found.months if (one.month, one.contract) > after]
    last = left[limit - 1] if len(left) > limit else None
    more = None if last is None else cursor_of(position, (last.month, last.contract))
    return DuePage(position, day, tuple(left[:limit]), tuple(found.refused), more)


@post(
    "/run-calendars",
    summary="Publish a run calendar, as its readable TOML file states it",
    responses=PUBLISH_PROBLEMS,
    operation_class=TAKES_TOML,
    tags=["Money"],
    sync_to_thread=True,
)
def publish_calendar(
    publishing: NamedDependency[Publishing], period: NamedDependency[Period], body: RawBody
) -> Response[Stored | Checked]:
    return publishing.publish(PublishRunCalendar(period, parse(body)))


@post(
    "/settlements/{contract:str}/{month:str}/waive-look-back",
    summary="Let the next correction of a month through although it is older than the look-back",
    responses=WRITE_PROBLEMS,
    tags=["Money"],
    sync_to_thread=True,
)
def waive_look_back(
    intake: NamedDependency[Intake], contract: ContractName, month: MonthName, data: JSONBody[Waiver]
) -> Response[Stored]:
    return intake.submit(WaiveLookBack(contract, month_of(month), data.reason, intake.actor))


class Voiding(msgspec.Struct, frozen=True):
    """Why the run is void."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


@post(
    "/settlements/{contract:str}/{month:str}/runs/{run:int}/void",
    summary="Declare a run void that was recorded from altered rows; settling again then corrects it",
    responses=WRITE_PROBLEMS,
    tags=["Money"],
    sync_to_thread=True,
)
def void_run(
    intake: NamedDependency[Intake],
    contract: ContractName,
    month: MonthName,
    run: RunNumber,
    data: JSONBody[Voiding],
) -> Response[Stored]:
    return intake.submit(VoidRun(contract, str(month_of(month)), run, data.reason, intake.actor))


ROUTES = (
    list_due,
    *registered_routes(
        "/run-calendars",
        "run_calendar",
        RunCalendar,
        CalendarVersion,
        lists=("list_calendars", "Run calendars by id, each with the version recorded last"),
        shows=("show_calendar", "All recorded versions of a run calendar"),
        tag="Money",
    ),
    publish_calendar,
    waive_look_back,
    void_run,
)
