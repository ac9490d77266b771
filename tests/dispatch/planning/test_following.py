"""Whatever is wished, what follows passes the plan check wherever any setpoint could; written apart from
it."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from dispatch.plan_check import Markets, SiteLimits, check_site
from dispatch.planning.following import follow


def limits(count: int = 8, **given: object) -> SiteLimits:
    usual = SiteLimits(
        id="site",
        interval_s=900,
        load_w=np.full(count, 300_000),
        pv_w=np.zeros(count, dtype=np.int64),
        import_w_max=np.full(count, 10**6),
        export_w_max=np.zeros(count, dtype=np.int64),
        charge_w_max=np.full(count, 100_000),
        discharge_w_max=np.full(count, 100_000),
        floor_wh=np.full(count, 20_000),
        ceiling_wh=200_000,
        start_wh=100_000,
        charge_efficiency_ppm=950_000,
        discharge_efficiency_ppm=940_000,
    )
    return structs.replace(usual, **given)


def test_a_wish_that_fits_is_kept() -> None:
    wish = np.array([100_000, -50_000, 0, 1, -1, 30_000, 0, 7], dtype=np.int64)
    assert follow(limits(), wish).setpoint_w.tolist() == wish.tolist()


def test_stored_energy_ends_a_discharge_at_the_floor_by_hand() -> None:
    # 80 kWh above the floor give 75.2 kWh at the meter: three quarter-hours of 25 kWh and one of 0.2 kWh.
    done = follow(limits(), np.full(8, 100_000))
    assert done.setpoint_w.tolist() == [100_000, 100_000, 100_000, 800, 0, 0, 0, 0]
    assert done.stored_wh[3] == 20_001, "3 mWh are left by rounding"


def test_a_storage_below_its_floor_does_not_discharge() -> None:
    low = limits(start_wh=10_000)
    assert follow(low, np.full(8, 100_000)).setpoint_w.max() == 0
    assert follow(low, np.full(8, -100_000)).setpoint_w[0] == -100_000


def test_what_the_horizon_may_use_is_not_exceeded() -> None:
    done = follow(limits(discharge_wh_max=(10_000,)), np.full(8, 100_000))
    assert done.setpoint_w.sum() * 900 / 3600 <= 9_400


def test_import_limit_wins_over_ramp_and_wish() -> None:
    tight = limits(import_w_max=np.full(8, 250_000), ramp_w=10_000)
    assert follow(tight, np.full(8, -100_000)).setpoint_w[0] == 50_000


def test_pv_that_may_not_be_exported_is_curtailed() -> None:
    sunny = limits(pv_w=np.full(8, 500_000), start_wh=200_000)
    done = follow(sunny, np.zeros(8, dtype=np.int64))
    assert done.curtailed_w.tolist() == [200_000] * 8
    assert not check_site(sunny, Markets(), done)


@settings(max_examples=300)
@given(
    st.lists(st.integers(-200_000, 200_000), min_size=8, max_size=8),
    st.lists(st.integers(0, 150_000), min_size=8, max_size=8),
    st.integers(20_000, 200_000),
    st.one_of(st.none(), st.integers(1_000, 300_000)),
    st.one_of(st.none(), st.integers(0, 200_000)),
    st.integers(0, 500),
)
def test_what_follows_can_be_commanded(
    wish: list[int], load: list[int], start: int, ramp: int | None, used: int | None, loss: int
) -> None:
    case = limits(
        load_w=np.array(load),
        start_wh=start,
        ramp_w=ramp,
        discharge_wh_max=None if used is None else (used, used // 2),
        day=np.array([0] * 5 + [1] * 3),
        loss_ppm=loss,
        floor_wh=np.zeros(8, dtype=np.int64),
    )
    done = follow(case, np.array(wish))
    # Where ramp and energy or export ask for different things, the ramp yields.
    assert {found.rule for found in check_site(case, Markets(), done)} <= {"ramp"}
    if ramp is None:
        assert not check_site(case, Markets(), done)
