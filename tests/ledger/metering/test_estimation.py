"""Methods of DOMAIN.md 3.11, by hand and as properties: the sum is kept, nothing is below zero."""

from __future__ import annotations

from datetime import UTC, datetime, time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.interval import Interval
from ledger.metering import estimation
from ledger.metering.method import PvHours
from ledger.quantity import round_half_away
from ledger.readings import WH_MAX
from ledger.refusal import Refused

energies = st.lists(st.integers(0, 10**7), min_size=1, max_size=60)
totals = st.integers(0, 10**8)


def on(*letters: int) -> estimation.Active:
    return np.array(letters, dtype=np.bool_)


def test_two_missing_points_lie_on_a_straight_line() -> None:
    """R = 52 000, R_3 = 52 100, Y = 2: R_1 = 52 033 1/3 and R_2 = 52 066 2/3, rounded 52 033 and 52 067."""
    assert estimation.linear(100, on(1, 1, 1)).tolist() == [33, 34, 33]


def test_three_missing_points_are_too_many_for_a_line() -> None:
    with pytest.raises(Refused, match="3 points are missing in PV hours") as caught:
        estimation.linear(100, on(1, 1, 1, 1))
    assert caught.value.code == "too_many_points"
    assert estimation.linear(100, on(0, 1, 1, 1, 0, 0)).tolist() == [0, 33, 34, 33, 0, 0], "those at night"


def test_the_reference_meter_shapes_the_gap() -> None:
    """R1 counted 1, 0, 5, 2 kWh; 900 Wh are spread 112.5, 0, 562.5, 225: R_N = 112.5, 112.5, 675, 900."""
    reference = np.array([1000, 0, 5000, 2000])
    assert estimation.by_reference(900, reference, on(1, 1, 1, 1)).tolist() == [113, 0, 562, 225]
    with pytest.raises(Refused) as caught:
        estimation.by_reference(900, np.zeros(2, dtype=np.int64), on(1, 1))
    assert caught.value.code == "weights"


def test_a_negative_difference_gives_zeros() -> None:
    assert estimation.linear(-100, on(1, 1)).tolist() == [0, 0]
    assert estimation.by_reference(-1, np.array([3, 4]), on(1, 1)).tolist() == [0, 0]


def test_the_factor_of_seven_days() -> None:
    """86 % of 1 001 and 1 001 Wh: 860.86 and 1 721.72, rounded 861 and 1 722."""
    assert estimation.by_factor(860, 1000, np.array([1001, 1001]), on(1, 1)).tolist() == [861, 861]
    assert estimation.by_factor(0, 1000, np.array([1001]), on(1)).tolist() == [0]
    with pytest.raises(Refused) as caught:
        estimation.by_factor(5, 0, np.array([1]), on(1))
    assert caught.value.code == "weights"


def test_the_mean_of_four_similar_days() -> None:
    """(10+20+30+41)/4 = 25.25 and (1+1+1+0)/4 = 0.75: registers 25.25 and 26."""
    days = [np.array(day) for day in ((10, 1), (20, 1), (30, 1), (41, 0))]
    assert estimation.by_similar_days(days, on(1, 1)).tolist() == [25, 1]
    assert estimation.by_similar_days(days, on(0, 1)).tolist() == [0, 1]


def test_the_register_is_held_flat_outside_pv_hours_only() -> None:
    hours = PvHours(time(6), time(18, 30))
    evening = Interval(datetime(2026, 8, 1, 10, 15, tzinfo=UTC), datetime(2026, 8, 1, 11, tzinfo=UTC))
    active = estimation.active_in(evening, 900, "Asia/Shanghai", hours)
    assert active.tolist() == [True, False, False], "18:15, 18:30 and 18:45 in Shanghai"
    assert estimation.flat(active[1:]).tolist() == [0, 0]
    with pytest.raises(Refused) as caught:
        estimation.flat(active)
    assert caught.value.code == "pv_hours"
    assert estimation.active_in(evening, 900, "Asia/Shanghai", None).all()


def test_what_cannot_be_an_interval_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        estimation.corrected(np.array([WH_MAX]), Fraction(2))
    assert caught.value.code == "reading_range"


@settings(max_examples=150)
@given(total=totals, weights=energies, denominator=st.integers(1, 10**6))
def test_remainders_are_carried_so_that_the_sum_is_kept(
    total: int, weights: list[int], denominator: int
) -> None:
    """Each rounded register value is the exact one rounded; no interval is off by a whole Wh."""
    values = estimation.carried(weights, denominator)
    exacts = [Fraction(weight, denominator) for weight in weights]
    assert int(values.sum()) == round_half_away(sum(exacts, Fraction(0)))
    assert (values >= 0).all()
    assert all(abs(int(value) - exact) <= 1 for value, exact in zip(values, exacts, strict=True))
    if any(weights):
        spread = estimation.by_reference(total, np.array(weights), np.ones(len(weights), dtype=np.bool_))
        assert int(spread.sum()) == total
        assert (spread >= 0).all()
        assert (spread[np.array(weights) == 0] == 0).all(), "no energy where the reference had none"


@settings(max_examples=60)
@given(days=st.lists(st.tuples(*[st.integers(0, 10**6)] * 4), min_size=1, max_size=40))
def test_the_mean_keeps_the_sum_to_half_a_wh(days: list[tuple[int, ...]]) -> None:
    columns = [np.array(column) for column in zip(*days, strict=True)]
    values = estimation.by_similar_days(columns, np.ones(len(days), dtype=np.bool_))
    assert int(values.sum()) == round_half_away(Fraction(sum(map(sum, days)), 4))
