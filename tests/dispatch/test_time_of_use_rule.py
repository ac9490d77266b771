"""The rule's schedule can be run by a real storage: power, energy, no export, no new peak."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.time_of_use_rule import Storage, schedule

STORAGE = Storage(energy_wh=500_000, power_w=250_000, charge_permille=960, discharge_permille=950)
DAY_PRICE = np.repeat(np.array([3, 7, 11, 7, 11, 7, 3], dtype=np.int64), [24, 8, 28, 12, 12, 4, 8])


def test_it_charges_cheap_and_discharges_dear() -> None:
    load = np.full(96, 100_000, dtype=np.int64)
    load[40] = 200_000
    done = schedule(STORAGE, load, DAY_PRICE, 900)
    assert done.discharge_wh[DAY_PRICE < 11].sum() == 0
    assert done.charge_wh[DAY_PRICE == 11].sum() == 0
    assert done.charge_wh[:24].sum() == 520_833, "500 kWh stored at 96 %"
    assert done.discharge_wh[32:60].sum() == 474_995, "95 % of what was stored, cut to whole Wh each time"
    assert done.charge_wh[60:72].sum() > 0, "it tops up between two peaks when that pays"


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 150_000), min_size=96, max_size=96),
    st.permutations(DAY_PRICE.tolist()),
)
def test_a_real_storage_could_do_it(load: list[int], price: list[int]) -> None:
    loads = np.array(load, dtype=np.int64)
    done = schedule(STORAGE, loads, np.array(price, dtype=np.int64), 900)
    stored = np.cumsum(done.charge_wh * 960 / 1000 - done.discharge_wh * 1000 / 950)
    assert (done.charge_wh * done.discharge_wh == 0).all()
    assert done.charge_wh.max() <= 62_500
    assert done.discharge_wh.max() <= 62_500
    assert stored.min() >= -192
    assert stored.max() <= STORAGE.energy_wh + 192
    net = loads + done.charge_wh - done.discharge_wh
    assert net.min() >= 0, "never exports"
    assert net.max() <= loads.max(), "never a new peak"
