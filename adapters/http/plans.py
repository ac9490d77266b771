"""Plans as they were made: what each site is to do, what it rests on, and why; and one that is asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Annotated, Final

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, QueryParameter

from adapters.http.intake import Intake, replayable
from adapters.http.one_at_a_time import WAITING_MAX, one_at_a_time
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.register import ID_PATTERN
from adapters.http.service import Service
from adapters.http.view import View
from adapters.planning.planner import Planner, next_day
from adapters.planning.portfolio import portfolio_of
from adapters.planning.solver_process import SolverProcess
from adapters.queries.recorded_plans import plan_of_day
from adapters.settling import lowest_position
from dispatch.planning.aims import MONEY, aims_of
from dispatch.planning.plan_record import Basis, PlanHead, SitePlanned
from ledger.refusal import Refused

PortfolioName = Annotated[
    str, PathParameter(pattern=ID_PATTERN, description="A trading unit's id, or that of a site planned alone")
]
PlanDay = Annotated[
    date, PathParameter(description="The local day on which the plan begins (effective time)")
]
_PLANNING: Final = threading.Lock()
"""One plan at a time: each has a solver process that may take gigabytes."""
_WAITING: Final = threading.BoundedSemaphore(WAITING_MAX)
_SOLVER: Final = SolverProcess()
"""From the first plan on a process stands ready for the next one, and is replaced when it has grown."""

OneSite = Annotated[str | None, QueryParameter(max_length=64, description="Only this site's part")]


class PlanAnswer(msgspec.Struct, frozen=True):
    """The `number`th plan of the day, the newest as of the position; `sequence` is its event's."""

    position: int
    number: int
    sequence: int
    head: PlanHead
    sites: tuple[SitePlanned, ...]


class PlanAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose plan, of so many local days from `day` on (null: tomorrow).

    `objective` and `support` as at the command line (docs/planning.md); null: what the book states.
    """

    portfolio: Annotated[str, msgspec.Meta(pattern=ID_PATTERN, description="A trading unit's or a site's id")]
    day: date | None = None
    days: Annotated[int, msgspec.Meta(ge=1, le=7)] = 1
    objective: Annotated[str, msgspec.Meta(max_length=200, examples=["grid_support>cost"])] | None = None
    support: Annotated[str, msgspec.Meta(max_length=11, examples=["17:00-21:00"])] | None = None


class PlanMade(msgspec.Struct, frozen=True, kw_only=True):
    """The `number`th plan of the day, which is event `sequence`; its sites are read where it is shown.

    `recorded` is false where the same inputs were planned already. `refused` are the sites left out, and why.
    """

    portfolio: str
    day: date
    number: int
    sequence: int
    recorded: bool
    basis: Basis
    reason: str
    objective: str
    refused: tuple[str, ...]
    violations: tuple[str, ...]


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


@post(
    "/plans",
    summary="Plan a unit or a site now, as of what the book knows, and put the plan on record",
    responses=WRITE_PROBLEMS,
    tags=["Dispatch"],
    sync_to_thread=True,
)
def make_plan(intake: NamedDependency[Intake], data: JSONBody[PlanAsked]) -> Response[PlanMade]:
    answer, repeated = intake.once(data, PlanMade, lambda: _made(intake.service, data))
    return replayable(answer, repeated=repeated)


def _made(service: Service, data: PlanAsked) -> PlanMade:
    """Raises:
    Refused: `planner_busy`; as `Planner.plan`."""
    aims = None
    if data.objective is not None or data.support is not None:
        aims = aims_of(MONEY.stated() if data.objective is None else data.objective, data.support)
    with one_at_a_time(_PLANNING, "plan", "portfolio", _WAITING), _solver() as solver:
        first = data.day
        if first is None:
            with service.database.reading(service.book) as connection:
                position = lowest_position(connection)
                zone = portfolio_of(connection, position, data.portfolio, service.clock()).zone
            first = next_day(zone, service.clock())
        planner = Planner(service.door, service.database, solver, service.clock, aims)
        made = planner.plan(data.portfolio, first, days=data.days)
    return PlanMade(
        portfolio=made.head.portfolio,
        day=made.head.day,
        number=made.number,
        sequence=made.sequence,
        recorded=not made.repeated,
        basis=made.head.basis,
        reason=made.head.reason,
        objective=made.head.objective,
        refused=made.head.refused,
        violations=made.head.violations,
    )


@contextmanager
def _solver() -> Iterator[SolverProcess]:
    """The process for one plan; while the book is read it starts, where none stands ready."""
    _SOLVER.start()
    try:
        yield _SOLVER
    finally:
        _SOLVER.renew()


ROUTES: Final = (show_plan, make_plan)
