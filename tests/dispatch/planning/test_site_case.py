"""What a site's storage should hold at the end counts as far as it can be held."""

from __future__ import annotations

import numpy as np
from msgspec import structs

from dispatch.planning.site_case import SiteCase
from tests.dispatch.planning.test_choice import case, solved

NONE = np.zeros(8, dtype=np.int64)


def should_hold(end_wh: int, one: SiteCase) -> SiteCase:
    return structs.replace(one, end_wh=end_wh)


def test_a_lost_storage_is_asked_to_hold_what_it_holds() -> None:
    lost = should_hold(150_000, case(charge_w_max=NONE, discharge_w_max=NONE, start_wh=50_000))
    assert lost.to_optimise().storage.end_kwh == 50.0
    assert solved(lost).objective_micro == solved(should_hold(0, lost)).objective_micro
    assert solved(lost).reason == ""


def test_the_others_are_planned_and_valued_as_without_it() -> None:
    lost = should_hold(150_000, case("a", charge_w_max=NONE, discharge_w_max=NONE, start_wh=50_000))
    other = should_hold(60_000, case("b"))
    both, alone = solved(lost, other), solved(other)
    assert both.of("b").setpoint_w.tolist() == alone.of("b").setpoint_w.tolist()
    assert both.objective_micro - solved(lost).objective_micro == alone.objective_micro


def test_what_can_be_charged_by_the_end_is_asked_for() -> None:
    """One hour of 100 kW brings 90 of the 150 kWh; all of it is charged, and nothing of it given back."""
    hour = NONE.copy()
    hour[2] = 100_000
    one = should_hold(150_000, case(charge_w_max=hour, start_wh=10_000))
    assert one.to_optimise().storage.end_kwh == 100.0
    assert solved(one).of("a").setpoint_w.tolist() == [0, 0, -100_000, 0, 0, 0, 0, 0]
    assert should_hold(80_000, one).to_optimise().storage.end_kwh == 80.0


def test_a_storage_below_its_floor_is_asked_for_no_less_than_before() -> None:
    low = case(charge_w_max=NONE, discharge_w_max=NONE, start_wh=10_000, floor_wh=np.full(8, 50_000))
    assert should_hold(150_000, low).to_optimise().storage.end_kwh == 10.0
