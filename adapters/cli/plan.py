"""Commands about plans: make one, show one, and the role that plans every quarter-hour."""

from __future__ import annotations

import signal
import threading
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from cyclopts import App, Parameter

from adapters.cli.as_of import AsOf, moment
from adapters.cli.close import As
from adapters.cli.session import Session, check_folder, projecting
from adapters.postgres.database import Connection
from adapters.queries import registered
from adapters.queries.recorded_plans import RecordedPlan, plan_of_day
from adapters.stack import running
from dispatch.planning.plan_record import PlanHead, SitePlanned, money
from ledger.interval import zone_of
from ledger.refusal import Refused
from ledger.setting_record import StateSetting
from ledger.site import Site
from ledger.trading_unit import TradingUnit

if TYPE_CHECKING:
    from adapters.planning.planner import Made
    from dispatch.planning.aims import Aims

_KW = 1000
_AIMS = "weights of cost, revenue and grid_support, or these in order"
Support = Annotated[
    str | None, Parameter(help="local hours in which grid_support counts, such as 17:00-21:00")
]


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    group = App(name="plan", help="What storages are to do: plan a unit's or a site's day, and show it.")
    app.command(group)

    @group.default
    def plan(
        portfolio: Annotated[str | None, Parameter(help="a trading unit's or a site's id")] = None,
        day: Annotated[date | None, Parameter(help="the first local day; if not stated tomorrow")] = None,
        *,
        days: int = 1,
        objective: Annotated[
            str | None, Parameter(help=f"{_AIMS}; if not stated what wattledger plan objective states")
        ] = None,
        support: Support = None,
        role: Annotated[
            bool, Parameter(negative=(), help="plan everything, every quarter-hour, until stopped")
        ] = False,
    ) -> None:
        """Plan what the storages of PORTFOLIO are to do on a day, and put the plan on record.

        Of a day that has begun, what is left of it. With --role each unit and site whose storage's terms are
        stated: each quarter-hour anew, tomorrow's day from 08:00 on, and at once when a site is lost, a limit
        is imposed or a response is called. It may be killed at any moment.

        --objective cost=1,revenue=1,grid_support=0.05 minimises one weighted sum, in which grid_support is
        money per kWh; --objective 'grid_support>cost' makes the first as good as it can be, then the second.
        """
        if role == (portfolio is not None):
            raise Refused("plan_asked", "name a unit or a site, or state --role", place="PORTFOLIO")
        if portfolio is None:
            _run(session, objective, support)
            return
        # The optimiser takes a second to import: no other command pays for it.
        from adapters.planning.planner import Planner, next_day
        from adapters.planning.portfolio import portfolio_of
        from adapters.planning.solver_process import SolverProcess

        aims = _aims(objective, support)
        with SolverProcess() as solver, session.open() as stack:
            position = stack.caught_up()
            with stack.database.reading(stack.settings.book) as connection:
                zone = portfolio_of(connection, position, portfolio, stack.clock()).zone
            first = next_day(zone, stack.clock()) if day is None else day
            planner = Planner(stack.door, stack.database, solver, stack.clock, aims)
            print(_made(planner.plan(portfolio, first, days=days)))

    @group.command(name="objective")
    def state(objective: Annotated[str, Parameter(help=_AIMS)], *, support: Support = None, by: As) -> None:
        """State what every plan of the book is asked to be good at, from the next one on.

        It holds for the planning role of `wattledger up`, and for plans that are asked for without an
        objective of their own, until another one is stated. Before any is, it is cost=1,revenue=1.
        """
        from adapters.planning.planner import OBJECTIVE
        from dispatch.planning.aims import aims_of

        stated = aims_of(objective, support).stated()
        with session.open() as stack:
            receipt = stack.door.record(StateSetting(OBJECTIVE, stated), actor=by)
        known = ", on record already" if receipt.repeated else ""
        print(f"plans are made for {stated}: event {receipt.sequence}{known}")

    @group.command
    def show(
        portfolio: str, day: date, *, format: Literal["text", "json"] = "text", as_of: AsOf = None
    ) -> None:
        """Show the newest plan of PORTFOLIO that begins on DAY: what it rests on, and each interval in kW."""
        with session.open() as stack:
            at = moment(stack, as_of)
            with stack.database.reading(stack.settings.book) as connection:
                found = plan_of_day(connection, at.position, portfolio, day)
                zone = _zone(connection, at.position, portfolio)
        if found is None:
            raise Refused("unknown_plan", f"no plan of {portfolio} begins on {day}", place="DAY")
        if format == "json":
            print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        else:
            print("\n".join(text(found, zone)))


