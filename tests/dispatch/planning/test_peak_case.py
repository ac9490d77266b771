"""A case with target and reserve: the plan keeps what the guard will need, and sells the rest late."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec import structs

from dispatch.optimiser.request import PlanRequest
from dispatch.optimiser.solve import solve
from dispatch.plan_check import SiteLimits
from dispatch.planning.peak_case import Caution, PeakCase, peak_case, peak_storage
from dispatch.planning.site_case import SiteCase
from ledger.refusal import Refused

COUNT = 16
LIMITS = SiteLimits(
    id="site",
    interval_s=900,
    load_w=np.zeros(COUNT, dtype=np.int64),
    pv_w=np.zeros(COUNT, dtype=np.int64),
    import_w_max=np.full(COUNT, 10**6),
    export_w_max=np.zeros(COUNT, dtype=np.int64),
    charge_w_max=np.full(COUNT, 100_000),
    discharge_w_max=np.full(COUNT, 100_000),
    floor_wh=np.full(COUNT, 20_000),
    ceiling_wh=120_000,
    start_wh=120_000,
    charge_efficiency_ppm=1_000_000,
    discharge_efficiency_ppm=1_000_000,
)
DEAR, FLAT = 1_000_000, 600_000
CASE = SiteCase(
    limits=LIMITS,
    buy_micro=np.array([DEAR] * 8 + [FLAT] * 8),
    sell_micro=np.zeros(COUNT, dtype=np.int64),
    end_wh=20_000,
    peak_w=450_000,
    peak_price_micro=40_000_000,
)
CALM = np.full((9, COUNT), 400_000, dtype=np.int64)


def planned(found: PeakCase) -> np.typing.NDArray[np.int64]:
    plan = solve(PlanRequest(sites=(found.case.to_optimise(),), interval_h=0.25))
    assert plan.status == "optimal"
    return plan.sites[0].setpoint_w


def test_what_no_path_needs_is_sold_as_late_as_it_can_be() -> None:
    found = peak_case(CASE, CALM, 500_000)
    assert found.target_w == 500_000
    assert planned(found)[:8].tolist() == [0] * 4 + [100_000] * 4


def test_a_spike_that_one_path_has_is_kept_energy_for() -> None:
    # One path lies 80 kW above the target for half an hour after the dear hours: 40 kWh.
    spiky = CALM.copy()
    spiky[3, 8:10] = 580_000
    found = peak_case(CASE, spiky, 500_000)
    assert found.case.limits.floor_wh[7] == 60_000
    assert planned(found)[:8].sum() * 0.25 == pytest.approx(60_000, abs=20)
    without = peak_case(CASE, spiky, 500_000, Caution(reserve_permille=500))
    assert planned(without)[:8].sum() * 0.25 == pytest.approx(100_000, abs=20)


def test_the_target_is_the_peak_so_far_or_what_can_be_held() -> None:
    assert peak_case(CASE, CALM, 300_000).target_w == 450_000
    empty = structs.replace(CASE, limits=structs.replace(LIMITS, start_wh=20_000))
    high = np.full((9, COUNT), 700_000, dtype=np.int64)
    assert peak_case(empty, high, 500_000).target_w == 500_000, "it can do nothing, and nothing is lost"
    rising = np.minimum(high, 500_000 + 20_000 * np.arange(COUNT))
    assert peak_case(CASE, rising, 500_000).target_w > 600_000, "it would be empty at the top"


def test_a_reserve_that_cannot_be_reached_leaves_a_plan_possible() -> None:
    empty = structs.replace(CASE, limits=structs.replace(LIMITS, start_wh=20_000))
    spiky = CALM.copy()
    spiky[3, 2:10] = 580_000
    found = peak_case(empty, spiky, 500_000)
    assert (found.case.limits.floor_wh - 20_000).max() > 0
    assert planned(found)[0] == pytest.approx(-100_000, abs=2), "it charges at once, at dear hours too"


def test_a_storage_that_cannot_be_charged_still_holds_a_peak() -> None:
    none = np.zeros(COUNT, dtype=np.int64)
    full = structs.replace(CASE, limits=structs.replace(LIMITS, charge_w_max=none))
    spiky = CALM.copy()
    spiky[3, 8:10] = 580_000
    found = peak_case(full, spiky, 500_000)
    assert (found.target_w, int(found.case.limits.floor_wh[7])) == (500_000, 60_000)
    assert planned(found)[:8].sum() * 0.25 == pytest.approx(60_000, abs=20)


def test_paths_are_of_the_case() -> None:
    with pytest.raises(Refused) as refused:
        peak_case(CASE, CALM[:, 1:], 500_000)
    assert refused.value.code == "series_shape"
    assert peak_storage(CASE).usable_wh == 100_000
