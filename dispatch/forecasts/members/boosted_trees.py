"""LightGBM: trees over hours, of lags relative to the last weeks' level, kinds of days and inputs."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final

import msgspec
import numpy as np

from dispatch.forecasts.day_table import Values
from dispatch.forecasts.hours import in_slots, of_hours
from dispatch.forecasts.past import SEASON_DAYS, Past, column_means
from dispatch.forecasts.prediction import LEVELS, Prediction, monotone

_WINDOW_DAYS: Final = 728
_ROUNDS: Final = 120
_SETTINGS: Final[dict[str, Any]] = {
    "learning_rate": 0.06, "num_leaves": 15, "min_data_in_leaf": 100, "lambda_l2": 5.0,
    "feature_fraction": 0.6, "bagging_fraction": 0.7, "bagging_freq": 1, "max_bin": 63,
    "num_threads": 1, "deterministic": True, "force_row_wise": True, "seed": 20_260_801, "verbosity": -1,
}  # fmt: skip
"""One thread and fixed seeds: the same inputs give the same trees on any machine of this kind."""


class BoostedTrees(msgspec.Struct, frozen=True):
    """One model of what to expect and one of each quantile, of asinh of the distance from usual."""

    name: str = "boosted_trees"
    days_min: int = 42

    def fit(self, past: Past, lead: int) -> BoostedTreesFit:
        """See `Member.fit`."""
        import lightgbm

        first = max(
            past.last - timedelta(days=_WINDOW_DAYS - 1),
            past.days.first + timedelta(days=lead + SEASON_DAYS // 2),
        )
        hours = of_hours(past)
        x, means, scale = _features(hours, first, past.last, lead)
        y = ((hours.days.between(first, past.last) - means) / scale).ravel()
        known = ~np.isnan(y)
        if not known.any():
            return BoostedTreesFit(lead, ())
        data = lightgbm.Dataset(
            x[known], np.arcsinh(np.clip(y[known], -8.0, 8.0)), params=_SETTINGS, free_raw_data=False
        )
        trees = [lightgbm.train(_SETTINGS | {"objective": "l2"}, data, _ROUNDS)]
        for level in LEVELS.tolist():
            settings = _SETTINGS | {"objective": "quantile", "alpha": level}
            trees.append(lightgbm.train(settings, data, _ROUNDS))
        return BoostedTreesFit(lead, tuple(trees))


class BoostedTreesFit(msgspec.Struct, frozen=True, eq=False):
    """Without trees, where nothing was there to learn from, every day is as usual."""

    lead: int
    trees: tuple[Any, ...]

    def predict(self, past: Past, first: date, last: date) -> Prediction:
        """See `Fitted.predict`."""
        if not self.trees:
            usual, _ = past.levels(first, last, self.lead)
            return Prediction(usual, np.repeat(usual[None], len(LEVELS), axis=0))
        x, means, scale = _features(of_hours(past), first, last, self.lead)
        found = [
            means + scale * np.sinh(tree.predict(x, num_threads=1)).reshape(means.shape)
            for tree in self.trees
        ]
        slots = in_slots(np.array(found), past, first, last, self.lead)
        return Prediction(slots[0], monotone(slots[1:]))


def _features(past: Past, first: date, last: date, lead: int) -> tuple[Values, Values, Values]:
    """A row an hour of a day, the days' usual profile, and what distances from it are measured in."""
    means, spread = past.levels(first, last, lead)
    level = means.mean(axis=1)
    scale = spread[:, None]
    slots = past.days.slots
    week = -(-lead // 7) * 7
    columns = [
        np.broadcast_to(np.arange(slots, dtype=np.float64), means.shape),
        (means - level[:, None]) / scale,
    ]
    for back in dict.fromkeys((lead, lead + 1, week, week + 7)):
        lagged = past.days.between(first - timedelta(days=back), last - timedelta(days=back))
        columns.append((lagged - means) / scale)
    latest = columns[2]
    weekday = np.array([(first + timedelta(days=n)).weekday() for n in range(len(means))], dtype=np.float64)
    of_day = [column_means(latest.T), latest[:, -1], weekday, *past.kinds(first, last)[:, 7:].T]
    # Least and most of a day that is not known are not known; fmin and fmax say so without a warning.
    of_day += [np.fmin.reduce(latest, axis=1), np.fmax.reduce(latest, axis=1)]
    columns += [np.broadcast_to(column[:, None], means.shape) for column in of_day]
    for table in past.inputs.values():
        now = table.between(first, last)
        columns += [now, now - table.between(first - timedelta(days=7), last - timedelta(days=7))]
        columns.append(now - _usual(table, first, last))
        columns.append(np.broadcast_to(column_means(now.T)[:, None], means.shape))
    return np.stack(columns, axis=-1).reshape(means.size, len(columns)), means, scale


def _usual(table: Any, first: date, last: date) -> Values:
    window = table.between(first - timedelta(days=SEASON_DAYS), last)
    rows = [window[n : n + SEASON_DAYS] for n in range(len(window) - SEASON_DAYS)]
    return np.array([column_means(part) for part in rows])
