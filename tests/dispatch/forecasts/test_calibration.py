"""Quantiles that hold what they say, and a drift that is seen."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.forecasts.calibration import Calibration
from dispatch.forecasts.drifting import drift_of
from dispatch.forecasts.prediction import LEVELS, Prediction, blended, pinball


def predicted(expected: np.ndarray, width: float) -> Prediction:
    offsets = width * (LEVELS - 0.5)
    return Prediction(expected, expected[None] + offsets[:, None, None])


@settings(derandomize=True, max_examples=10, deadline=None, database=None)
@given(st.integers(0, 10_000), st.floats(0.1, 8.0), st.floats(-3, 3))
def test_quantiles_hold_what_they_say_on_days_not_seen(seed: int, width: float, bias: float) -> None:
    """Whatever the width and bias of the quantiles before, each level then covers its part to 4 %."""
    draw = np.random.default_rng(seed)
    expected = draw.normal(10, 3, (400, 24))
    actual = expected + bias + draw.standard_t(4, (400, 24))
    spread = np.full(400, 2.0)
    told = predicted(expected, width)
    half = slice(0, 200)
    learned = Calibration.of(Prediction(expected[half], told.quantiles[:, half]), actual[half], spread[half])
    moved = learned.calibrated(told, spread)
    assert (np.diff(moved.quantiles, axis=0) >= 0).all()
    assert moved.expected.tobytes() == expected.tobytes()
    covered = (actual[200:] <= moved.quantiles[:, 200:]).mean(axis=(1, 2))
    assert np.abs(covered - LEVELS).max() < 0.04


def test_few_days_move_nothing_and_missing_values_are_no_errors() -> None:
    told = predicted(np.zeros((13, 4)), 1.0)
    assert Calibration.of(told, np.ones((13, 4)), np.ones(13)).shifts.tolist() == [0.0] * 5
    told = predicted(np.zeros((20, 4)), 0.0)
    actual = np.full((20, 4), np.nan)
    actual[:, 0] = 2.0
    assert Calibration.of(told, actual, np.full(20, 2.0)).shifts.tolist() == [1.0] * 5


def test_pinball_by_hand_and_blends_that_cross_are_sorted() -> None:
    """Actual 10, every quantile at 8: 2 x the mean level 0.5; at 12: 2 x 0.5."""
    at = np.full((5, 1, 1), 8.0)
    assert pinball(np.array([[10.0]]), at).tolist() == [[1.0]]
    assert np.allclose(pinball(np.array([[10.0]]), at + 4), 1.0)
    low, high = predicted(np.zeros((1, 2)), 2.0), predicted(np.zeros((1, 2)), -2.0)
    mixed = blended((low, high), np.array([0.25, 0.75]))
    assert (np.diff(mixed.quantiles, axis=0) >= 0).all()


def test_a_shift_alarms_and_one_bad_day_does_not() -> None:
    draw = np.random.default_rng(11)
    calm = np.exp(0.3 * draw.standard_normal(84))
    quiet = drift_of(calm)
    assert quiet is not None
    assert not quiet.seen
    spike = calm.copy()
    spike[70] *= 1000
    one = drift_of(spike)
    assert one is not None
    assert not one.seen
    shifted = calm.copy()
    shifted[-20:] *= 2
    found = drift_of(shifted)
    assert found is not None
    assert found.seen
    assert found.level_permille > found.limit_permille == 8000
    better = calm.copy()
    better[-20:] /= 2
    fewer = drift_of(better)
    assert fewer is not None
    assert fewer.level_permille <= quiet.level_permille, "missing less is no drift"
    assert drift_of(calm[:30]) is None
