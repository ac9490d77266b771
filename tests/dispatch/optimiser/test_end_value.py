"""What stays stored at the end is worth no more than what it costs to buy again, where it can be bought."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from dispatch.optimiser.decomposition import decompose
from dispatch.optimiser.market_terms import Spot
from dispatch.optimiser.objective import Objective
from dispatch.optimiser.optimise import optimise, without_markets
from dispatch.optimiser.plan import Plan
from dispatch.optimiser.reference import reference_objective
from dispatch.optimiser.request import PlanRequest
from dispatch.optimiser.rules import Rules
from dispatch.optimiser.site import Site
from dispatch.optimiser.solve import solve
from tests.dispatch.optimiser.small_site import request, site, storage

DAY = np.array([0.10, 0.05, 0.30, 0.30, 0.20, 0.15, 0.45, 0.40])
"""Spot: a top at night's end, a dip, and the day's top at the end; every price is below the tariff."""
RETAIL = np.full(8, 0.75)
FREE = Spot(price=DAY, kw_max=1000.0)


def alone(count: int = 8, **given: Any) -> Site:
    """A storage without any load, that trades."""
    fields: dict[str, Any] = {
        "load_kw": np.zeros(count), "buy_price": np.full(count, 0.75), "spot": True,
        "export_kw_max": np.full(count, 1000.0),
    }  # fmt: skip
    return site(count, **(fields | given))


def factory(**given: Any) -> Site:
    """The same behind a meter whose load could use every kWh."""
    return site(8, buy_price=RETAIL, spot=True, export_kw_max=np.full(8, 1000.0), **given)


def earned(plan: Plan) -> float:
    return sum(one.spot_micro for one in plan.sites) / 1e6


def both(asked: PlanRequest) -> Plan:
    """The plan, which costs what the readable model says."""
    plan = optimise(asked)
    assert plan.objective_micro / 1e6 == pytest.approx(reference_objective(asked), rel=1e-6, abs=1e-4)
    worth = (plan.cost_micro - plan.revenue_micro) / 1e6
    assert worth == pytest.approx(plan.objective_micro / 1e6, abs=0.1)
    return plan


@pytest.mark.parametrize("start_kwh", [0.0, 200.0])
def test_a_storage_at_spot_sells_the_days_top_and_ends_empty(start_kwh: float) -> None:
    """200 kWh bought by 05:00 give 180 at 0.45 and 0.40. At the tariff, 0.75 a kWh, it would stay full."""
    plan = both(request(alone(stored=storage(8, start_kwh=start_kwh)), spot=FREE))
    (found,) = plan.sites
    assert found.stored_wh[-1] <= 1
    assert found.setpoint_w[6:].sum() >= 179_990
    assert earned(plan) > 60.0 - 200.0 / 0.9 * 0.2


def test_what_must_stay_stays() -> None:
    stored = storage(8, start_kwh=60.0, end_kwh=60.0)
    (found,) = both(request(alone(stored=stored), spot=FREE)).sites
    assert found.stored_wh[-1] == pytest.approx(60_000, abs=1)


def test_who_stands_still_is_counted_as_is_better() -> None:
    """90 kWh that come out again, at 0.20: at spot, for behind its meter nothing could use them."""
    stored = storage(8, start_kwh=100.0, wear_price=0.5)
    plan = both(request(alone(stored=stored), spot=Spot(price=np.full(8, 0.2), kw_max=1000.0)))
    assert not plan.sites[0].setpoint_w.any()
    assert plan.sites[0].end_micro == 18_000_000


def test_over_seven_days_it_is_the_horizons_cheapest_hour() -> None:
    """A week of the same prices: the last day ends like a day alone, and no day's dip fills what stays."""
    asked = request(alone(56), spot=Spot(price=np.tile(DAY, 7), kw_max=1000.0))
    (found,) = both(asked).sites
    assert found.stored_wh[-1] <= 1


def test_what_is_left_of_an_evening_is_sold_at_its_top_alone() -> None:
    """A rolling plan of four hours: what is stored is worth its cheapest hour, 0.15, and is sold above it."""
    price = np.array([0.15, 0.45, 0.20, 0.15])
    stored = storage(4, start_kwh=200.0, wear_price=0.02)
    (found,) = both(request(alone(4, stored=stored), spot=Spot(price=price, kw_max=1000.0))).sites
    assert found.setpoint_w.tolist() == pytest.approx([0, 100_000, 80_000, 0], abs=1)


