"""What a plan cannot be asked for is refused, with the site and the place."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from dispatch.optimiser.objective import Objective
from dispatch.optimiser.request import PlanRequest
from ledger.refusal import Refused
from tests.dispatch.optimiser.small_site import request, site, storage
from tests.dispatch.optimiser.synthetic import portfolio

replace = msgspec.structs.replace


def series(*changed: float) -> np.ndarray:
    found = np.ones(8)
    found[3 : 3 + len(changed)] = changed
    return found


@pytest.mark.parametrize(
    ("given", "code", "place"),
    [
        ({"load_kw": series(np.nan)}, "series_value", "sites.S1.load_kw[3]"),
        ({"load_kw": np.ones(0)}, "series_shape", "sites.S1.load_kw"),
        ({"pv_kw": series(-1.0)}, "series_value", "sites.S1.pv_kw[3]"),
        ({"pv_kw": np.ones(7)}, "series_shape", "sites.S1.pv_kw"),
        ({"buy_price": np.ones(8, dtype=np.int64)}, "series_shape", "sites.S1.buy_price"),
        ({"sell_price": series(np.inf)}, "series_value", "sites.S1.sell_price[3]"),
        ({"import_kw_max": series(-0.1)}, "series_value", "sites.S1.import_kw_max[3]"),
        ({"peak_kw": -1.0}, "series_value", "sites.S1.peak_kw"),
        ({"peak_price": float("nan")}, "series_value", "sites.S1.peak_price"),
        ({"regulation_kw_max": 101.0}, "series_value", "sites.S1.regulation_kw_max"),
        ({"baseline_kw": series(np.nan)}, "series_value", "sites.S1.baseline_kw[3]"),
        ({"spot_mode": "always"}, "not_allowed", "sites.S1.spot_mode"),
        ({"barred": frozenset(["arbitrage"])}, "not_allowed", "sites.S1.arbitrage"),
        ({"weights": {"spot": -1.0}}, "series_value", "sites.S1.weights.spot"),
        ({"id": "S 1"}, "id", "id"),
    ],
)
def test_a_site_names_what_is_wrong(given: dict[str, Any], code: str, place: str) -> None:
    with pytest.raises(Refused) as refused:
        site(8, **given)
    assert (refused.value.code, refused.value.place) == (code, place)


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"charge_kw": 0.0}, "storage_capacity", "charge_kw"),
        ({"ceiling_kwh": 0.0}, "storage_capacity", "ceiling_kwh"),
        ({"start_kwh": 201.0}, "stored_energy_limits", "start_kwh"),
        ({"floor_kwh": 20.0, "start_kwh": 19.0}, "stored_energy_limits", "start_kwh"),
        ({"end_kwh": 300.0}, "stored_energy_limits", "end_kwh"),
        ({"charge_efficiency": 0.0}, "series_value", "charge_efficiency"),
        ({"discharge_efficiency": 1.01}, "series_value", "discharge_efficiency"),
        ({"leased_kw": 101.0}, "series_value", "leased_kw"),
        ({"ramp_kw": -1.0}, "series_value", "ramp_kw"),
        ({"wear_price": float("nan")}, "series_value", "wear_price"),
        ({"start_setpoint_kw": -101.0}, "series_value", "start_setpoint_kw"),
        ({"availability": series(1.1)}, "series_value", "availability[3]"),
        ({"reserve_kwh": series(201.0)}, "series_value", "reserve_kwh[3]"),
    ],
)
def test_a_storage_names_what_is_wrong(given: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(Refused) as refused:
        site(8, storage(8, **given))
    assert (refused.value.code, refused.value.place) == (code, f"sites.S1.storage.{field}")


def refused_request(**given: Any) -> tuple[str, str]:
    asked: PlanRequest = portfolio(1, 2, "rds", count=24)
    with pytest.raises(Refused) as refused:
        replace(asked, **given)
    return refused.value.code, refused.value.place


def test_a_request_names_what_is_wrong() -> None:
    asked = portfolio(1, 2, "rds", count=24)
    assert asked.regulation is not None
    assert asked.response is not None
    assert asked.spot is not None
    two = (asked.sites[0], asked.sites[0])
    other = portfolio(1, 1, "rds", count=48).sites[0]
    block = asked.regulation.block.copy()
    block[5] = 7
    slot = asked.response.slot
    assert refused_request(sites=()) == ("plan_sites", "sites")
    assert refused_request(sites=two) == ("plan_sites", "sites.S1")
    assert refused_request(sites=(asked.sites[1], other)) == ("series_shape", "sites.S1.load_kw")
    assert refused_request(interval_h=0.0) == ("series_value", "interval_h")
    wrong = replace(asked.regulation, block=block)
    assert refused_request(regulation=wrong) == ("regulation_block", "regulation.block")
    wrong = replace(asked.regulation, price=np.ones(5))
    assert refused_request(regulation=wrong) == ("series_shape", "regulation.price")
    late = replace(asked.response, slot=slot + 22)
    assert refused_request(response=late) == ("response_slot", "response.slot")
    low = replace(asked.response, kw_max=asked.response.kw_min - 1)
    assert refused_request(response=low) == ("series_value", "response.kw_max")
    few = replace(asked.response, slot=slot[:1], price=np.ones(1), shortfall_price=np.ones(1))
    assert refused_request(response=few) == ("series_shape", "sites.S1.baseline_kw")
    assert refused_request(spot=replace(asked.spot, price=np.ones(3))) == ("series_shape", "spot.price")
    assert refused_request(objective=Objective(support=np.ones(3))) == ("series_shape", "objective.support")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"weights": {"profit": 1.0}}, "not_allowed"),
        ({"weights": {"cost": 0.0}}, "objective"),
        ({"order": ("cost", "cost")}, "objective"),
        ({"order": ("cost", "grid_support")}, "objective"),
        ({"weights": {"cost": -1.0}}, "series_value"),
    ],
)
def test_an_objective_names_what_is_wrong(given: dict[str, Any], code: str) -> None:
    with pytest.raises(Refused) as refused:
        Objective(**given)
    assert refused.value.code == code


def test_negative_prices_and_read_only_series() -> None:
    asked = site(8, buy_price=np.full(8, -0.5), sell_price=np.full(8, -0.6))
    with pytest.raises(ValueError, match="read-only"):
        asked.buy_price[0] = 1.0
    assert request(asked).count == 8
