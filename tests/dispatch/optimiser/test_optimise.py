"""Whatever a request couples, the way that fits it gives the same optimum."""

from __future__ import annotations

import msgspec
import pytest

from dispatch.optimiser.decomposition import Goal
from dispatch.optimiser.objective import Objective
from dispatch.optimiser.optimise import optimise
from dispatch.optimiser.rules import Rules
from dispatch.optimiser.solve import solve
from tests.dispatch.optimiser.plan_limits import broken
from tests.dispatch.optimiser.synthetic import portfolio


def test_every_way_is_as_good_as_the_whole() -> None:
    apart = portfolio(3, 12, "", count=24)
    coupled = portfolio(3, 2, "rds", count=16)
    for asked in (
        apart,
        coupled,
        msgspec.structs.replace(coupled, rules=Rules(spot_scope="interval")),
        msgspec.structs.replace(coupled, objective=Objective(order=("cost", "revenue"))),
    ):
        found, best = optimise(asked, Goal(gap=1e-5)), solve(asked)
        assert found.objective_micro == pytest.approx(best.objective_micro, rel=2e-5)
        assert broken(asked, found) == ()


def test_without_time_the_markets_are_left_alone() -> None:
    asked = portfolio(3, 2, "rds", count=24)
    held = msgspec.structs.replace(asked.sites[0], spot_mode="held", spot=True)
    asked = msgspec.structs.replace(asked, sites=(held, asked.sites[1]), rules=Rules(spot_scope="interval"))
    plan = optimise(asked, seconds=1e-9)
    assert plan.status == "stopped"
    assert plan.reason == "no plan with markets in the time given"
    assert not plan.sites[0].setpoint_w.any(), "its month is settled at spot"
    assert plan.sites[1].setpoint_w.any()
    assert not plan.regulation_w.any()
    assert plan.bound_micro < plan.objective_micro
    assert broken(asked, plan) == ()


def test_a_plan_out_of_time_is_a_plan_and_says_so() -> None:
    asked = portfolio(3, 6, "rds", count=96)
    whole = msgspec.structs.replace(asked, rules=Rules(spot_scope="interval"))
    plan = optimise(whole, seconds=0.6)
    assert plan.status == "stopped"
    assert plan.gap_ppm > 0
    assert plan.bound_micro < plan.objective_micro
    assert broken(whole, plan) == ()
