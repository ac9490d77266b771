"""One model for all sites of a request, solved whole: small portfolios, and sites that share no market."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec
import numpy as np

from dispatch.optimiser.fleet import Fleet
from dispatch.optimiser.flows import burnt, flows_of
from dispatch.optimiser.lp import EXACT, Limits, Lp, Solver, SolverError, Values
from dispatch.optimiser.objective import Aim
from dispatch.optimiser.plan import Plan, Status, Verdict, merged, plan_of
from dispatch.optimiser.portfolio_rows import PortfolioRows
from dispatch.optimiser.request import PlanRequest
from dispatch.optimiser.site import Site
from dispatch.optimiser.site_rows import Pairs, SiteRows, Tier
from ledger.refusal import Refused

CHUNK_SITES: Final = 10
"""Sites of one program where no market couples them: measured fastest, and threads can share them."""

GIVES_WAY: Final = 1e-4
"""kW or kWh; less is the solver's rounding."""
_ROUNDS_MAX: Final = 6
_PPM: Final = 1e-6
_TIERS: Final[tuple[Tier, ...]] = ("storage", "meter", "ramp", "wish")
_TIER_KEPT: Final = 1e-6
"""By how much, in kW or kWh over all sites, a limit may give way more for what comes after it."""
_ROOM: Final = 2e-6
"""Beyond what gives way, so that rounding leaves a plan."""


class Model:
    """The program of a request: every site's rows and the portfolio's."""

    def __init__(self, request: PlanRequest, *, elastic: bool = False, apart: Pairs | None = None) -> None:
        self.request = request
        self.fleet = Fleet(request)
        self.lp = Lp()
        self.sites = SiteRows(self.lp, self.fleet, elastic=elastic, apart=apart)
        self.portfolio: PortfolioRows | None = None
        if request.coupled:
            at = self.fleet.regulation_at
            self.portfolio = PortfolioRows(self.lp, request, float(self.fleet.regulation_max[at].sum()))
            rows = self.sites
            self.portfolio.take(rows.regulation, rows.reduced, rows.spot_charge, rows.spot_discharge)

    def costs(self, factors: dict[Aim, float]) -> Values:
        """What a stage minimises: its aims with their contracts' weights, and a target that is missed."""
        total = self.lp.part("penalty") * max(1.0, *(abs(factor) for factor in factors.values()))
        for aim, factor in factors.items():
            total += factor * (self.lp.part(aim) + self.lp.part(f"{aim}_weighting"))
        return total

    def missed(self, values: Values) -> dict[str, str]:
        """For each site whose target is missed, by how much."""
        short = values[self.sites.end_short]
        return {
            self.request.sites[i].id: f"end_kwh is missed by {short[i]:.3f}"
            for i in np.flatnonzero(short > GIVES_WAY)
        }


def solve(request: PlanRequest, limits: Limits = EXACT) -> Plan:
    """The best plan of all sites in one program.

    A request that allows no plan is answered all the same: limits give way as little as they can
    (`loosened`), and the plan says which of which site (`relaxed`). The other sites are planned as usual.

    Raises:
        Refused: `site_infeasible` for a site whose storage cannot obey physics however its limits give way.
        SolverError: when the solver fails, or finds nothing before its time is up.
    """
    asked, apart, ways = request, None, dict[str, str]()
    for _ in range(_ROUNDS_MAX):
        model = Model(asked, apart=apart)
        solved = _in_stages(model, limits)
        if solved is None:
            loose = loosened(request, apart)
            if loose.request is asked:
                break
            asked, ways = loose
            continue
        values, verdict = solved
        burning = burnt(values, model.fleet, model.sites) if request.integer else None
        if burning is None:
            flows = flows_of(values, model.fleet, model.sites, model.portfolio)
            return plan_of(asked, model.fleet, flows, verdict_with(verdict, ways, model.missed(values)))
        apart = burning if apart is None else joined(apart, burning)
    raise Refused("site_infeasible", "no plan, whatever limits give way", place="sites")


def verdict_with(verdict: Verdict, ways: dict[str, str], missed: dict[str, str]) -> Verdict:
    """The verdict that names what gave way, and targets that are missed; `relaxed` for the first."""
    reasons = dict(ways)
    for site, text in missed.items():
        reasons[site] = f"{reasons[site]}; {text}" if site in reasons else text
    text = "; ".join(f"{site}: {reason}" for site, reason in reasons.items())
    status: Status = "relaxed" if ways else verdict.status
    return msgspec.structs.replace(verdict, status=status, reasons=reasons, reason=text)


class Loosened(NamedTuple):
    """A request whose limits leave a plan, and of each site which gave way, where first, and by how much."""

    request: PlanRequest
    reasons: dict[str, str]


