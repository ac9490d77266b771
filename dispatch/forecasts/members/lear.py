"""LEAR-style: for each hour of the day a linear model of many lags, of which the Lasso keeps a few."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import msgspec
import numpy as np

from dispatch.forecasts.day_table import DayTable, Values
from dispatch.forecasts.hours import in_slots, of_hours
from dispatch.forecasts.past import SEASON_DAYS, Past, by_hour, column_means
from dispatch.forecasts.prediction import Prediction

_WINDOW_DAYS: Final = 364
_DAYS_MIN: Final = 42
_PENALTIES: Final = (0.5, 0.3, 0.2, 0.12, 0.08, 0.05, 0.03, 0.02)
"""Parts of the penalty that keeps nothing."""
_RIDGE: Final = 1e-3
"""Of a feature's variance: features that are the same share their weight."""
_STEPS_MAX: Final = 2000


class Lear(msgspec.Struct, frozen=True):
    """Forecasts how far each hour will be from its usual value, in asinh of the weeks' spread.

    So what the lags do not tell stays as usual, and spikes weigh less. One penalty for all hours: the one
    that best foretells the shape of the days in the window's last fifth, for the shape is what storage
    earns from. After the LEAR of Lago, Marcjasz, De Schutter and Weron, 2021.
    """

    name: str = "lear"
    days_min: int = _DAYS_MIN

    def fit(self, past: Past, lead: int) -> LearFit:
        """See `Member.fit`."""
        hours = of_hours(past)
        have = (past.last - past.days.first).days + 1 - lead - SEASON_DAYS // 2
        window = min(_WINDOW_DAYS, have)
        first = past.last - timedelta(days=window - 1)
        inputs = {name: _usual(table, past.last) for name, table in hours.inputs.items()}
        x, usual, scale = _features(hours, first, past.last, lead, inputs)
        mean, deviation = x.mean(axis=0), x.std(axis=0)
        deviation = np.where(deviation > 1e-6, deviation, 1.0)
        x = (x - mean) / deviation
        off = hours.days.between(first, past.last) - usual
        off = np.arcsinh(np.clip(off / scale, -6.0, 6.0))
        constant = np.nan_to_num(column_means(off))
        # A slot that is not known is as usual: it then bends no weight.
        off = np.nan_to_num(off - constant)
        kept = max(window // 5, 7)
        tried = _path(x[:-kept], off[:-kept])
        missed = off[-kept:, :, None] - np.einsum("dp,psa->dsa", x[-kept:], tried)
        missed -= missed.mean(axis=1, keepdims=True)
        weights = _path(x, off)[:, :, int(np.argmin((missed**2).mean(axis=(0, 1))))]
        fit = LearFit(lead, inputs, mean, deviation, weights, constant, np.zeros((0, past.days.slots)))
        shown = min(window, 2 * SEASON_DAYS)
        expected = fit.expected(past, past.last - timedelta(days=shown - 1), past.last)
        actual = past.days.between(past.last - timedelta(days=shown - 1), past.last)
        return msgspec.structs.replace(fit, errors=actual - expected)


class LearFit(msgspec.Struct, frozen=True, eq=False):
    """`inputs` are their usual values, `mean` and `deviation` those of the features; `weights` features x
    slots; `errors` what was missed in the last weeks that were learned from."""

    lead: int
    inputs: dict[str, Values]
    mean: Values
    deviation: Values
    weights: Values
    constant: Values
    errors: Values

    def predict(self, past: Past, first: date, last: date) -> Prediction:
        """See `Fitted.predict`."""
        return Prediction.around(self.expected(past, first, last), self.errors)

    def expected(self, past: Past, first: date, last: date) -> Values:
        """Days x slots."""
        x, usual, scale = _features(of_hours(past), first, last, self.lead, self.inputs)
        off = (x - self.mean) / self.deviation @ self.weights + self.constant
        return in_slots(usual + scale * np.sinh(np.clip(off, -2.5, 2.5)), past, first, last, self.lead)


def _path(x: Values, y: Values) -> Values:
    """Weights by feature, hour and penalty: the Lasso's exact path, which ends after finitely many steps.

    (Least angle regression; Efron, Hastie, Johnstone and Tibshirani, 2004. Coordinate descent need not
    converge where features hardly differ.)
    """
    from sklearn.linear_model import lars_path_gram

    found = np.zeros((x.shape[1], y.shape[1], len(_PENALTIES)))
    gram = x.T @ x + _RIDGE * len(x) * np.eye(x.shape[1])
    for hour in range(y.shape[1]):
        xy = x.T @ y[:, hour]
        most = float(np.abs(xy).max()) / len(x)
        if most > 1e-9:
            wanted = most * np.array(_PENALTIES)
            least = float(wanted[-1])
            at, _, weights = lars_path_gram(
                Xy=xy, Gram=gram, n_samples=len(x), alpha_min=least, max_iter=_STEPS_MAX, method="lasso"
            )
            found[:, hour] = _between(wanted, at, weights)
    return found


def _between(wanted: Values, at: Values, weights: Values) -> Values:
    """The weights of a path at penalties: it is straight between those at which it turns, which fall."""
    after = np.clip(np.searchsorted(-at, -wanted), 1, len(at) - 1)
    part = np.clip((at[after - 1] - wanted) / (at[after - 1] - at[after]), 0.0, 1.0)
    return np.asarray(weights[:, after - 1] * (1 - part) + weights[:, after] * part)


def _features(
    past: Past, first: date, last: date, lead: int, inputs: dict[str, Values]
) -> tuple[Values, Values, Values]:
    """A row a day; the days' usual profile, and the spread that distances from it are measured in.

    The hours of days before, relative to what is usual, their mean, least and most; the hours of inputs on
    the day, the day before and a week before; what kind of day it is.
    """
    week = -(-lead // 7) * 7
    usual, spread = past.levels(first, last, lead)
    scale = spread[:, None]
    parts = []
    for back in dict.fromkeys((lead, lead + 1, lead + 2, week, week + 7)):
        lagged = past.days.between(first - timedelta(days=back), last - timedelta(days=back))
        parts.append(np.arcsinh(np.nan_to_num(by_hour((lagged - usual) / scale))))
    recent = np.mean([part.mean(axis=1) for part in parts], axis=0)
    latest = parts[0]
    parts.append(np.stack([latest.mean(axis=1), latest.min(axis=1), latest.max(axis=1), recent], axis=1))
    for name, table in past.inputs.items():
        for back in (0, 1, 7):
            rows = table.between(first - timedelta(days=back), last - timedelta(days=back))
            parts.append(by_hour(np.where(np.isnan(rows), inputs[name], rows)))
    parts.append(past.kinds(first, last)[:, :11])
    return np.concatenate(parts, axis=1), usual, scale


def _usual(table: DayTable, last: date) -> Values:
    """What stands for an input that is not known: its slot's mean."""
    rows = table.between(last - timedelta(days=_WINDOW_DAYS), last)
    return np.nan_to_num(column_means(rows))
