"""The master program: how much of which proposal each site takes, under what the portfolio shares."""

from __future__ import annotations

from typing import Final, NamedTuple

import highspy
import msgspec
import numpy as np

from dispatch.optimiser.lp import INFINITE, Index, Limits, Lp, Mask, Solver, SolverError, Values
from dispatch.optimiser.objective import Aim
from dispatch.optimiser.portfolio_rows import PortfolioRows
from dispatch.optimiser.proposals import Batch, Duals
from dispatch.optimiser.request import PlanRequest
from dispatch.optimiser.site_rows import Mode

_TAKEN: Final = 1e-7
_MODES: Final[tuple[Mode, ...]] = ("meter", "response", "spot")


class Proposals(NamedTuple):
    """Proposals, a row each: whose, in which mode, at what cost, and what they put into the shared rows."""

    site: Index
    mode: Index
    cost: Values
    whole: Mask
    use: Values


class Choice(NamedTuple):
    """A whole solution: a mode a site, what of every proposal is taken, and the portfolio's columns."""

    objective: float
    taken: Values
    mode: Index
    portfolio: Values


class Master:
    """Proposals so far, and the program over them; relaxed it gives prices, with whole modes a plan."""

    def __init__(
        self, request: PlanRequest, regulation_kw: float, factors: dict[Aim, float], penalty: float
    ) -> None:
        self._request, self._regulation_kw, self._factors = request, regulation_kw, factors
        self._penalty = penalty
        self._sites = len(request.sites)
        lp, self.rows = self._portfolio(integer=False)
        self.convex = lp.rows((self._sites,), 1.0, 1.0)
        self.base = lp.column_count
        self._shared = np.concatenate(
            [self.rows.regulation_rows, self.rows.response_rows, self.rows.spot_rows]
        )
        self._lp = lp
        self._solver = Solver(lp, self._costs(lp))
        self._batches: list[Proposals] = []
        self._all: Proposals | None = None

    @property
    def proposals(self) -> Proposals:
        """All proposals so far, in the order in which they were added."""
        if self._all is None:
            self._all = Proposals(*(np.concatenate(parts) for parts in zip(*self._batches, strict=True)))
            self._batches = [self._all]
        return self._all

    def _portfolio(self, *, integer: bool) -> tuple[Lp, PortfolioRows]:
        lp = Lp()
        request = msgspec.structs.replace(self._request, integer=integer)
        rows = PortfolioRows(lp, request, self._regulation_kw)
        over = lp.columns((len(rows.spot_rows), 2), 0.0, INFINITE)
        lp.put(rows.spot_rows[:, None], over, np.array([1.0, -1.0]))
        lp.price("penalty", over, self._penalty)
        return lp, rows

    def _costs(self, lp: Lp) -> Values:
        total = lp.part("penalty")
        for aim, factor in self._factors.items():
            total += factor * lp.part(aim)
        return total

    def first_duals(self) -> Duals:
        """What a site earns that the markets take whole."""
        costs = self._costs(self._lp)
        rows = self.rows
        return Duals(costs[rows.offered], costs[rows.committed], np.zeros(len(rows.spot_rows)))

    def least(self, duals: Duals) -> float:
        """What the portfolio's own columns cost at least at those prices: the rest of a bound."""
        costs, rows, request = self._costs(self._lp), self.rows, self._request
        total = 0.0
        if request.regulation is not None:
            each = np.minimum(costs[rows.offered] - duals.regulation, 0.0)
            total += float(each.sum()) * self._regulation_kw
        if request.response is not None:
            each = np.minimum(costs[rows.committed] - duals.response, 0.0)
            each += np.minimum(costs[rows.shortfall] + duals.response, 0.0)
            total += float(each.sum()) * request.response.kw_max
        if request.spot is not None:
            total -= float(np.abs(duals.spot).sum()) * request.spot.kw_max
        return total

    def add(self, batch: Batch, keep: Mask) -> None:
        """Add the proposals at `keep` of a batch to the relaxed program."""
        at = np.flatnonzero(keep)
        if not len(at):
            return
        sites, use = batch.site[at], batch.use[at]
        mode, whole = np.full(len(at), _MODES.index(batch.mode)), np.full(len(at), batch.whole)
        self._batches.append(Proposals(sites, mode, batch.cost[at], whole, use))
        self._all = None
        filled = np.abs(use) > 1e-9
        starts = np.concatenate([[0], np.cumsum(filled.sum(axis=1) + 1)])
        index = np.empty(starts[-1], dtype=np.int32)
        value = np.empty(starts[-1])
        ends = starts[1:] - 1
        inner = np.ones(starts[-1], dtype=np.bool_)
        inner[ends] = False
        index[ends], value[ends] = self.convex[sites], 1.0
        index[inner] = np.broadcast_to(self._shared, use.shape)[filled]
        value[inner] = use[filled]
        zeros, most = np.zeros(len(at)), np.full(len(at), INFINITE)
        first = starts[:-1].astype(np.int32)
        status = self._solver.highs.addCols(
            len(at), batch.cost[at], zeros, most, len(index), first, index, value
        )
        if status == highspy.HighsStatus.kError:
            raise SolverError("the solver refused the proposals")

    def relaxed(self) -> tuple[float, Duals, Values]:
        """The relaxed optimum, the prices of what is shared, and the price of each site's place.

        Raises:
            SolverError: when the solver fails.
        """
        if self._solver.run() != "optimal":
            raise SolverError("the master program has no solution")
        dual = np.array(self._solver.highs.getSolution().row_dual)
        rows = self.rows
        prices = Duals(dual[rows.regulation_rows], dual[rows.response_rows], dual[rows.spot_rows])
        return self._solver.objective, prices, dual[self.convex]

    @property
    def taken(self) -> Values:
        """How much of every proposal the relaxed solution takes."""
        return self._solver.values()[self.base :]

    def whole_modes(self, limits: Limits) -> Choice:
        """The best plan in which every site is in one mode; sites that are already, stay in it.

        Raises:
            SolverError: when the solver fails.
        """
        known = self.proposals
        taken: Mask = self.taken > _TAKEN
        used = np.zeros((self._sites, len(_MODES)), dtype=np.bool_)
        np.logical_or.at(used, (known.site[taken], known.mode[taken]), True)
        open_site = (used.sum(axis=1) > 1) | self._mixes_wholes(taken)
        offered = np.zeros_like(used)
        np.logical_or.at(offered, (known.site, known.mode), True)
        allowed = np.where(open_site[:, None], offered, used)
        lp, rows = self._portfolio(integer=True)
        shared = np.concatenate([rows.regulation_rows, rows.response_rows, rows.spot_rows])
        first = lp.column_count
        most = np.where(allowed[known.site, known.mode], INFINITE, 0.0)
        share = lp.columns(known.site.shape, 0.0, most)
        lp.price("penalty", share, known.cost)
        at = np.nonzero(known.use)
        lp.put(shared[at[1]], share[at[0]], known.use[at])
        pairs = np.nonzero(allowed)
        choose = np.full(allowed.shape, -1)
        choose[pairs] = lp.columns(pairs[0].shape, 0.0, 1.0, integer=True)
        one = lp.rows((self._sites,), 1.0, 1.0)
        lp.put(one[pairs[0]], choose[pairs], 1.0)
        mix = lp.rows(pairs[0].shape, 0.0, 0.0, (choose[pairs], -1.0))
        row_of = np.full(allowed.shape, -1)
        row_of[pairs] = mix
        mine = np.flatnonzero(most > 0)
        lp.put(row_of[known.site[mine], known.mode[mine]], share[mine], 1.0)
        only = mine[known.whole[mine]]
        whole = lp.columns(only.shape, 0.0, 1.0, integer=True)
        lp.rows(only.shape, 0.0, 0.0, (share[only], 1.0), (whole, -1.0))
        solver = Solver(lp, self._costs(lp), limits)
        if solver.run() == "infeasible":
            raise SolverError("no whole choice of proposals")
        values = solver.values()
        modes = np.zeros(allowed.shape)
        modes[pairs] = values[choose[pairs]]
        return Choice(solver.objective, values[share], modes.argmax(axis=1), values[:first])

    def _mixes_wholes(self, taken: Mask) -> Mask:
        known = self.proposals
        mixed: Mask = np.bincount(known.site[taken & known.whole], minlength=self._sites) > 1
        return mixed

    def fix(self, choice: Choice) -> None:
        """Keep each site in its chosen mode, and the portfolio's choices as they are."""
        known = self.proposals
        most = np.where(known.mode == choice.mode[known.site], INFINITE, 0.0)
        columns = self.base + np.arange(len(known.site))
        self._solver.change_bounds(columns, 0.0, most)
        for column in (self.rows.offering, self.rows.committing):
            kept = np.rint(choice.portfolio[column])
            self._solver.change_bounds(column, kept, kept)