def loosened(request: PlanRequest, apart: Pairs | None = None) -> Loosened:
    """The request with limits that its sites can keep, each changed no more than it has to be.

    The storage's energy gives way least, then the meter's limits, then the ramp, then what is only a wish:
    the sum of each over the intervals is made as small as it can be while those before it stay so. Of the
    ways to do that the cheapest is taken.

    Raises:
        SolverError: when the solver fails.
    """
    alone = msgspec.structs.replace(request, regulation=None, response=None, spot=None)
    model = Model(alone, elastic=True, apart=apart)
    solver = Solver(model.lp, model.lp.part(_TIERS[0]))
    stages = [costs for costs in map(model.lp.part, _TIERS) if costs.any()]
    for costs in (*stages, model.costs(request.objective.stages()[0])):
        solver.change_costs(costs)
        if solver.run() != "optimal":
            raise SolverError("no solution though every limit may give way")
        solver.cap(costs, solver.objective + _TIER_KEPT)
    values, fleet, slack = solver.values(), model.fleet, model.sites.slack
    over = {name: np.maximum(values[columns], 0.0) for name, columns in slack.items()}
    over["ramp_kw"] = np.maximum(over["ramp_kw"], over.pop("ramp_kw_down"))
    at = {"ramp_kw": fleet.ramp_at, "discharge_kwh_max": fleet.cycle_site}
    found: list[Site] = []
    reasons: dict[str, str] = {}
    for i, site in enumerate(request.sites):
        mine = {
            name: rows[i] if name not in at else rows[at[name] == i].ravel() for name, rows in over.items()
        }
        if site.spot_mode == "held" and request.spot is not None and site.uses("spot"):
            # What a storage held at spot discharges lowers its meter's import, not what the site buys.
            bought = np.maximum(site.load_kw - site.pv_kw - site.import_kw_max, 0.0)
            mine["import_kw_max"] = np.maximum(mine["import_kw_max"], bought)
        given = {name: amount for name, amount in mine.items() if amount.max(initial=0.0) > GIVES_WAY}
        found.append(_with_room(site, mine) if given else site)
        given.pop("wish_kwh", None)
        if given:
            hours = request.interval_h
            reasons[site.id] = "; ".join(_said(name, amount, hours) for name, amount in given.items())
    changed = any(new is not old for new, old in zip(found, request.sites, strict=True))
    return Loosened(msgspec.structs.replace(request, sites=tuple(found)) if changed else request, reasons)


def _with_room(site: Site, over: dict[str, Values]) -> Site:
    stored, replace = site.storage, msgspec.structs.replace
    lowest = stored.floor_kwh + stored.reserve_kwh - over["reserve_kwh"] - over["wish_kwh"] - _ROOM
    floor = max(0.0, min(stored.floor_kwh, float(lowest.min())))
    loose = replace(stored, floor_kwh=floor, reserve_kwh=np.maximum(lowest - floor, 0.0), wish_kwh=None)
    if stored.ramp_kw is not None:
        loose = replace(loose, ramp_kw=stored.ramp_kw + over["ramp_kw"] + _ROOM)
    if stored.discharge_kwh_max is not None:
        limits = zip(stored.discharge_kwh_max, over["discharge_kwh_max"].tolist(), strict=True)
        loose = replace(loose, discharge_kwh_max=tuple(limit + more + _ROOM for limit, more in limits))
    return replace(
        site,
        storage=loose,
        import_kw_max=site.import_kw_max + over["import_kw_max"] + _ROOM,
        export_kw_max=site.export_kw_max + over["export_kw_max"] + _ROOM,
    )


def _said(name: str, over: Values, hours: float) -> str:
    """The first, how many there are, the worst, and of power how much energy it is in all."""
    unit = "kWh" if name.endswith(("kwh", "kwh_max")) else "kW"
    at = np.flatnonzero(over > GIVES_WAY)
    first, worst = int(at[0]), int(np.argmax(over))
    told = [f"{name}[{first}] gives way by {over[first]:.3f} {unit}"]
    if len(at) > 1:
        what = "days" if name == "discharge_kwh_max" else "intervals"
        told.append(f"in {len(at)} {what} by up to {over[worst]:.3f} {unit} ([{worst}])")
    if name in ("import_kw_max", "export_kw_max"):
        told.append(f"{over[at].sum() * hours:.3f} kWh in all")
    return ", ".join(told)


def chunks(request: PlanRequest, size: int = CHUNK_SITES) -> tuple[PlanRequest, ...]:
    """The request in parts of that many sites, for `solve` one by one or in threads, and `merged` after.

    Raises:
        Refused: `plan_coupled` where a market ties the sites together.
    """
    if request.coupled:
        raise Refused("plan_coupled", "sites that share a market are not planned apart", place="sites")
    sites = request.sites
    starts = range(0, len(sites), size)
    return tuple(msgspec.structs.replace(request, sites=sites[i : i + size]) for i in starts)


def solve_in_chunks(request: PlanRequest, limits: Limits = EXACT, size: int = CHUNK_SITES) -> Plan:
    """The same plan as `solve` where no market couples the sites, many times faster for many sites.

    Raises:
        Refused: as `chunks` and `solve`.
    """
    return merged(tuple(solve(part, limits) for part in chunks(request, size)))


def _in_stages(model: Model, limits: Limits) -> tuple[Values, Verdict] | None:
    """Solve one aim after another, each kept as good as it was; None where there is no plan."""
    stages = model.request.objective.stages()
    solver = Solver(model.lp, model.costs(stages[0]), limits)
    status: Status = "optimal"
    for number, factors in enumerate(stages):
        costs = model.costs(factors)
        if number:
            solver.change_costs(costs)
        outcome = solver.run()
        if outcome == "infeasible":
            return None
        if outcome == "stopped":
            status = "stopped"
        if number + 1 < len(stages):
            solver.cap(costs, solver.objective + model.request.objective.tolerance)
    offset = -stages[-1].get("cost", 0.0) * model.fleet.peaks_paid
    objective, bound = solver.objective + offset, solver.bound + offset
    far = solver.is_integer and objective - bound > _PPM * max(1.0, abs(objective))
    if status == "optimal" and far:
        status = "within_gap"
    return solver.values(), Verdict(status, objective, bound)


def joined(first: Pairs, second: Pairs) -> Pairs:
    """Both."""
    return np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]])
