"""Plans as they were made: what each site is to do, what it rests on, and why."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from adapters.http.problem import READ_PROBLEMS
from adapters.http.register import ID_PATTERN
from adapters.http.view import View
from adapters.queries.recorded_plans import plan_of_day
from dispatch.planning.plan_record import PlanHead, SitePlanned
from ledger.refusal import Refused

PortfolioName = Annotated[
    str, PathParameter(pattern=ID_PATTERN, description="A trading unit's id, or that of a site planned alone")
]
PlanDay = Annotated[
    date, PathParameter(description="The local day on which the plan begins (effective time)")
]
OneSite = Annotated[str | None, QueryParameter(max_length=64, description="Only this site's part")]


class PlanAnswer(msgspec.Struct, frozen=True):
    """The `number`th plan of the day, the newest as of the position; `sequence` is its event's."""

    position: int
    number: int
    sequence: int
    head: PlanHead
    sites: tuple[SitePlanned, ...]


@get(
    "/plans/{portfolio:str}/{day:date}",
    summary="The plan made last of those that begin on a day",
    responses=READ_PROBLEMS,
    tags=["Dispatch"],
    sync_to_thread=True,
)
def show_plan(
    view: NamedDependency[View], portfolio: PortfolioName, day: PlanDay, site: OneSite = None
) -> PlanAnswer:
    with view.reading() as (connection, position):
        found = plan_of_day(connection, position, portfolio, day)
    if found is None:
        raise Refused("unknown_plan", f"no plan of {portfolio} begins on {day}", place="portfolio")
    sites = tuple(one for one in found.sites if site in (None, one.site))
    return PlanAnswer(position, found.number, found.sequence, found.head, sites)


ROUTES: Final = (show_plan,)
"""Reading alone: plans are made by the planning role and at the command line."""
