"""Energy kept for spikes, by hand, and against a plain walk forwards through each path."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.planning.reserve import (
    PeakStorage,
    needed_wh,
    reachable_wh,
    reached_w,
    reserve_wh,
    steadiest_w,
)
from ledger.refusal import Refused

STORAGE = PeakStorage(
    interval_s=900,
    charge_w=100_000,
    discharge_w=100_000,
    usable_wh=100_000,
    charge_efficiency_ppm=800_000,
    discharge_efficiency_ppm=800_000,
)
FULL = np.full(4, 1000)
NONE = np.zeros(4, dtype=np.int64)


def paths(*rows: list[int]) -> np.typing.NDArray[np.int64]:
    return np.array(rows, dtype=np.int64) * 1000


def test_what_lies_above_the_target_must_be_stored_before_it() -> None:
    # 40 kW and 80 kW above 500 kW for a quarter-hour: 10 and 20 kWh at the meter, 12.5 and 25 in the cells.
    needed = needed_wh(STORAGE, paths([500, 540, 580, 400]), 500_000, NONE)
    assert needed.tolist() == [[37_500, 37_500, 25_000, 0, 0]]


def test_what_is_recharged_between_two_spikes_is_not_needed_before() -> None:
    # 400 kW leaves 100 kW for a quarter-hour: 20 kWh stored, half of it where half is counted on.
    path = paths([540, 400, 580, 0])
    assert needed_wh(STORAGE, path, 500_000, FULL)[0].tolist() == [17_500, 5_000, 25_000, 0, 0]
    assert needed_wh(STORAGE, path, 500_000, FULL // 2)[0].tolist() == [27_500, 15_000, 25_000, 0, 0]


def test_no_energy_is_kept_for_what_the_power_cannot_shave() -> None:
    assert needed_wh(STORAGE, paths([900, 0, 0, 0]), 500_000, NONE)[0, 0] == 31_250


def test_the_reserve_suffices_in_the_asked_share_of_the_paths() -> None:
    needed = needed_wh(STORAGE, paths(*([0, 500 + 10 * n, 0, 0] for n in range(1, 11))), 500_000, NONE)
    assert reserve_wh(STORAGE, needed, 500)[0] == needed[4, 1] == 15_625
    assert reserve_wh(STORAGE, needed, 501)[0] == needed[5, 1]
    assert reserve_wh(STORAGE, needed, 1000).tolist() == [31_250, 0, 0, 0]
    with pytest.raises(Refused) as refused:
        reserve_wh(STORAGE, needed, 0)
    assert refused.value.code == "reserve_level"


def test_no_more_is_kept_than_the_storage_holds() -> None:
    needed = needed_wh(STORAGE, paths([600] * 4), 500_000, NONE)
    assert needed[0, 0] == 125_000
    small = np.vstack([needed, needed])
    assert reserve_wh(STORAGE, np.hstack([small, small[:, :1]]), 1000).max() == 100_000


def test_what_can_be_reached_charges_up_to_the_target_and_gives_above_it() -> None:
    load = np.array([450_000, 540_000, 500_000, 0])
    # 50 kW: 10 kWh stored; 40 kW given: 12.5 kWh, of which 11 are there; nothing; 100 kW: 20 kWh.
    assert reachable_wh(STORAGE, load, 500_000, 1_000).tolist() == [11_000, 0, 0, 20_000]
    assert reachable_wh(STORAGE, np.zeros(8, dtype=np.int64), 500_000, 0)[-1] == 100_000


def test_a_target_that_cannot_be_held_is_raised_to_one_that_can() -> None:
    path = paths([560, 560, 560, 560])
    # 20 kWh give 16 at the meter: 16 kW for an hour, so that 544 kW are held.
    found = steadiest_w(STORAGE, path, 20_000, 500_000, 1000, NONE)
    assert 544_000 <= found <= 547_000
    assert steadiest_w(STORAGE, path, 80_000, 500_000, 1000, NONE) == 500_000
    assert steadiest_w(STORAGE, path, 80_000, 570_000, 1000, NONE) == 570_000


def test_a_target_is_not_raised_for_what_few_paths_do() -> None:
    calm, spike = [500, 500, 500, 500], [560, 560, 560, 560]
    two_of_five = paths(calm, calm, calm, spike, spike)
    assert steadiest_w(STORAGE, two_of_five, 20_000, 500_000, 600, NONE) == 500_000
    all_five = paths(spike, spike, spike, spike, spike)
    assert steadiest_w(STORAGE, all_five, 20_000, 500_000, 600, NONE) > 540_000
    assert steadiest_w(STORAGE, paths(calm, spike), 20_000, 500_000, 1000, NONE) == 500_000
    with pytest.raises(Refused) as refused:
        steadiest_w(STORAGE, two_of_five, 20_000, 500_000, 0, NONE)
    assert refused.value.code == "reserve_level"


def test_an_empty_storage_leaves_the_peak_as_it_is() -> None:
    # 10 kWh give 8: the first quarter-hour's 40 kW are held for 32 kW of it, then nothing is left.
    path = paths([540, 540, 560, 400])
    assert reached_w(STORAGE, path, 10_000, np.array([500_000]), NONE).tolist() == [560_000]
    assert reached_w(STORAGE, path, 100_000, np.array([500_000]), NONE).tolist() == [500_000]
    assert reached_w(STORAGE, paths([900, 0, 0, 0]), 100_000, np.array([500_000]), NONE).tolist() == [800_000]


@settings(derandomize=True, max_examples=200)
@given(
    st.lists(st.integers(0, 900_000), min_size=6, max_size=6),
    st.lists(st.integers(0, 1000), min_size=6, max_size=6),
    st.integers(0, 100_000),
)
def test_the_peak_that_is_reached_is_that_of_walking_on(
    load: list[int], again: list[int], stored: int
) -> None:
    """A second model with exact energies; each step's whole mWh and W make a few W of difference."""
    path = np.array([load], dtype=np.int64)
    found = int(reached_w(STORAGE, path, stored, np.array([500_000]), np.array(again))[0])
    now, peak = float(stored), 500_000.0
    for power, permille in zip(load, again, strict=True):
        given_wh = min(max(0, min(power - 500_000, 100_000)) / 4, now * 0.8)
        charged = max(0, min(500_000 - power, 100_000)) / 4 * 0.8 * permille / 1000
        now = min(now - given_wh / 0.8 + charged, 100_000)
        peak = max(peak, power - given_wh * 4)
    assert abs(found - peak) <= 5


