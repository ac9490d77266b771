"""A plan an interval later, from the last basis, is the plan that a fresh solve gives."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from dispatch.optimiser.plan import Plan
from dispatch.optimiser.request import PlanRequest
from dispatch.optimiser.rolling import RollingPlan
from dispatch.optimiser.solve import solve
from ledger.refusal import Refused
from tests.dispatch.optimiser.small_site import request, site
from tests.dispatch.optimiser.synthetic import portfolio

replace = msgspec.structs.replace


def later(asked: PlanRequest, plan: Plan, seed: int) -> PlanRequest:
    """An interval on: the plan was followed, the load is a little other than was thought."""
    draw = np.random.default_rng(seed)
    sites = []
    for one, done in zip(asked.sites, plan.sites, strict=True):
        stored = one.storage
        held = float(np.clip(done.stored_wh[0] / 1000, stored.floor_kwh, stored.ceiling_kwh))
        sites.append(
            replace(
                one,
                storage=replace(stored, start_kwh=held),
                load_kw=np.roll(one.load_kw, -1) * draw.normal(1, 0.02, one.count),
                pv_kw=np.roll(one.pv_kw, -1),
                buy_price=np.roll(one.buy_price, -1),
                sell_price=np.roll(one.sell_price, -1),
                peak_kw=one.peak_kw * 1.01,
            )
        )
    return replace(asked, sites=tuple(sites))


def test_every_step_is_what_a_fresh_solve_gives() -> None:
    asked, rolling = portfolio(9, 3, "", count=48), RollingPlan()
    for step in range(8):
        plan = rolling.step(asked)
        assert plan.objective_micro == pytest.approx(solve(asked).objective_micro, rel=1e-8)
        assert plan.status == "optimal"
        asked = later(asked, plan, step)


def test_the_last_basis_leaves_fewer_pivots() -> None:
    asked, rolling = portfolio(9, 5, "", count=96), RollingPlan()
    first = rolling.step(asked)
    assert rolling.pivots > 100
    cold = rolling.pivots
    rolling.step(later(asked, first, 0))
    assert rolling.pivots < cold / 2


def test_another_request_than_the_last_is_solved_all_the_same() -> None:
    rolling = RollingPlan()
    for asked in (
        portfolio(1, 2, "", count=48),
        portfolio(2, 3, "", count=24),
        request(site(import_kw_max=np.full(8, 250.0))),
        request(site(buy_price=np.full(8, -2.0))),
        portfolio(1, 2, "", count=48),
    ):
        assert rolling.step(asked).objective_micro == pytest.approx(solve(asked).objective_micro, rel=1e-8)
    with pytest.raises(Refused) as refused:
        rolling.step(portfolio(1, 2, "r", count=24))
    assert refused.value.code == "plan_coupled"
