"""Portfolios whose sites share markets, taken apart: sites propose, a master program chooses.

Dantzig-Wolfe: at prices of what is shared each site's modes are small linear programs that keep their
basis; the master mixes their proposals and finds new prices. Its relaxed optimum, less what any site could
still improve it by, bounds every plan from below; a mixed-integer program over the proposals gives the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from dispatch.optimiser.fleet import Fleet
from dispatch.optimiser.flows import Flows, burnt, stored_after
from dispatch.optimiser.lp import Index, Limits, Mask, SolverError, Values
from dispatch.optimiser.master import Choice, Master
from dispatch.optimiser.plan import Plan, Status, Verdict, gap_ppm, plan_of
from dispatch.optimiser.proposals import Batch, Duals, Group
from dispatch.optimiser.request import PlanRequest
from dispatch.optimiser.site_rows import Mode, Pairs
from dispatch.optimiser.solve import joined, loosened
from ledger.refusal import Refused

RunAll = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""`map`, or a thread pool's: the solver lets other threads run."""

GROUP_SITES: Final = 5
_SAMPLE_SITES: Final = 100
_SAMPLED_FROM: Final = 300
_IMPROVES: Final = 1e-6
_ROUNDS_MAX: Final = 40
_PULL: Final = 0.3
"""How far prices are pulled to those of the best bound: fewer rounds, the same optimum."""
_POLISH_MAX: Final = 6
_RELAXED_PART: Final = 0.3
"""The part of the allowed gap at which the prices are good enough to try whole modes."""
_MIP_PART: Final = 0.1
_ROOM_KWH: Final = 1e-5
_APART_MAX: Final = 4
_MODES: Final[tuple[Mode, ...]] = ("meter", "response", "spot")


class Goal(NamedTuple):
    """When to stop: a relative gap that is proven, or so many rounds of prices."""

    gap: float = 5e-4
    rounds: int = _ROUNDS_MAX
    master_seconds: float | None = None


GOAL: Final = Goal()


def decomposes(request: PlanRequest) -> bool:
    """Whether the request can be taken apart: whole modes over the horizon, one weighted objective."""
    rules = request.rules
    simple = rules.spot_scope == "horizon" and rules.response_bars_spot and not rules.regulation_alone
    return simple and not request.objective.order and request.integer


def decompose(request: PlanRequest, goal: Goal = GOAL, run_all: RunAll = map) -> Plan:
    """A plan of a portfolio with its proven gap (`within_gap`, or `stopped` beyond the goal).

    Raises:
        Refused: `plan_whole` for a request that does not come apart: `solve` takes it.
        SolverError: when the solver fails.
    """
    if not decomposes(request):
        message = "solve takes streams exclusive by interval, aims in order and relaxed choices"
        raise Refused("plan_whole", message, place="rules")
    try:
        return _decomposed(request, goal, run_all)
    except _Stuck as stuck:
        return _relaxed(request, stuck.sites, goal, run_all)


def _decomposed(request: PlanRequest, goal: Goal, run_all: RunAll, *, strict: bool = True) -> Plan:
    if len(request.sites) < _SAMPLED_FROM:
        return _Decomposition(request, goal, run_all, strict=strict).plan()
    duals = _Decomposition(_sample(request), goal, run_all).prices()
    return _Decomposition(request, goal, run_all, duals, strict=strict).plan()


class _Stuck(Exception):
    """Among these sites are some that have no plan in any mode, unless a limit gives way."""

    def __init__(self, sites: Index) -> None:
        super().__init__()
        self.sites = sites


def _relaxed(request: PlanRequest, stuck: Index, goal: Goal, run_all: RunAll) -> Plan:
    """With limits that can be kept, so that nobody pays for those that cannot."""
    some = tuple(request.sites[i] for i in stuck)
    loose = loosened(msgspec.structs.replace(request, sites=some))
    sites = list(request.sites)
    for i, site in zip(stuck, loose.request.sites, strict=True):
        sites[i] = site
    plan = _decomposed(msgspec.structs.replace(request, sites=tuple(sites)), goal, run_all, strict=False)
    if not loose.reasons:
        return plan
    return msgspec.structs.replace(
        plan,
        sites=tuple(msgspec.structs.replace(one, reason=loose.reasons.get(one.id, "")) for one in plan.sites),
        status="relaxed",
        reason="; ".join(f"{site}: {reason}" for site, reason in loose.reasons.items()),
    )


