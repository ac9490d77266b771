"""What sites could do in one mode, each best for itself at given prices of what the portfolio shares."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np

from dispatch.optimiser.fleet import Fleet
from dispatch.optimiser.flows import flows_of
from dispatch.optimiser.lp import Index, Lp, Solver, Values
from dispatch.optimiser.objective import Aim
from dispatch.optimiser.request import PlanRequest
from dispatch.optimiser.site_rows import Mode, Pairs, SiteRows
from ledger.refusal import Refused


class Duals(NamedTuple):
    """What one more kW of the portfolio's rows changes the objective by: a block, slot or interval each."""

    regulation: Values
    response: Values
    spot: Values


class Batch(NamedTuple):
    """Proposals of some sites in one mode, a row each. `use` is what a proposal puts into the shared rows.

    `cost` is without what is shared; `reduced` is the least that the mode costs at the asked prices, as
    far as proven.
    """

    site: Index
    mode: Mode
    cost: Values
    reduced: Values
    use: Values
    setpoint: Values
    curtailed: Values
    whole: bool
    """Proposals of a site may not be mixed: it had choices of its own."""


class Group:
    """Some sites as one persistent program, in each of `modes` in turn; sites do not see each other.

    Sites behind the meter and the same sites responding are one program with other bounds.
    """

    def __init__(
        self,
        request: PlanRequest,
        at: Index,
        modes: tuple[Mode, ...],
        factors: dict[Aim, float],
        apart: Pairs | None = None,
    ) -> None:
        self.at = at
        self._apart = apart
        self.modes = modes
        chosen = tuple(request.sites[int(i)] for i in at)
        self.fleet = Fleet(msgspec.structs.replace(request, sites=chosen))
        self._factors = factors
        self._elastic = False
        self.impossible: set[Mode] = set()
        """The modes that some of the sites could not be in, unless a limit gave way."""
        self._build()

    def _build(self) -> None:
        lp = Lp()
        self.rows = SiteRows(lp, self.fleet, self.modes[-1], elastic=self._elastic, apart=self._apart)
        penalty = lp.part("penalty") + lp.part("overrun")
        self._costs = penalty * max(1.0, *(abs(factor) for factor in self._factors.values()))
        for aim, factor in self._factors.items():
            self._costs += factor * (lp.part(aim) + lp.part(f"{aim}_weighting"))
        self._owner = self.rows.owner
        self.solver = Solver(lp, self._costs)
        lp.forget()

    def start_from(self, other: Group) -> None:
        """Take the basis of the same sites in another mode with the same rows."""
        if not self.solver.is_integer:
            self.solver.highs.setBasis(other.solver.highs.getBasis())

    def propose(self, duals: Duals) -> tuple[Batch, ...]:
        """The best of every site in every mode at those prices.

        A site that cannot be in a mode is proposed with limits that give way, at a price nobody pays.

        Raises:
            Refused: `site_infeasible` when there is no plan even so.
        """
        return tuple(self._proposed(mode, duals) for mode in self.modes)

    def _proposed(self, mode: Mode, duals: Duals) -> Batch:
        rows = self.rows
        if len(self.modes) > 1:
            on = 1.0 if mode == "response" else 0.0
            self.solver.change_bounds(rows.responding, on, on)
        costs = self._costs.copy()
        if rows.regulation.size:
            costs[rows.regulation] += duals.regulation
        if rows.reduced.size:
            costs[rows.reduced] += duals.response
        if rows.spot_charge.size:
            costs[rows.spot_charge] += duals.spot
            costs[rows.spot_discharge] -= duals.spot
        self.solver.change_costs(costs)
        if self.solver.run() == "infeasible":
            if self._elastic:
                place = f"sites.{self.fleet.request.sites[0].id}"
                raise Refused("site_infeasible", "no plan, whatever limits give way", place=place)
            self.impossible.add(mode)
            self._elastic = True
            self._build()
            return self._proposed(mode, duals)
        return self._read(mode, costs)

    def _read(self, mode: Mode, costs: Values) -> Batch:
        values = self.solver.values()
        count = len(self.at)
        flows = flows_of(values, self.fleet, self.rows, None)
        unproven = (self.solver.objective - self.solver.bound) / count
        reduced: Values = np.bincount(self._owner, costs * values, minlength=count).astype(np.float64)
        spot = flows.spot if self.fleet.request.spot is not None else np.zeros((count, 0))
        return Batch(
            site=self.at,
            mode=mode,
            cost=np.bincount(self._owner, self._costs * values, minlength=count).astype(np.float64),
            reduced=reduced - unproven,
            use=np.concatenate([-flows.regulation, -flows.reduced, spot], axis=1),
            setpoint=flows.setpoint,
            curtailed=flows.curtailed,
            whole=self.solver.is_integer,
        )