def _aims(objective: str | None, support: str | None) -> Aims | None:
    """What is asked for with the command; None: what the book states."""
    from dispatch.planning.aims import MONEY, aims_of

    if objective is None and support is None:
        return None
    return aims_of(MONEY.stated() if objective is None else objective, support)


def _run(session: Session, objective: str | None, support: str | None) -> None:
    from adapters.planning.planner import Planner
    from adapters.planning.planning_role import PlanningRole
    from adapters.planning.solver_process import SolverProcess

    aims = _aims(objective, support)
    check_folder(session.settings)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    with (
        running(session.settings, session.clock, founding=False) as stack,
        projecting(stack),
        SolverProcess() as solver,
    ):
        planner = Planner(stack.door, stack.database, solver, stack.clock, aims)
        PlanningRole(planner, stack.database, stack.settings.book, stack.clock, _say).run(stopping)


def _say(line: str) -> None:
    print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}  {line}", flush=True)


def _zone(connection: Connection, position: int, portfolio: str) -> str:
    """The portfolio's zone as of then."""
    units = registered.load(connection, "trading_unit", TradingUnit, position, portfolio).versions
    sites = registered.load(connection, "site", Site, position, portfolio).versions
    zones = [one.document.zone for one in units.get(portfolio, ())]
    zones += [one.document.zone for one in sites.get(portfolio, ())]
    return zones[-1] if zones else "UTC"


def _made(made: Made) -> str:
    head = made.head
    known = ", on record already" if made.repeated else ""
    rows = [
        f"plan {made.number} of {head.portfolio} for {head.day}: event {made.sequence}{known}",
        f"{head.count} intervals of {head.interval_s} s from {head.start:%Y-%m-%dT%H:%MZ}, {head.basis}",
    ]
    return "\n".join([*rows, *_remarks(head)])


def _remarks(head: PlanHead) -> list[str]:
    rows = [f"reason: {head.reason}"] if head.reason else []
    if head.objective_micro is not None:
        rows.append(f"objective: {head.objective}, {money(head.objective_micro)}")
    rows += [f"peak to hold at {site}: {power / _KW:.1f} kW" for site, power in sorted(head.peak_w.items())]
    told = (("trades", head.streams), ("does not trade", head.streams_left_out), ("note", head.notes),
            ("left out", head.refused), ("broken", head.violations))  # fmt: skip
    for name, texts in told:
        rows += [f"{name}: {one}" for one in texts]
    return rows


def text(found: RecordedPlan, zone: str) -> list[str]:
    """The plan as a table: of each interval and site the setpoint in kW, with the regulation that it offers,
    and what is stored at its end; of one that nobody can carry out only what it rests on, and why."""
    head = found.head
    offered = (
        ", ± the regulation that is offered"
        if any(map(any, (one.regulation_w for one in found.sites)))
        else ""
    )
    rows = [
        f"plan {found.number} of {head.portfolio} for {head.day} ({head.trigger}), event {found.sequence}",
        f"rests on the {head.basis} plan, {head.solver_ms} ms; inputs {head.inputs[:16]}",
        *_remarks(head),
        *(f"from: {one}" for one in head.rests_on),
    ]
    if found.unread:
        return rows
    rows += [
        f"kW, above 0 discharging{offered} / kWh stored at the end",
        f"{f'from ({zone})':26}" + "".join(f"{one.site:>22}" for one in found.sites),
    ]
    for number in range(head.count):
        at = head.start + timedelta(seconds=number * head.interval_s)
        cells = [
            f"{one.setpoint_w[number] / _KW:.1f}{_band(one, number)} / {one.stored_wh[number] / _KW:.1f}"
            for one in found.sites
        ]
        local = at.astimezone(zone_of(zone))
        rows.append(f"{local:%Y-%m-%d %H:%M %z}".ljust(26) + "".join(f"{cell:>22}" for cell in cells))
    return rows


def _band(site: SitePlanned, number: int) -> str:
    band_w = site.regulation_w[number] if site.regulation_w else 0
    return f" ±{band_w / _KW:.1f}" if band_w else ""
