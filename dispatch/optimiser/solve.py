"""One model for all sites of a request, solved whole: small portfolios, and sites that share no market."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from dispatch.optimiser.fleet import Fleet
from dispatch.optimiser.flows import burnt, flows_of
from dispatch.optimiser.lp import EXACT, Limits, Lp, Solver, Values
from dispatch.optimiser.objective import Aim
from dispatch.optimiser.plan import Plan, Status, Verdict, merged, plan_of
from dispatch.optimiser.portfolio_rows import PortfolioRows
from dispatch.optimiser.request import PlanRequest
from dispatch.optimiser.site_rows import Pairs, SiteRows
from ledger.refusal import Refused

CHUNK_SITES: Final = 10
"""Sites of one program where no market couples them: measured fastest, and threads can share them."""

_ROUNDS_MAX: Final = 4
_GIVES_WAY: Final = 1e-4
_PPM: Final = 1e-6


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
        """What a stage minimises: its aims with their contracts' weights, and what may give way."""
        total = self.lp.part("penalty") * max(1.0, *(abs(factor) for factor in factors.values()))
        for aim, factor in factors.items():
            total += factor * (self.lp.part(aim) + self.lp.part(f"{aim}_weighting"))
        return total

    def gave_way(self, values: Values) -> dict[str, str]:
        """For each site whose limits gave way: which, in which interval first, and by how much."""
        found: dict[str, list[str]] = {}
        rows, fleet = self.sites, self.fleet
        places = {"ramp_kw": fleet.ramp_at, "discharge_kwh_max": fleet.cycle_at}
        for name, columns in rows.slack.items():
            at = places.get(name.removesuffix("_down"), np.arange(fleet.shape[0]))
            at = fleet.spot_at if name.endswith("_spot") else at
            for i, amounts in zip(at, values[columns], strict=True):
                over = np.atleast_1d(amounts)
                if over.max(initial=0.0) > _GIVES_WAY:
                    first = int(np.argmax(over > _GIVES_WAY))
                    field = name.removesuffix("_down").removesuffix("_spot")
                    text = f"{field}[{first}] gives way by {over[first]:.3f}"
                    found.setdefault(self.request.sites[int(i)].id, []).append(text)
        for i in np.nonzero(values[rows.end_short] > _GIVES_WAY)[0]:
            short = values[rows.end_short[i]]
            text = f"end_kwh is missed by {short:.3f}"
            found.setdefault(self.request.sites[int(i)].id, []).append(text)
        return {site: "; ".join(texts) for site, texts in found.items()}


def solve(request: PlanRequest, limits: Limits = EXACT) -> Plan:
    """The best plan of all sites in one program.

    A request that allows no plan is answered all the same: what must give way does, at a price that nothing
    earns, and the plan says which limit of which site (`relaxed`). The other sites are not affected.

    Raises:
        Refused: `site_infeasible` for a site whose storage cannot obey physics however its limits give way.
        SolverError: when the solver fails, or finds nothing before its time is up.
    """
    elastic, apart = False, None
    for _ in range(_ROUNDS_MAX):
        model = Model(request, elastic=elastic, apart=apart)
        solved = _in_stages(model, limits)
        if solved is None:
            if elastic:
                raise Refused("site_infeasible", "no plan, whatever limits give way", place="sites")
            elastic = True
            continue
        values, verdict = solved
        burning = burnt(values, model.fleet, model.sites) if request.integer else None
        if burning is None:
            break
        apart = burning if apart is None else _joined(apart, burning)
    else:
        raise Refused("site_infeasible", "the storages burn energy in every plan found", place="sites")
    reasons = model.gave_way(values)
    if elastic:
        verdict = msgspec.structs.replace(verdict, status="relaxed")
    text = "; ".join(f"{site}: {reason}" for site, reason in reasons.items())
    verdict = msgspec.structs.replace(verdict, reasons=reasons, reason=text)
    return plan_of(request, model.fleet, flows_of(values, model.fleet, model.sites, model.portfolio), verdict)


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


def _joined(first: Pairs, second: Pairs) -> Pairs:
    return np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]])
