"""A portfolio taken apart gives a plan that sites can follow, and a bound that no plan undercuts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np
import pytest

from dispatch.optimiser.decomposition import Goal, decompose, decomposes
from dispatch.optimiser.objective import Objective
from dispatch.optimiser.rules import Rules
from dispatch.optimiser.solve import solve
from ledger.refusal import Refused
from tests.dispatch.optimiser.plan_limits import broken
from tests.dispatch.optimiser.shared_instance import request_of
from tests.dispatch.optimiser.small_site import request, site, storage
from tests.dispatch.optimiser.synthetic import portfolio

TIGHT = Goal(gap=1e-5)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_bound_lies_below_the_optimum_and_the_plan_above(seed: int) -> None:
    asked = portfolio(seed, 3, "rds", count=24)
    best, found = solve(asked), decompose(asked, TIGHT)
    tolerance = max(5, abs(best.objective_micro) // 500_000)
    assert found.bound_micro <= best.objective_micro + tolerance
    assert found.objective_micro >= best.objective_micro - tolerance
    assert found.objective_micro <= best.objective_micro * 1.01
    assert broken(asked, found) == ()


def test_one_stream_at_a_time_it_is_the_optimum() -> None:
    for streams in ("r", "d", "s"):
        asked = portfolio(6, 3, streams, count=24)
        best, found = solve(asked), decompose(asked, TIGHT)
        assert found.objective_micro == pytest.approx(best.objective_micro, rel=2e-3), streams
        assert broken(asked, found) == ()


def test_twenty_sites_within_the_gap() -> None:
    asked = request_of("N20T96s0", "rds", integer=True)
    plan = decompose(asked)
    assert plan.status == "within_gap"
    assert plan.gap_ppm <= 500
    assert plan.bound_micro >= 255_477_124_500, "the relaxed optimum is a weaker bound"
    assert broken(asked, plan) == ()
    worth = plan.cost_micro - plan.revenue_micro
    assert worth == pytest.approx(plan.objective_micro, abs=20 * 100_000), "0.1 a site for whole W"


def test_threads_and_a_sample_change_nothing_that_matters() -> None:
    asked = portfolio(4, 310, "r", count=24)
    with ThreadPoolExecutor(2) as pool:
        plan = decompose(asked, Goal(), pool.map)
    assert plan.status == "within_gap"
    assert plan.gap_ppm <= 500
    assert broken(asked, plan) == ()


def test_a_site_that_cannot_respond_or_trade_does_not() -> None:
    none = np.zeros(8)
    unable = site(8, storage(8, availability=none), id="S1", baseline_kw=np.array([100.0, 100.0]), spot=True)
    able = site(8, id="S2", baseline_kw=np.array([300.0, 300.0]))
    terms = portfolio(1, 1, "ds", count=24)
    assert terms.response is not None
    assert terms.spot is not None
    slots = np.array([6, 7])
    few = {"slot": slots, "price": np.full(2, 3.0), "shortfall_price": np.full(2, 4.5), "kw_min": 1.0}
    response = msgspec.structs.replace(terms.response, **few)
    spot = msgspec.structs.replace(terms.spot, price=np.full(8, 0.4), kw_max=50.0)
    asked = request(unable, able, response=response, spot=spot)
    plan = decompose(asked, TIGHT)
    assert plan.of("S1").response_w.tolist() == [0, 0]
    assert plan.of("S2").response_w.min() > 0
    assert plan.objective_micro == pytest.approx(solve(asked).objective_micro, rel=1e-5)


def test_what_does_not_come_apart_is_refused() -> None:
    asked = portfolio(1, 2, "rs", count=24)
    assert decomposes(asked)
    for other in (
        msgspec.structs.replace(asked, rules=Rules(spot_scope="interval")),
        msgspec.structs.replace(asked, rules=Rules(regulation_alone=True)),
        msgspec.structs.replace(asked, objective=Objective(order=("cost",))),
        msgspec.structs.replace(asked, integer=False),
    ):
        with pytest.raises(Refused) as refused:
            decompose(other)
        assert refused.value.code == "plan_whole"
