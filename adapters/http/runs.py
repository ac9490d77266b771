"""Run calendars, which runs are due, and correcting a month that is older than its calendar looks back."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter, RawBody

from adapters import lives
from adapters.http.caller import Caller
from adapters.http.contracts import CHECKED, Check, Checked, register_document
from adapters.http.instant import instant_of, month_of
from adapters.http.intake import Intake, OptionalKey, Stored
from adapters.http.market import From, To
from adapters.http.openapi import TEXT, takes
from adapters.http.paging import LIMIT, Cursor, Limit, cursor_of
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.register import Name, RecordedVersion, bodies, history, listed
from adapters.http.service import Service
from adapters.http.settlements import ContractName, MonthFilter, MonthName
from adapters.http.view import View
from adapters.queries.runs_due import MonthDue, runs_due
from ledger.effective import Period
from ledger.interval import Month, checked_year
from ledger.settlement.look_back import WaiveLookBack
from ledger.settlement.run_calendar import PublishRunCalendar, RunCalendar, parse

On = Annotated[
    date | None, QueryParameter(description="As it stands on this day; today where it is left out")
]


class CalendarVersion(RecordedVersion, frozen=True, kw_only=True):
    document: RunCalendar


class CalendarPage(msgspec.Struct, frozen=True):
    position: int
    items: tuple[CalendarVersion, ...]
    next_cursor: str | None


class CalendarHistory(msgspec.Struct, frozen=True):
    position: int
    id: str
    versions: tuple[CalendarVersion, ...]


class DuePage(msgspec.Struct, frozen=True):
    """Every contract's month that is not closed, oldest first, with its stages as they stand on `on`."""

    position: int
    on: date
    items: tuple[MonthDue, ...]
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
    on: On = None,
    month: MonthFilter = None,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> DuePage:
    day = on or lives.today(view.service.door, view.service.clock)
    checked_year(day, "on")
    wanted = None if month is None else Month.parse(month_of(month))
    with view.page(cursor, tuple[str, str], ("", "")) as (connection, position, after):
        found = runs_due(connection, position, day, month=wanted)
    left = [one for one in found if (one.month, one.contract) > after]
    last = left[limit - 1] if len(left) > limit else None
    more = None if last is None else cursor_of(position, (last.month, last.contract))
    return DuePage(position, day, tuple(left[:limit]), more)


@get(
    "/run-calendars",
    summary="Run calendars by id, each with the version recorded last",
    responses=READ_PROBLEMS,
    tags=["Money"],
    sync_to_thread=True,
)
def list_calendars(view: NamedDependency[View], limit: Limit = LIMIT, cursor: Cursor = None) -> CalendarPage:
    position, entries, more = listed(view, "run_calendar", RunCalendar, cursor, limit)
    return CalendarPage(position, bodies(entries, CalendarVersion), more)


@get(
    "/run-calendars/{name:str}",
    summary="All recorded versions of a run calendar",
    responses=READ_PROBLEMS,
    tags=["Money"],
    sync_to_thread=True,
)
def show_calendar(view: NamedDependency[View], name: Name) -> CalendarHistory:
    position, entries = history(view, "run_calendar", RunCalendar, name)
    return CalendarHistory(position, name, bodies(entries, CalendarVersion))


@post(
    "/run-calendars",
    summary="Publish a run calendar, as its readable TOML file states it",
    responses={**WRITE_PROBLEMS, **CHECKED},
    operation_class=takes({"application/toml": TEXT, "text/plain": TEXT}),
    tags=["Money"],
    sync_to_thread=True,
)
def publish_calendar(
    service: NamedDependency[Service],
    caller: NamedDependency[Caller],
    body: RawBody,
    effective_from: From,
    *,
    effective_to: To = None,
    idempotency_key: OptionalKey = None,
    check: Check = False,
) -> Response[Stored | Checked]:
    end = None if effective_to is None else instant_of(effective_to, "effective_to")
    period = Period(instant_of(effective_from, "effective_from"), end)
    command = PublishRunCalendar(period, parse(body))
    return register_document(service, caller, command, idempotency_key, check=check)


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


ROUTES = (list_due, list_calendars, show_calendar, publish_calendar, waive_look_back)
