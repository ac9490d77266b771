"""A portfolio's plan: read from the book, solved apart, checked, and put on record in one save.

The same inputs are planned once: the command id is made of them, so that a planner may be killed at any
moment and asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final

import msgspec
import numpy as np

from adapters.front_door import FrontDoor, Wish
from adapters.planning.cases import Cases
from adapters.planning.peak_cases import Targets
from adapters.planning.plan_notes import notes_of, objective_of
from adapters.planning.portfolio import (
    DAYS_MAX,
    Horizon,
    boundary,
    day_of,
    horizon_of_days,
    portfolio_of,
)
from adapters.planning.site_cases import Asked, interval_of, refusals, site_cases
from adapters.planning.solver_process import Answer, SolverProcess
from adapters.postgres.database import Database
from adapters.settling import lowest_position, wait_until
from dispatch.optimiser.market_terms import Regulation, Spot
from dispatch.optimiser.request import PlanRequest
from dispatch.plan_check import Markets, PlannedSite
from dispatch.planning.aims import MONEY, Aims, aims_stated
from dispatch.planning.choice import Before, Chosen, choose
from dispatch.planning.following import follow
from dispatch.planning.plan_record import NumberedPlan, PlanHead, Trigger, commands_of, plan_aggregate
from ledger.interval import zone_of
from ledger.refusal import Refused

ACTOR: Final = "planner"
OBJECTIVE: Final = "plan-objective"
"""The setting on record that says what plans are asked to be good at, as `Aims.stated` has it."""
MODEL: Final = "plan.v9"
"""Changes whenever the same inputs would be planned otherwise."""
SECONDS: Final = 30.0
_PROJECTED_S: Final = 10.0
_OVERTAKEN: Final = frozenset({"plan_overtaken", "command_id_reused", "conflict"})
_K: Final = 1000
_S_PER_HOUR: Final = 3600
_MICRO: Final = 1_000_000
_SHORT_W: Final = 100
"""The check lets a plan be off by 20 Wh: 80 W of a quarter-hour."""


class Made(msgspec.Struct, frozen=True):
    """The plan on record; `repeated` where the same inputs had been planned before.

    `read_through`: the sequence number up to which the book was read for it, this time."""

    number: int
    sequence: int
    head: PlanHead
    read_through: int
    repeated: bool = False


class Planner:
    """Plans one book's portfolios. Not to be used by two threads at once.

    Without `aims` each plan has those that the book states then, else money.
    """

    def __init__(
        self,
        door: FrontDoor,
        database: Database,
        solver: SolverProcess,
        clock: Callable[[], datetime],
        aims: Aims | None = None,
    ) -> None:
        self._door = door
        self._database = database
        self._solver = solver
        self._clock = clock
        self._aims = aims
        self._targets = Targets()

    def plan(
        self,
        portfolio: str,
        at: date | datetime,
        *,
        days: int = 1,
        trigger: Trigger = "asked",
        stored_wh: Mapping[str, int] | None = None,
        seconds: float = SECONDS,
    ) -> Made:
        """Plan a trading unit's sites, or a site, and record it.

        `at` a local day: whole days from its midnight on, of one that has begun what is left of it. `at` an
        instant: from its interval on, until the same wall clock `days` later. `stored_wh`: what telemetry
        says of sites at the start. `seconds` bounds the solver.

        Raises:
            Refused: `unknown_portfolio`, `plan_horizon`, `objective` for aims on record that are none, what
                stands in the way of all of its sites (see `site_cases`), `plan_overtaken` when another plan
                of the day was made meanwhile.
            Behind: nobody projects the book.
        """
        aims = self._aims or self._stated()
        cases, zone = self._read(portfolio, at, days, stored_wh or {})
        day = day_of(zone, cases.horizon.start)
        inputs = cases.digest(MODEL, portfolio, trigger, str(aims))
        known = self._known(portfolio, day, inputs, cases.position)
        if known is not None:
            return known
        request = PlanRequest(
            sites=tuple(case.to_optimise() for case in cases.guarded),
            interval_h=cases.horizon.interval_s / 3600,
            regulation=_regulation(cases),
            spot=_spot(cases),
            objective=aims.over(cases.horizon.local(zone)),
            rules=cases.streams.matrix.rules,
        )
        rolling = "" if trigger in ("day_ahead", "asked") else portfolio
        answer = self._solver.solve(request, seconds, rolling=rolling)
        chosen = choose(
            cases.cases,
            _markets(cases),
            answer.plan,
            _why(answer),
            start=cases.horizon.start,
            before=_before(cases),
            conflicts=cases.streams.matrix.conflicts,
        )
        sites, short = _physical(cases, chosen)
        objective = aims.text(trades=cases.streams.any)
        objective = objective_of(chosen.basis, objective, cases)
        head = self._head(portfolio, day, trigger, inputs, objective, cases, answer, chosen, short)
        commands = commands_of(head, cases.number + 1, sites)
        wishes = [Wish(command, f"plan:{inputs}:{cases.number + 1}") for command in commands]
        try:
            receipts = self._door.execute_all(wishes, actor=ACTOR)
        except Refused as refused:
            overtaken = refused.code in _OVERTAKEN
            known = self._known(portfolio, day, inputs, cases.position) if overtaken else None
            if known is None:
                raise
            return known
        made = msgspec.structs.replace(head, parts=len(commands) - 1)
        receipt = receipts[0]
        return Made(cases.number + 1, receipt.sequence, made, cases.position, receipt.repeated)

    def _stated(self) -> Aims:
        """What the book's plans are asked to be good at."""
        state = self._door.state(f"setting.{OBJECTIVE}")
        return aims_stated(state) if isinstance(state, str) else MONEY

    def _read(
        self, name: str, at: date | datetime, days: int, stored_wh: Mapping[str, int]
    ) -> tuple[Cases, str]:
        """What is planned, and the portfolio's zone."""
        if not 1 <= days <= DAYS_MAX:
            raise Refused("plan_horizon", f"{days} is not 1..{DAYS_MAX} days", place="days")
        log = self._door.recorder.log
        wait_until(self._database, self._door.book, log.client.run(log.last_sequence()), _PROJECTED_S)
        with self._database.reading(self._door.book) as connection:
            position = lowest_position(connection)
            instant = at if isinstance(at, datetime) else self._clock()
            portfolio = portfolio_of(connection, position, name, instant)
            length = interval_of(connection, position, portfolio, instant)
            horizon = _horizon(portfolio.zone, at, days, length, self._clock())
            if portfolio.unit is not None:
                portfolio = portfolio_of(connection, position, name, horizon.start)
            cases = site_cases(
                connection,
                self._door.book,
                Asked(portfolio, horizon, position, stored_wh, self._targets, self._clock()),
            )
        return cases, portfolio.zone

    def _known(self, portfolio: str, day: date, inputs: str, position: int) -> Made | None:
        """The day's newest plan, where it was made of the same inputs."""
        aggregate = plan_aggregate(portfolio, day)
        state = self._door.state(aggregate)
        if not isinstance(state, NumberedPlan) or state.head.inputs != inputs:
            return None
        receipt = self._door.accepted(aggregate, f"plan:{inputs}:{state.number}")
        assert receipt is not None, "a plan's command id is made of its inputs"
        return Made(state.number, receipt.sequence, state.head, position, repeated=True)

    def _head(
        self,
        portfolio: str,
        day: date,
        trigger: Trigger,
        inputs: str,
        objective: str,
        cases: Cases,
        answer: Answer,
        chosen: Chosen,
        short: list[str],
    ) -> PlanHead:
        whole = chosen.basis in ("optimised", "incumbent", "relaxed") and not chosen.apart
        solved = answer.plan if whole else None
        broken = [one.said() for one in chosen.violations]
        return PlanHead(
            portfolio=portfolio,
            day=day,
            start=cases.horizon.start,
            interval_s=cases.horizon.interval_s,
            count=cases.horizon.count,
            trigger=trigger,
            inputs=inputs,
            basis=chosen.basis,
            reason="; ".join((*cases.reasons, *((chosen.reason,) if chosen.reason else ()))),
            objective=objective,
            objective_micro=None if solved is None else solved.objective_micro,
            bound_micro=None if solved is None else solved.bound_micro,
            gap_ppm=None if solved is None else solved.gap_ppm,
            solver_ms=round(answer.seconds * 1000),
            peak_w=cases.peak_w,
            discharged_wh=cases.discharged_wh,
            streams=cases.streams.used,
            streams_left_out=cases.streams.left_out,
            rests_on=cases.rests_on,
            notes=(*cases.notes, *notes_of(cases, solved, chosen)),
            refused=refusals(cases.refused),
            passed_over=chosen.passed_over,
            violations=(*broken, *short),
            regulation_w=tuple(chosen.offers.regulation_w.tolist()),
            regulation_from=_block_begins(cases),
            read_through=cases.position,
        )