def test_prices_below_nothing_leave_it_worth_nothing() -> None:
    """Energy that is paid for when it is taken is not kept for tomorrow's sake; nor is it given away."""
    stored = storage(4, start_kwh=100.0, wear_price=0.5)
    spot = Spot(price=np.array([-0.2, 0.1, -0.1, 0.1]), kw_max=1000.0)
    plan = both(request(alone(4, stored=stored), spot=spot))
    assert plan.sites[0].end_micro == 0


def test_behind_a_meter_it_is_worth_the_tariff_and_at_spot_the_spot_price() -> None:
    """A load that could use a retail kWh does not while its storage is at spot for the whole horizon."""
    held = both(request(factory(spot_mode="held"), spot=FREE)).sites[0]
    assert held.stored_wh[-1] <= 1
    flat = Spot(price=np.full(8, 0.05), kw_max=1000.0)
    kept = both(request(factory(stored=storage(8, start_kwh=150.0)), spot=flat)).sites[0]
    assert not kept.spot_w.any()
    dear = both(request(factory(stored=storage(8, wear_price=0.01)), spot=FREE)).sites[0]
    assert dear.spot_w.any()
    assert dear.stored_wh[-1] <= 1


def test_pv_is_kept_for_tomorrow_where_the_storage_stays_behind_its_meter() -> None:
    pv = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 350.0, 350.0])
    asked = request(factory(pv_kw=pv, stored=storage(8)), spot=Spot(price=np.full(8, 0.02), kw_max=1000.0))
    found = both(asked).sites[0]
    assert found.stored_wh[-1] == pytest.approx(90_000, abs=2)


def test_by_interval_it_can_be_bought_again_at_spot() -> None:
    """0.05 at spot, 0.75 at the tariff: nothing is bought at the end only to stay."""
    price = np.array([0.10, 0.05, 0.30, 0.30, 0.20, 0.15, 0.45, 0.06])
    asked = request(factory(), spot=Spot(price=price, kw_max=1000.0), rules=Rules(spot_scope="interval"))
    plan = solve(asked)
    assert plan.objective_micro / 1e6 == pytest.approx(reference_objective(asked), rel=1e-6, abs=1e-4)
    assert plan.sites[0].stored_wh[-1] <= 1


@pytest.mark.parametrize("weights", [{"cost": 1.0, "revenue": 0.3}, {"cost": 1.0}, {"revenue": 1.0}])
def test_nothing_is_bought_to_stay_where_revenue_counts_less(weights: dict[Any, float]) -> None:
    """Where money at spot counts 0.3 of a bill's, so does what stays stored."""
    stored = storage(8, wear_price=0.02)
    asked = request(alone(stored=stored), spot=FREE, objective=Objective(weights=weights))
    plan = optimise(asked)
    assert plan.objective_micro / 1e6 == pytest.approx(reference_objective(asked), rel=1e-6, abs=1e-4)
    assert plan.sites[0].stored_wh[-1] <= 1
    light = request(alone(stored=stored, weights={"spot": 0.3}), spot=FREE)
    assert optimise(light).sites[0].stored_wh[-1] <= 1


def test_a_portfolio_taken_apart_is_the_same() -> None:
    sites = (
        alone(id="S1"),
        factory(id="S2"),
        msgspec.structs.replace(factory(id="S3"), spot=False),
        alone(id="S4", spot_mode="held", stored=storage(8, start_kwh=120.0)),
    )
    asked = request(*sites, spot=Spot(price=DAY, kw_max=150.0))
    whole, apart = solve(asked), decompose(asked)
    assert whole.objective_micro / 1e6 == pytest.approx(reference_objective(asked), rel=1e-6, abs=1e-4)
    assert apart.objective_micro == pytest.approx(whole.objective_micro, rel=2e-3)
    for plan in (whole, apart):
        worth = plan.cost_micro - plan.revenue_micro
        assert worth / 1e6 == pytest.approx(plan.objective_micro / 1e6, abs=0.4)


def test_without_its_market_a_storage_keeps_what_it_has() -> None:
    """The gate is closed, or no time is left: nothing is given away at a price of 0."""
    plan = without_markets(request(alone(stored=storage(8, start_kwh=120.0)), spot=FREE))
    assert not plan.sites[0].setpoint_w.any()
