"""What is expected and its quantiles hold together, wherever each was moved to."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dispatch.forecasts.prediction import LEVELS, Prediction, held_together

SIZES = st.floats(-1e6, 1e6)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    expected=arrays(np.float64, (2, 3), elements=SIZES),
    quantiles=arrays(np.float64, (len(LEVELS), 2, 3), elements=SIZES),
)
def test_what_is_expected_lies_between_the_outermost_quantiles(
    expected: np.ndarray, quantiles: np.ndarray
) -> None:
    """Monotone from level to level, 5 % <= expected <= 95 %; the band only widens, and inner levels stay."""
    found = held_together(Prediction(expected, quantiles))
    assert (np.diff(found.quantiles, axis=0) >= 0).all()
    assert (found.quantiles[0] <= found.expected).all()
    assert (found.expected <= found.quantiles[-1]).all()
    assert (found.expected == expected).all(), "what earns stays as it was chosen"
    ordered = np.sort(quantiles, axis=0)
    assert (found.quantiles[0] <= ordered[0]).all()
    assert (found.quantiles[-1] >= ordered[-1]).all()
    assert (found.quantiles[1:-1] == ordered[1:-1]).all()


def test_one_that_fell_below_its_own_five_percent() -> None:
    """Expected 90 of quantiles 100 to 140: the first becomes 90, the others stay."""
    rows = np.array([100.0, 110.0, 120.0, 130.0, 140.0]).reshape(-1, 1, 1)
    found = held_together(Prediction(np.array([[90.0]]), rows))
    assert found.quantiles.ravel().tolist() == [90.0, 110.0, 120.0, 130.0, 140.0]
