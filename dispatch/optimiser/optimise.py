"""Which way a request is solved: in chunks, taken apart, or whole."""

from __future__ import annotations

from typing import Final

import numpy as np
from msgspec import structs

from dispatch.optimiser.decomposition import GOAL, Goal, RunAll, decompose, decomposes
from dispatch.optimiser.lp import Limits, OutOfTime
from dispatch.optimiser.plan import Plan, gap_ppm, merged
from dispatch.optimiser.request import PlanRequest
from dispatch.optimiser.site import PlanStream
from dispatch.optimiser.solve import chunks, solve

_MARKET_STREAMS: Final[frozenset[PlanStream]] = frozenset(("demand_response", "spot", "ancillary"))

WHOLE_SITES_MAX: Final = 8
"""Up to so many sites one mixed-integer program is tried where the decomposition's gap is not proven."""


def optimise(
    request: PlanRequest, goal: Goal = GOAL, run_all: RunAll = map, *, seconds: float | None = None
) -> Plan:
    """The best plan found, with its proven gap.

    Sites that share no market are solved in chunks, a portfolio is taken apart, and what does not come apart
    is one program. `run_all` maps over parts, in threads if it likes. `seconds` bounds each mixed-integer
    program; a plan that it stops says so, and where nothing was found in time, the plan leaves the markets
    alone.

    Raises:
        Refused: as `solve`.
        SolverError: when the solver fails.
    """
    try:
        return _found(request, goal, run_all, seconds)
    except OutOfTime:
        return _bounded_alone(request, run_all)


def _found(request: PlanRequest, goal: Goal, run_all: RunAll, seconds: float | None) -> Plan:
    if not request.coupled:
        limits = Limits(goal.gap / 10, seconds)
        return merged(tuple(run_all(lambda part: solve(part, limits), chunks(request))))
    if not decomposes(request):
        return solve(request, Limits(goal.gap, seconds))
    plan = decompose(request, goal._replace(master_seconds=seconds), run_all)
    if plan.gap_ppm <= goal.gap * 1e6 or len(request.sites) > WHOLE_SITES_MAX:
        return plan
    whole = solve(request, Limits(goal.gap, seconds))
    return min(plan, whole, key=lambda found: (found.status == "relaxed", found.objective_micro))


def without_markets(request: PlanRequest, run_all: RunAll = map) -> Plan:
    """The best plan that offers nothing to any market: found fast, and feasible where the whole request is.

    A storage whose month is settled at spot stays still.

    Raises:
        Refused: as `solve`.
        SolverError: when the solver fails.
    """
    sites = []
    for site in request.sites:
        storage = site.storage
        if site.spot_mode == "held":
            storage = structs.replace(storage, availability=np.zeros(site.count), discharge_availability=None)
        sites.append(structs.replace(site, storage=storage, barred=site.barred | _MARKET_STREAMS))
    alone = structs.replace(request, sites=tuple(sites), regulation=None, response=None, spot=None)
    plan = merged(tuple(run_all(solve, chunks(alone))))
    blocks = np.zeros(0 if request.regulation is None else len(request.regulation.price), dtype=np.int64)
    slots = np.zeros(0 if request.response is None else len(request.response.slot), dtype=np.int64)
    offering_none = tuple(
        structs.replace(site, regulation_w=blocks.copy(), response_w=slots.copy()) for site in plan.sites
    )
    return structs.replace(
        plan, sites=offering_none, regulation_w=blocks, response_w=slots, shortfall_w=slots.copy()
    )


def _bounded_alone(request: PlanRequest, run_all: RunAll) -> Plan:
    """The plan without markets; the relaxed optimum with them, which is a linear program, bounds it."""
    plan, bound = (
        without_markets(request, run_all),
        solve(structs.replace(request, integer=False)).bound_micro,
    )
    bound = min(bound, plan.objective_micro)
    return structs.replace(
        plan,
        status="stopped",
        reason="; ".join(filter(None, ("no plan with markets in the time given", plan.reason))),
        bound_micro=bound,
        gap_ppm=gap_ppm(plan.objective_micro / 1e6, bound / 1e6),
    )