def _horizon(zone: str, at: date | datetime, days: int, interval_s: int, now: datetime) -> Horizon:
    if isinstance(at, datetime):
        start = boundary(at, interval_s, zone, after=False)
        local = zone_of(zone)
        wall = start.astimezone(local).replace(tzinfo=None) + timedelta(days=days)
        end = wall.replace(tzinfo=local).astimezone(UTC)
        return Horizon(start, interval_s, int((end - start).total_seconds()) // interval_s)
    whole = horizon_of_days(zone, at, days, interval_s)
    start = max(whole.start, boundary(now, interval_s, zone, after=True))
    count = int((whole.end - start).total_seconds()) // interval_s
    if count <= 0:
        raise Refused("plan_horizon", f"{at} is over; plan a day that is to come", place="day")
    return Horizon(start, interval_s, count)


def _spot(cases: Cases) -> Spot | None:
    found = cases.streams.spot
    if found is None:
        return None
    return Spot(price=found.price_micro / _MICRO, kw_max=found.most_w / _K)


def _regulation(cases: Cases) -> Regulation | None:
    terms = cases.streams.regulation
    if terms is None:
        return None
    return Regulation(
        block=terms.block,
        price=terms.price_micro / _MICRO,
        sustain_h=terms.sustain_s / _S_PER_HOUR,
        call_kwh=terms.call_wh / _K,
        kw_min=terms.least_w / _K,
    )


def _markets(cases: Cases) -> Markets:
    """As the check has them."""
    spot, terms = cases.streams.spot, cases.streams.regulation
    most = 0 if spot is None else spot.most_w
    if terms is None:
        return Markets(spot_w_max=most)
    return Markets(
        block=terms.block,
        sustain_s=terms.sustain_s,
        call_wh_per_kw=terms.call_wh,
        regulation_w_min=terms.least_w,
        spot_w_max=most,
    )


def _block_begins(cases: Cases) -> tuple[int, ...]:
    """With which interval each block of regulation begins."""
    terms = cases.streams.regulation
    return () if terms is None else tuple(np.unique(terms.block, return_index=True)[1].tolist())


def _why(answer: Answer) -> str:
    """Why there is no plan of the solver's; of one that does not pass the check, the check says why."""
    return answer.reason or ("" if answer.outcome == "found" else answer.outcome)


def _before(cases: Cases) -> Before | None:
    """The plan that holds at the start, where it has the same intervals."""
    last = cases.before
    if last is None or last.head.interval_s != cases.horizon.interval_s:
        return None
    return Before(last.setpoints(), last.at(cases.horizon.start))


def _physical(cases: Cases, chosen: Chosen) -> tuple[tuple[PlannedSite, ...], list[str]]:
    """The sites' plans with what is committed of them, as the storage can do it, and where it falls short."""
    sites: list[PlannedSite] = []
    short: list[str] = []
    for planned, whole in zip(chosen.sites, cases.whole, strict=True):
        taken = cases.taken.get(planned.id)
        if taken is None or not taken.path_w.any():
            sites.append(planned)
            continue
        wish = planned.setpoint_w + taken.path_w
        done = follow(whole, wish)
        missing = np.where(taken.path_w != 0, np.abs(wish - done.setpoint_w), 0)
        if missing.max() > _SHORT_W:
            first = int(np.argmax(missing > _SHORT_W))
            amount = int(missing[first])
            short.append(f"commitment at {planned.id}[{first}] by {amount}")
        spot = np.where(taken.spot_w != 0, done.setpoint_w, 0)
        sites.append(msgspec.structs.replace(done, spot_w=spot))
    return tuple(sites), short


def next_day(zone: str, now: datetime) -> date:
    """Tomorrow, where the portfolio is."""
    return day_of(zone, now) + timedelta(days=1)
