"""Re-planning every interval: the same sites and horizon, one step later, from where the last solve ended."""

from __future__ import annotations

from typing import Final

import numpy as np

from dispatch.optimiser.flows import burnt, flows_of
from dispatch.optimiser.lp import Matrix, Solver
from dispatch.optimiser.plan import Plan, Verdict, plan_of
from dispatch.optimiser.request import PlanRequest
from dispatch.optimiser.solve import Model, solve, verdict_with
from ledger.refusal import Refused

STEP_SITES: Final = 25
"""Sites of one persistent program: measured fastest."""


class RollingPlan:
    """A persistent program of some sites that share no market.

    A step takes the request one interval later: what was the second interval is the first. It begins at the
    last step's basis as it is: to roll that by an interval saves fewer pivots than it takes time. The plan
    costs what the one that `solve` gives does.
    """

    def __init__(self) -> None:
        self._solver: Solver | None = None
        self._matrix: Matrix | None = None

    @property
    def pivots(self) -> int:
        """How many simplex iterations the last step took."""
        return 0 if self._solver is None else int(self._solver.highs.getInfo().simplex_iteration_count)

    def step(self, request: PlanRequest) -> Plan:
        """The best plan of the request; any request is taken, one like the last is solved fastest.

        Raises:
            Refused: `plan_coupled` where a market ties the sites together; else as `solve`.
            SolverError: when the solver fails.
        """
        if request.coupled:
            raise Refused("plan_coupled", "sites that share a market are decomposed anew", place="sites")
        if request.objective.order:
            return solve(request)
        model = Model(request)
        if model.lp.is_integer:
            return solve(request)
        factors = request.objective.stages()[0]
        solver = self._prepared(model)
        if solver.run() == "infeasible":
            self._solver = None
            return solve(request)
        values = solver.values()
        if burnt(values, model.fleet, model.sites) is not None:
            return solve(request)
        objective = solver.objective - factors.get("cost", 0.0) * model.fleet.peaks_paid
        verdict = verdict_with(Verdict("optimal", objective, objective), {}, model.missed(values))
        return plan_of(request, model.fleet, flows_of(values, model.fleet, model.sites, None), verdict)

    def _prepared(self, model: Model) -> Solver:
        """The program in the solver: the last one with other numbers, or a new one."""
        costs = model.costs(model.request.objective.stages()[0])
        matrix, last = model.lp.matrix(), self._solver
        if last is None or self._matrix is None or not _same(self._matrix, matrix):
            self._solver, before, self._matrix = Solver(model.lp, costs), self._matrix, matrix
            if last is not None and before is not None and len(before.starts) == len(matrix.starts):
                # A midnight that is an interval nearer moves a few entries: the basis still is a good start.
                self._solver.start_from(last)
            return self._solver
        last.replace(costs, model.lp.bounds())
        return last


def _same(first: Matrix, second: Matrix) -> bool:
    if not np.array_equal(first.starts, second.starts) or not np.array_equal(first.columns, second.columns):
        return False
    return np.array_equal(first.factors, second.factors)
