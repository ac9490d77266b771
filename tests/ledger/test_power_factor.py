"""水电财字〔1983〕215号: cos phi with integers only, and the adjustment tables."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.power_factor import Reactive, Standard, adjustment, cos_phi_hundredths
from ledger.refusal import Refused

ENERGY = st.integers(min_value=0, max_value=10**13)


def test_lagging_and_leading_add_up_unless_the_account_says_otherwise() -> None:
    reactive = Reactive(lag_varh=300_000, lead_varh=-200_000)
    assert reactive.total_varh("absolute") == 500_000
    assert reactive.total_varh("net") == 100_000
    added = cos_phi_hundredths(1_000_000, 500_000)
    netted = cos_phi_hundredths(1_000_000, 100_000)
    assert (added, adjustment("0.90", added)) == (89, Fraction(5, 1000))
    assert (netted, adjustment("0.90", netted)) == (100, Fraction(-75, 10_000))


@settings(max_examples=400)
@given(active=ENERGY, reactive=ENERGY)
def test_cos_phi_is_the_nearest_hundredth_by_comparing_squares(active: int, reactive: int) -> None:
    if active == reactive == 0:
        return
    found = cos_phi_hundredths(active, reactive)
    apparent_squared = active**2 + reactive**2
    lower, upper = max(2 * found - 1, 0), 2 * found + 1
    assert (200 * active) ** 2 >= lower**2 * apparent_squared
    assert (200 * active) ** 2 < upper**2 * apparent_squared


def test_the_two_integers_around_an_eighth_round_apart() -> None:
    # P / S = 1 / 8 needs Q = sqrt(63) P: no pair of integers lies on the half itself.
    root = 7_937_253
    assert root**2 < 63 * 10**12 < (root + 1) ** 2
    assert cos_phi_hundredths(10**6, root) == 13
    assert cos_phi_hundredths(10**6, root + 1) == 12


def test_exact_hundredths_stay() -> None:
    found = [cos_phi_hundredths(*legs) for legs in [(3, 4), (4, 3), (7, 24), (24, 7), (5, 0)]]
    assert found == [60, 80, 28, 96, 100]


# Percent x 100, as the 1983 table prints them.
TABLE: dict[Standard, dict[int, int]] = {
    "0.90": {100: -75, 96: -75, 95: -75, 94: -60, 93: -45, 92: -30, 91: -15, 90: 0, 89: 50, 80: 500}
    | {71: 950, 70: 1000, 69: 1100, 65: 1500, 64: 1700, 60: 2500, 0: 14_500},
    "0.85": {100: -110, 94: -110, 93: -95, 92: -80, 91: -65, 90: -50, 89: -40, 86: -10, 85: 0, 84: 50}
    | {65: 1000, 64: 1100, 60: 1500, 59: 1700},
    "0.80": {100: -130, 92: -130, 91: -115, 90: -100, 81: -10, 80: 0, 79: 50, 60: 1000, 59: 1100, 55: 1500}
    | {54: 1700},
}


@pytest.mark.parametrize("standard", TABLE)
def test_the_tables_are_those_of_the_notice(standard: Standard) -> None:
    for hundredths, percent in TABLE[standard].items():
        assert adjustment(standard, hundredths) == Fraction(percent, 10_000), hundredths


@pytest.mark.parametrize("standard", TABLE)
def test_a_better_power_factor_never_costs_more(standard: Standard) -> None:
    steps = [adjustment(standard, hundredths) for hundredths in range(101)]
    assert steps == sorted(steps, reverse=True)


def test_what_cannot_be_judged_is_refused() -> None:
    with pytest.raises(Refused) as undefined:
        cos_phi_hundredths(0, 0)
    assert undefined.value.code == "power_factor_undefined"
    with pytest.raises(Refused) as negative:
        cos_phi_hundredths(-1, 5)
    assert negative.value.code == "negative_energy"
    with pytest.raises(Refused, match=r"0\.90, 0\.85, 0\.80"):
        adjustment("0.95", 90)  # type: ignore[arg-type]
    assert cos_phi_hundredths(0, 5) == 0
