"""How much weight each member has: by the value that blends captured, not by how little they erred."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import numpy as np

from dispatch.forecasts.day_table import Values
from dispatch.forecasts.past import HOURS, by_hour
from dispatch.forecasts.prediction import Prediction, blended
from dispatch.forecasts.rolling_origin import Rolled
from dispatch.forecasts.worth import Worth

STEPS: Final = 4
"""Weights that are tried are multiples of a quarter."""

BEST: Final = 5
"""Of how many of the ways that earned most the mean is taken."""

_DAYS_MIN: Final = 14
"""From fewer days than these nothing is chosen: members weigh the same."""


class Blend(msgspec.Struct, frozen=True, eq=False):
    """The weights of the members in their order; they sum to 1. `days` is how many days chose them."""

    weights: Values
    days: int

    def of(self, predictions: tuple[Prediction, ...]) -> Prediction:
        """The members' predictions as one."""
        return blended(predictions, self.weights)


def tried_weights(members: int) -> Values:
    """Every way to share quarters among the members, a row each.

    >>> len(tried_weights(4)), tried_weights(2).tolist()
    (35, [[0.0, 1.0], [0.25, 0.75], [0.5, 0.5], [0.75, 0.25], [1.0, 0.0]])
    """
    found: list[tuple[int, ...]] = [()]
    for _ in range(members - 1):
        found = [(*some, n) for some in found for n in range(STEPS - sum(some) + 1)]
    return np.array([(*some, STEPS - sum(some)) for some in found]) / STEPS


def values_of(past: Rolled, worth: Worth) -> Values:
    """What each way to weigh earned on each day, by the hour where slots are shorter; ways x days."""
    ways = tried_weights(len(past.predictions))
    expected = np.array([one.expected for one in past.predictions])
    mixed = np.einsum("wm,mds->wds", ways, expected)
    actual = np.broadcast_to(past.actual, mixed.shape)
    slots = past.actual.shape[1]
    told = worth if slots <= HOURS else worth.hourly()
    rows = (by_hour(one.reshape(-1, slots)) for one in (mixed, actual))
    return told.of(*rows).reshape(len(ways), -1)


def chosen(values: Values, members: int, best_of: int = BEST) -> Blend:
    """The mean of the five ways that earned most: one lucky way does not win alone.

    `values` is ways x days, as `values_of` has it.
    """
    days = values.shape[1]
    if days < _DAYS_MIN:
        return Blend(np.full(members, 1 / members), days)
    best = np.argsort(-values.sum(axis=1), kind="stable")[:best_of]
    return Blend(tried_weights(members)[best].mean(axis=0), days)


def unbeaten(values: Values, alone: Sequence[float], earned: Callable[[Blend], float]) -> Blend:
    """The mean of five ways, or of fewer, that no member beats; else the member that beats them all.

    `values` choose ways by the hour; `alone` is what each member, `earned` what a blend made of those days in
    the slots that are forecast. The mean of fewer ways shrinks a lucky one less, and follows the best more.
    """
    members = len(alone)
    for best_of in range(BEST, 0, -1):
        found = chosen(values, members, best_of)
        if earned(found) >= max(alone):
            return found
    return Blend(np.eye(members)[int(np.argmax(alone))], values.shape[1])
