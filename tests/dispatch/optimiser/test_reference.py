"""The arrays and the readable model are the same model: equal optima on shared and random requests."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.optimiser.objective import Objective
from dispatch.optimiser.reference import reference_objective
from dispatch.optimiser.request import PlanRequest
from dispatch.optimiser.rules import Rules
from dispatch.optimiser.site import Site
from dispatch.optimiser.solve import solve
from tests.dispatch.optimiser.shared_instance import request_of
from tests.dispatch.optimiser.small_site import request, site
from tests.dispatch.optimiser.synthetic import portfolio

replace = msgspec.structs.replace


def assert_same(asked: PlanRequest) -> None:
    expected = reference_objective(asked)
    assert solve(asked).objective_micro / 1e6 == pytest.approx(expected, rel=1e-6, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "streams", "integer"),
    [("N1T96s0", "", True), ("N1T96s1", "rds", False), ("N1T96s0", "rd", True), ("N1T96s1", "s", True)],
)
def test_they_agree_on_the_shared_instances(name: str, streams: str, integer: bool) -> None:
    assert_same(request_of(name, streams, integer=integer))


def _varied(found: Site, draw: np.random.Generator) -> Site:
    """Anything a site may have that the drawn portfolios have not."""
    count = found.count
    used = found.storage.discharge_kw
    stored = replace(
        found.storage,
        availability=draw.choice([0.0, 0.5, 1.0], count, p=[0.05, 0.15, 0.8]),
        discharge_availability=draw.choice([0.0, 0.4, 1.0], count) if draw.random() < 0.5 else None,
        reserve_kwh=draw.choice([0.0, 0.1], count) * found.storage.discharge_kw,
        leased_kw=float(draw.choice([0.0, 0.2])) * found.storage.discharge_kw,
        ramp_kw=None if draw.random() < 0.5 else 0.7 * found.storage.discharge_kw,
        start_kwh=found.storage.ceiling_kwh * draw.uniform(0.6, 0.9),
        discharge_kwh_max=None if draw.random() < 0.5 else (used, 0.4 * used),
        day=(np.arange(count) >= count // 3).astype(np.int64),
    )
    dips = np.where(draw.random(count) < 0.1, -1.5, 1.0)
    return replace(
        found,
        storage=stored,
        buy_price=found.buy_price * dips,
        sell_price=found.sell_price * dips,
        peak_price=float(draw.choice([0.0, 40.0])),
        spot_mode=str(draw.choice(["free", "free", "barred"])),
        weights={"ancillary": 1.5, "spot": 0.8, "demand_response": 0.9} if draw.random() < 0.3 else {},
    )


@settings(derandomize=True, max_examples=14, deadline=None, database=None)
@given(
    seed=st.integers(0, 10_000),
    streams=st.sampled_from(["", "r", "d", "s", "rd", "rs", "ds", "rds"]),
    interval=st.booleans(),
    alone=st.booleans(),
    integer=st.booleans(),
)
def test_they_agree_on_random_requests(
    seed: int, streams: str, interval: bool, alone: bool, integer: bool
) -> None:
    asked = portfolio(seed, 2, streams, count=24, integer=integer)
    draw = np.random.default_rng(seed)
    sites = tuple(_varied(one, draw) for one in asked.sites)
    rules = Rules(spot_scope="interval" if interval else "horizon", regulation_alone=alone)
    weights = Objective(weights={"cost": 1.0, "revenue": 1.2, "grid_support": 0.1}, support=np.ones(24) / 2)
    assert_same(replace(asked, sites=sites, rules=rules, objective=weights if seed % 2 else Objective()))


def test_the_reference_says_what_it_does_not_do() -> None:
    with pytest.raises(ValueError, match="one weighted sum"):
        reference_objective(request(site(), objective=Objective(order=("cost",))))
    with pytest.raises(ValueError, match="no plan"):
        reference_objective(request(site(import_kw_max=np.full(8, 10.0))))