def _sample(request: PlanRequest) -> PlanRequest:
    """Sites evenly drawn from all, in markets smaller in the same measure: prices are nearly the same."""
    every = max(1, len(request.sites) // _SAMPLE_SITES)
    sites = request.sites[::every]
    part = len(sites) / len(request.sites)
    regulation, response, spot = request.regulation, request.response, request.spot
    if regulation is not None:
        regulation = msgspec.structs.replace(regulation, kw_min=regulation.kw_min * part)
    if response is not None:
        kw_min, kw_max = response.kw_min * part, response.kw_max * part
        response = msgspec.structs.replace(response, kw_min=kw_min, kw_max=kw_max)
    if spot is not None:
        spot = msgspec.structs.replace(spot, kw_max=spot.kw_max * part)
    return msgspec.structs.replace(request, sites=sites, regulation=regulation, response=response, spot=spot)


class _Decomposition:
    """The state of one decomposition: groups of sites, the master, and every proposal's flows."""

    def __init__(
        self,
        request: PlanRequest,
        goal: Goal,
        run_all: RunAll,
        duals: Duals | None = None,
        *,
        strict: bool = False,
    ) -> None:
        self.request, self.goal, self.run_all = request, goal, run_all
        self.strict = strict
        self.factors = request.objective.stages()[0]
        self.fleet = Fleet(request)
        self.start = duals
        most = float(self.fleet.regulation_max[self.fleet.regulation_at].sum())
        self.master = Master(request, most, self.factors, float(self.fleet.penalty.max()))
        self.setpoint: list[Values] = []
        self.curtailed: list[Values] = []
        self.groups: list[Group] = []
        self.bound, self.best = -np.inf, self.master.first_duals()
        self.offset = self.factors.get("cost", 0.0) * self.fleet.peaks_paid

    def plan(self) -> Plan:
        self._first_round()
        choice: Choice | None = None
        for number in range(self.goal.rounds):
            relaxed, duals, places = self.master.relaxed()
            near = relaxed - self.bound <= _RELAXED_PART * self._allowed(relaxed)
            if near or number == self.goal.rounds - 1:
                choice = self.master.whole_modes(self._mip_limits(relaxed))
                if self._reached(choice.objective):
                    break
                if near:
                    choice = self._polished(choice)
                    break
            if not self._priced(relaxed, duals, places):
                choice = self._polished(self.master.whole_modes(self._mip_limits(relaxed)))
                break
        assert choice is not None, "the last round chooses"
        return self._answer(choice)

    def prices(self) -> Duals:
        """The prices of what is shared, near enough to try whole modes at."""
        self._first_round()
        relaxed, duals, places = self.master.relaxed()
        for _ in range(self.goal.rounds):
            if relaxed - self.bound <= _RELAXED_PART * self._allowed(relaxed):
                break
            if not self._priced(relaxed, duals, places):
                break
            relaxed, duals, places = self.master.relaxed()
        return duals

    def _reached(self, objective: float) -> bool:
        return objective - self.bound <= self._allowed(objective)

    def _allowed(self, objective: float) -> float:
        """The distance that the goal's gap is, of an objective that still has the peaks so far in it."""
        return self.goal.gap * abs(objective - self.offset)

    def _mip_limits(self, objective: float) -> Limits:
        gap = _MIP_PART * self._allowed(objective) / max(abs(objective), 1e-9)
        return Limits(gap, self.goal.master_seconds)

    def _first_round(self) -> None:
        """Every site's modes at the prices given, or of a market that takes all: the best guess without."""
        duals = self.master.first_duals() if self.start is None else self.start
        least = np.full(len(self.request.sites), np.inf)
        for groups, batches in self.run_all(lambda at: self._begun(at, duals), self._cut()):
            self.groups.extend(groups)
            for batch in batches:
                np.minimum.at(least, batch.site, batch.reduced)
                self._keep(batch, np.ones(len(batch.site), dtype=np.bool_))
        stuck = [group.at for group in self.groups if self._no_way(group)]
        if stuck and self.strict:
            raise _Stuck(np.unique(np.concatenate(stuck)))
        self.bound, self.best = float(least.sum()) + self.master.least(duals), duals

    def _no_way(self, group: Group) -> bool:
        """Whether some site of it cannot be in the mode that it may always be in."""
        held = bool(self.fleet.spot_held[group.at].any())
        return "meter" in group.impossible or ("spot" in group.impossible and held)

    def _cut(self) -> list[tuple[Mode, Index]]:
        """The sites in groups of those that have the same modes; spot apart from what is behind the meter."""
        fleet = self.fleet
        every = np.arange(fleet.shape[0])
        trades = np.isin(every, fleet.spot_at)
        trades &= ~(fleet.load - fleet.pv > fleet.import_max).any(axis=1)
        meter = ~(trades & fleet.spot_held)
        responds = np.isin(every, fleet.response_at)
        found: list[tuple[Mode, Index]] = []
        kinds: tuple[tuple[Mode, Mask], ...] = (
            ("response", meter & responds),
            ("meter", meter & ~responds),
            ("spot", trades),
        )
        for mode, mask in kinds:
            at = every[mask]
            found += [(mode, at[i : i + GROUP_SITES]) for i in range(0, len(at), GROUP_SITES)]
        return found

    def _begun(self, cut: tuple[Mode, Index], duals: Duals) -> tuple[tuple[Group, ...], list[Batch]]:
        """The groups of some sites and what they propose first; many sites share a program for two modes."""
        mode, at = cut
        modes: tuple[Mode, ...] = ("meter", mode) if mode == "response" else (mode,)
        if len(self.request.sites) >= _SAMPLED_FROM:
            group = Group(self.request, at, modes, self.factors)
            return (group,), list(group.propose(duals))
        groups: list[Group] = []
        batches: list[Batch] = []
        for one in modes:
            group = Group(self.request, at, (one,), self.factors)
            if groups:
                group.start_from(groups[0])
            groups.append(group)
            batches += group.propose(duals)
        return tuple(groups), batches

    def _keep(self, batch: Batch, keep: Mask) -> None:
        self.master.add(batch, keep)
        at = np.flatnonzero(keep)
        self.setpoint.extend(batch.setpoint[at])
        self.curtailed.extend(batch.curtailed[at])

    def _priced(self, relaxed: float, duals: Duals, places: Values) -> bool:
        """New proposals, and perhaps a better bound; False where no site improves on the master.

        Sites are asked at prices between the master's, which swing, and those of the best bound so far.
        """
        pulled = Duals(
            *(_PULL * best + (1 - _PULL) * now for best, now in zip(self.best, duals, strict=True))
        )
        return self._asked(relaxed, duals, places, pulled) or self._asked(relaxed, duals, places, duals)

    def _asked(self, relaxed: float, duals: Duals, places: Values, prices: Duals) -> bool:
        least = np.full(len(places), np.inf)
        improved = False
        for batch in self._proposed(prices):
            np.minimum.at(least, batch.site, batch.reduced)
            keep = self._improving(batch, relaxed, duals, places)
            improved = improved or bool(keep.any())
            self._keep(batch, keep)
        bound = float(least.sum()) + self.master.least(prices)
        if bound > self.bound:
            self.bound, self.best = bound, prices
        return improved

    def _proposed(self, prices: Duals) -> Iterable[Batch]:
        for batches in self.run_all(lambda group: group.propose(prices), self.groups):
            yield from batches

    def _improving(self, batch: Batch, relaxed: float, duals: Duals, places: Values) -> Mask:
        """Which proposals would make the relaxed master better."""
        better = batch.cost - batch.use @ np.concatenate(duals) - places[batch.site]
        least = -_IMPROVES * max(1.0, abs(relaxed)) / len(places)
        found: Mask = np.asarray(better < least)
        return found

    def _polished(self, choice: Choice) -> Choice:
        """Better proposals for the modes that were chosen, which stay."""
        for _ in range(_POLISH_MAX):
            if self._reached(choice.objective):
                break
            self.master.fix(choice)
            relaxed, duals, places = self.master.relaxed()
            improved = False
            for batch in self._proposed(duals):
                keep = self._improving(batch, relaxed, duals, places)
                keep &= choice.mode[batch.site] == _MODES.index(batch.mode)
                improved = improved or bool(keep.any())
                self._keep(batch, keep)
            if not improved:
                break
            choice = self.master.whole_modes(self._mip_limits(relaxed))
        return choice

    def _answer(self, choice: Choice) -> Plan:
        fleet, master = self.fleet, self.master
        count, size = fleet.shape
        at = np.flatnonzero(choice.taken > 0)
        share = choice.taken[at, None]
        setpoint, curtailed = np.zeros((count, size)), np.zeros((count, size))
        np.add.at(setpoint, master.proposals.site[at], share * np.array([self.setpoint[i] for i in at]))
        np.add.at(curtailed, master.proposals.site[at], share * np.array([self.curtailed[i] for i in at]))
        use = np.zeros((count, master.proposals.use.shape[1]))
        np.add.at(use, master.proposals.site[at], share * master.proposals.use[at])
        rows = master.rows
        blocks, slots = len(rows.regulation_rows), len(rows.response_rows)
        flows = Flows(
            setpoint=setpoint,
            curtailed=curtailed,
            spot=use[:, blocks + slots :] if self.request.spot is not None else np.zeros((count, size)),
            regulation=-use[:, :blocks],
            reduced=-use[:, blocks : blocks + slots],
            offered=choice.portfolio[rows.offered],
            committed=choice.portfolio[rows.committed],
            shortfall=choice.portfolio[rows.shortfall],
        )
        objective, bound = choice.objective - self.offset, min(self.bound, choice.objective) - self.offset
        flows, added = self._without_burning(flows, choice)
        objective += added
        reached = gap_ppm(objective, bound) <= self.goal.gap * 1e6
        status: Status = "within_gap" if reached else "stopped"
        return plan_of(self.request, fleet, flows, Verdict(status, objective, bound))

    def _without_burning(self, flows: Flows, choice: Choice) -> tuple[Flows, float]:
        """Mixing a proposal that charges with one that discharges burns energy: solve such sites again."""
        fleet, terms = self.fleet, self.request.regulation
        ceiling = np.repeat(fleet.stored_max[:, None], fleet.shape[1], axis=1)
        if terms is not None:
            above = terms.sustain_h * fleet.charge_efficiency[:, None]
            ceiling -= above * flows.regulation[:, terms.block]
        full = (stored_after(fleet, flows.setpoint) > ceiling + _ROOM_KWH).any(axis=1)
        added = 0.0
        for i in np.flatnonzero(full):
            added += self._again(int(i), flows, choice)
        return flows, added

    def _again(self, i: int, flows: Flows, choice: Choice) -> float:
        """The site alone, giving the portfolio what its mix gives; what that costs more.

        Where it could regulate as much only while it burns energy, it regulates less.
        """
        mode, apart, terms = _MODES[choice.mode[i]], None, self.request.regulation
        price = np.zeros(0) if terms is None else terms.price * self.factors.get("revenue", 0.0)
        group, batch = self._alone(i, flows, mode, apart, price)
        for _ in range(_APART_MAX):
            burning = burnt(group.solver.values(), group.fleet, group.rows)
            if burning is None:
                break
            apart = burning if apart is None else joined(apart, burning)
            group, batch = self._alone(i, flows, mode, apart, price)
        if not np.isfinite(batch.cost).all():
            raise SolverError(f"site {self.request.sites[i].id} could not be solved alone")
        # What was proposed after the choice is no part of it.
        known = len(choice.taken)
        mine = self.master.proposals.site[:known] == i
        before = float(choice.taken[mine] @ self.master.proposals.cost[:known][mine])
        flows.setpoint[i], flows.curtailed[i] = batch.setpoint[0], batch.curtailed[0]
        if mode == "spot":
            flows.spot[i] = batch.setpoint[0]
        less = flows.regulation[i] + batch.use[0, : len(price)]
        flows.regulation[i] -= less
        return float(batch.cost[0]) - before + float(less @ price)

    def _alone(
        self, i: int, flows: Flows, mode: Mode, apart: Pairs | None, price: Values, *, less: bool = False
    ) -> tuple[Group, Batch]:
        """The site regulating as its mix does; where it cannot, or `less` is asked, as much of that as pays
        at the `price` of the blocks."""
        group = Group(self.request, np.array([i]), (mode,), self.factors, apart)
        rows, solver = group.rows, group.solver
        none = np.zeros
        duals = Duals(none(flows.regulation.shape[1]), none(flows.reduced.shape[1]), none(1))
        if rows.regulation.size:
            most = flows.regulation[i][None]
            solver.change_bounds(rows.regulation, 0.0 if less else most, most)
            duals = duals._replace(regulation=-price) if less else duals
        if rows.reduced.size:
            solver.change_bounds(rows.reduced, flows.reduced[i], np.maximum(flows.reduced[i], 0.0) + 1e-9)
        if mode == "spot":
            solver.change_bounds(rows.charge, 0.0, np.maximum(-flows.setpoint[i], 0.0)[None])
            solver.change_bounds(rows.discharge, 0.0, np.maximum(flows.setpoint[i], 0.0)[None])
        (batch,) = group.propose(duals)
        if group.impossible and len(price) and not less:
            return self._alone(i, flows, mode, apart, price, less=True)
        return group, batch