@pytest.mark.parametrize("place", ["interval_s", "discharge_w", "usable_wh", "charge_efficiency_ppm"])
def test_a_storage_that_cannot_be_is_refused(place: str) -> None:
    values = {name: getattr(STORAGE, name) for name in STORAGE.__struct_fields__} | {place: 0}
    with pytest.raises(Refused) as refused:
        PeakStorage(**values)
    assert (refused.value.code, refused.value.place) == ("peak_storage", place)


@settings(derandomize=True, max_examples=200)
@given(
    st.lists(st.integers(0, 900_000), min_size=6, max_size=6),
    st.lists(st.integers(0, 1000), min_size=6, max_size=6),
    st.integers(0, 120_000),
)
def test_what_is_needed_is_exactly_what_lasts(load: list[int], recharge: list[int], stored: int) -> None:
    """A second model: walk forwards with exact energies; the storage runs out if and only if it held less."""
    path = np.array([load], dtype=np.int64)
    needed = int(needed_wh(STORAGE, path, 500_000, np.array(recharge))[0, 0])
    now, lasted = float(stored), True
    for power, permille in zip(load, recharge, strict=True):
        if power > 500_000:
            now -= min(power - 500_000, 100_000) / 4 / 0.8
        else:
            now += min(500_000 - power, 100_000) / 4 * 0.8 * permille / 1000
        lasted = lasted and now >= 0
    if stored >= needed + 1:
        assert lasted
    if stored <= needed - 2:
        assert not lasted
