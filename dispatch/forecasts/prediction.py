"""What a member says of days: what to expect of each slot, and quantiles around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from dispatch.forecasts.day_table import Values

LEVELS_PERMILLE: Final = (50, 250, 500, 750, 950)
"""The quantiles that are forecast: below the first lie 5 % of outcomes, below the last 95 %."""

LEVELS: Final = np.array(LEVELS_PERMILLE) / 1000


class Prediction(NamedTuple):
    """`expected` is days x slots, `quantiles` levels x days x slots and never falls from level to level."""

    expected: Values
    quantiles: Values

    @classmethod
    def around(cls, expected: Values, errors: Values) -> Prediction:
        """Quantiles as errors made before lie around what was expected, slot by slot.

        `errors` is days x slots, actual less expected; a slot with none has no spread of its own and takes
        that of the whole day.
        """
        return cls(expected, monotone(expected[None] + spread(errors)[:, None, :]))


def spread(errors: Values) -> Values:
    """Quantiles of errors, levels x slots; NaN errors are none."""
    whole = errors[~np.isnan(errors)]
    found = np.zeros((len(LEVELS), errors.shape[1]))
    if len(whole):
        found[:] = np.quantile(whole, LEVELS)[:, None]
    for slot in range(errors.shape[1]):
        own = errors[~np.isnan(errors[:, slot]), slot]
        if len(own) >= 10:
            found[:, slot] = np.quantile(own, LEVELS)
    return found


def monotone(quantiles: Values) -> Values:
    """Each level at least as high as the one below it: quantiles that cross are sorted (rearranged)."""
    return np.sort(quantiles, axis=0)


def held_together(found: Prediction) -> Prediction:
    """The prediction with what is expected between its outermost quantiles, which never fall by level.

    What is expected was chosen by the money that it captured, the quantiles were moved by past errors: the
    two may part. The outermost quantiles then reach to what is expected, so that no less lies between them
    than they claim, and what earns stays as it was chosen.
    """
    rows = monotone(found.quantiles)
    low, high = np.minimum(rows[:1], found.expected[None]), np.maximum(rows[-1:], found.expected[None])
    return Prediction(found.expected, np.concatenate([low, rows[1:-1], high]))


def blended(parts: Sequence[Prediction], weights: Values) -> Prediction:
    """The weighted mean of members' predictions; weights are at least 0 and sum to 1."""
    assert (weights >= 0).all()
    assert abs(float(weights.sum()) - 1) < 1e-9
    expected = sum((w * part.expected for w, part in zip(weights, parts, strict=True)), start=np.zeros(1))
    quantiles = sum((w * part.quantiles for w, part in zip(weights, parts, strict=True)), start=np.zeros(1))
    return Prediction(np.asarray(expected), monotone(np.asarray(quantiles)))


def pinball(actual: Values, quantiles: Values) -> Values:
    """The pinball loss of each slot, the mean over levels: at least 0, in the unit of the values."""
    under = actual[None] - quantiles
    level = LEVELS.reshape(-1, *(1 for _ in actual.shape))
    return np.asarray(np.maximum(level * under, (level - 1) * under).mean(axis=0))
