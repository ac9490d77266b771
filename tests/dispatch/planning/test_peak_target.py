"""The monthly peak to aim at: what it saves against what it costs, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dispatch.planning.peak_target import peak_target
from dispatch.planning.reserve import PeakStorage
from ledger.refusal import Refused

STORAGE = PeakStorage(
    interval_s=3600,
    charge_w=100_000,
    discharge_w=100_000,
    usable_wh=200_000,
    charge_efficiency_ppm=1_000_000,
    discharge_efficiency_ppm=1_000_000,
)
PRICE = np.array([300_000] * 8 + [1_000_000] * 4 + [600_000] * 12)


def days(*spike_kw: int, hour: int = 12) -> np.typing.NDArray[np.int64]:
    found = np.full((len(spike_kw), 24), 300_000, dtype=np.int64)
    found[:, hour] = np.array(spike_kw) * 1000
    return found


def test_a_spike_that_costs_no_arbitrage_is_shaved_as_far_as_power_goes() -> None:
    found = peak_target(
        STORAGE, days(500, 500, hour=9), PRICE, days_left=30, peak_w=0, peak_price_micro=40_000_000
    )
    assert found.target_w == 400_000
    assert found.demand_micro == 400 * 40_000_000
    assert found.lost_micro == 0


def test_energy_kept_across_the_fall_of_the_price_is_weighed_against_the_peak() -> None:
    # 100 kW shaved at noon is 100 kWh not sold before: 40 of money a day, 1,200 a month.
    def asked(price: int) -> int:
        return peak_target(
            STORAGE, days(500, 500), PRICE, days_left=30, peak_w=0, peak_price_micro=price
        ).target_w

    assert asked(13_000_000) == 400_000
    assert asked(11_000_000) == 500_000


def test_few_days_left_make_the_arbitrage_cheap() -> None:
    found = peak_target(STORAGE, days(500, 500), PRICE, days_left=1, peak_w=0, peak_price_micro=1_000_000)
    assert (found.target_w, found.lost_micro) == (400_000, 40_000_000)


def test_no_target_lies_below_the_peak_so_far() -> None:
    found = peak_target(
        STORAGE, days(500, 500), PRICE, days_left=30, peak_w=480_000, peak_price_micro=99_000_000
    )
    assert found.target_w == 480_000
    above = peak_target(
        STORAGE, days(500, 500), PRICE, days_left=30, peak_w=650_000, peak_price_micro=99_000_000
    )
    assert (above.target_w, above.lost_micro) == (650_000, 0)


def test_the_highest_of_many_days_is_expected_near_the_highest_seen() -> None:
    seen = days(*[420] * 9, 500, hour=9)
    few = peak_target(STORAGE, seen, PRICE, days_left=1, peak_w=410_000, peak_price_micro=1_000_000)
    assert few.target_w == 410_000
    assert few.demand_micro == 410_000_000
    wide = days(*[420] * 9, 600, hour=9)
    one = peak_target(STORAGE, wide, PRICE, days_left=1, peak_w=500_000, peak_price_micro=1_000_000)
    assert one.demand_micro == 500_000_000


@pytest.mark.parametrize(("past", "left"), [(0, 30), (2, 0)])
def test_a_target_needs_past_days_and_days_left(past: int, left: int) -> None:
    with pytest.raises(Refused) as refused:
        peak_target(STORAGE, days(*[500] * past), PRICE, days_left=left, peak_w=0, peak_price_micro=1)
    assert refused.value.code == "peak_days"
