"""The guard keeps the billed mean under its target while power and energy allow, and never more than both."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from dispatch.planning.guard import Billed, Guarded, GuardLimits, guard
from ledger.refusal import Refused

LIMITS = GuardLimits(
    interval_s=900,
    target_w=500_000,
    charge_w_max=100_000,
    discharge_w_max=100_000,
    floor_wh=20_000,
    ceiling_wh=200_000,
    charge_efficiency_ppm=950_000,
    discharge_efficiency_ppm=940_000,
)
NEW = Billed()
_PPM = 10**6


def test_a_wish_that_harms_nothing_is_kept() -> None:
    assert guard(LIMITS, NEW, 30_000, 400_000, 100_000) == Guarded(30_000, "plan")
    assert guard(LIMITS, NEW, -100_000, 400_000, 100_000) == Guarded(-100_000, "plan")


def test_charging_is_cut_before_anything_is_discharged() -> None:
    assert guard(LIMITS, NEW, -100_000, 450_000, 100_000) == Guarded(-50_000, "charge_cut")
    assert guard(LIMITS, NEW, -100_000, 560_000, 100_000) == Guarded(60_000, "peak")


def test_what_the_interval_may_still_import_is_spread_over_its_rest() -> None:
    # Ten minutes at 300 kW leave 900 x 500 - 600 x 300 = 270,000 kWs for 300 s: 900 kW.
    low = NEW.after(300_000, 600)
    assert guard(LIMITS, low, 0, 800_000, 100_000) == Guarded(0, "plan")
    # Ten minutes at 540 kW leave 126,000 kWs: 420 kW.
    high = NEW.after(540_000, 600)
    assert guard(LIMITS, high, 0, 500_000, 100_000) == Guarded(80_000, "peak")


def test_nothing_flows_back_and_a_surplus_is_stored() -> None:
    assert guard(LIMITS, NEW, 90_000, 20_000, 100_000) == Guarded(20_000, "reverse_flow")
    assert guard(LIMITS, NEW, 0, -70_000, 100_000) == Guarded(-70_000, "reverse_flow")
    may = structs.replace(LIMITS, export_w_max=50_000)
    assert guard(may, NEW, 90_000, 20_000, 100_000) == Guarded(70_000, "reverse_flow")


def test_a_target_that_is_lost_does_not_make_the_site_export() -> None:
    lost = NEW.after(900_000, 600)
    assert guard(LIMITS, lost, 0, 60_000, 100_000) == Guarded(60_000, "peak")


def test_stored_energy_and_power_win_over_the_target() -> None:
    assert guard(LIMITS, NEW, 0, 700_000, 100_000) == Guarded(100_000, "power")
    assert guard(LIMITS, NEW, 0, 590_000, 20_000) == Guarded(0, "stored_energy")
    # 10 Wh above the floor are 9.4 Wh at the meter, for 60 s 564 W.
    assert guard(LIMITS, NEW, 0, 590_000, 20_010, 60) == Guarded(564, "stored_energy")
    assert guard(LIMITS, NEW, -100_000, 0, 200_000) == Guarded(0, "stored_energy")
    # 9.5 Wh of room take 10 Wh: 10 Wh of room in 60 s 631 W.
    assert guard(LIMITS, NEW, -100_000, 0, 199_990, 60) == Guarded(-631, "stored_energy")


def test_a_step_lies_within_its_interval() -> None:
    for step in (0, 2):
        with pytest.raises(Refused) as refused:
            guard(LIMITS, NEW.after(1, 899), 0, 0, 100_000, step)
        assert refused.value.code == "guard_step"


@pytest.mark.parametrize(
    ("place", "value"),
    [("interval_s", 0), ("target_w", -1), ("ceiling_wh", 1), ("charge_efficiency_ppm", 0)],
)
def test_limits_that_cannot_be_are_refused(place: str, value: int) -> None:
    with pytest.raises(Refused) as refused:
        structs.replace(LIMITS, **{place: value})
    assert (refused.value.code, refused.value.place) == ("guard_limits", place)


SHORT = structs.replace(LIMITS, interval_s=40, floor_wh=0, ceiling_wh=900)
_SECONDS = st.lists(
    st.tuples(st.integers(-200_000, 900_000), st.integers(-150_000, 150_000)), min_size=40, max_size=40
)


def _taken(setpoint_w: int) -> int:
    """Out of the cells in a second, in 10^-6 Ws; below 0 charged."""
    if setpoint_w < 0:
        return setpoint_w * LIMITS.charge_efficiency_ppm
    return -(-setpoint_w * _PPM * _PPM // LIMITS.discharge_efficiency_ppm)


@settings(derandomize=True, max_examples=60)
@given(_SECONDS, st.integers(0, 900))
def test_no_second_goes_beyond_power_energy_or_the_meter(
    seconds: list[tuple[int, int]], stored_wh: int
) -> None:
    billed, stored = NEW, stored_wh * 3600 * _PPM
    for behind, wish in seconds:
        shown = stored // (3600 * _PPM)
        done = guard(SHORT, billed, wish, behind, shown)
        assert isinstance(done.setpoint_w, int)
        assert -100_000 <= done.setpoint_w <= 100_000
        stored -= _taken(done.setpoint_w)
        assert 0 <= stored <= 901 * 3600 * _PPM, "whole Wh are shown, rounded down"
        if behind >= 0 or (shown < 850 and behind > -100_000):
            assert behind - done.setpoint_w >= 0
        billed = billed.after(behind - done.setpoint_w)
    assert billed.elapsed_s == 40


@settings(derandomize=True, max_examples=60)
@given(_SECONDS, st.integers(100, 900))
def test_the_mean_is_above_its_target_only_when_all_was_given(
    seconds: list[tuple[int, int]], stored_wh: int
) -> None:
    """Whatever the load: a missed target means that the last second gave all that there was to give."""
    billed, stored, last_gave_all = NEW, stored_wh * 3600 * _PPM, False
    for behind, wish in seconds:
        shown = stored // (3600 * _PPM)
        done = guard(SHORT, billed, wish, behind, shown)
        most = min(100_000, shown * 3600 * LIMITS.discharge_efficiency_ppm // _PPM)
        last_gave_all = done.setpoint_w >= min(most, max(behind, -100_000))
        stored -= _taken(done.setpoint_w)
        billed = billed.after(behind - done.setpoint_w)
    if billed.import_ws > SHORT.target_w * SHORT.interval_s:
        assert last_gave_all


@settings(derandomize=True, max_examples=200)
@given(
    st.integers(0, 800_000), st.integers(0, 2_000), st.integers(-150_000, 150_000), st.sampled_from([1, 2, 4])
)
def test_an_even_load_is_held_exactly_when_power_and_energy_suffice(
    load: int, stored_wh: int, wish: int, hold: int
) -> None:
    """Oracle: load above the target is what the cells must give for the whole interval."""
    limits = structs.replace(SHORT, ceiling_wh=2_000)
    billed, stored = NEW, stored_wh * 3600 * _PPM
    for _ in range(40 // hold):
        done = guard(limits, billed, min(wish, 0), load, stored // (3600 * _PPM), hold)
        stored -= _taken(done.setpoint_w) * hold
        billed = billed.after(load - done.setpoint_w, hold)
    assert billed.elapsed_s == 40
    above = load - limits.target_w
    wanted_wh = above * 40 * _PPM / (LIMITS.discharge_efficiency_ppm * 3600)
    reserve_for_a_step = 100_000 * hold / 3600 + 2
    if above <= 100_000 and stored_wh >= wanted_wh + reserve_for_a_step:
        assert billed.import_ws <= limits.target_w * 40
    if above > 100_000:
        assert billed.import_ws > limits.target_w * 40
