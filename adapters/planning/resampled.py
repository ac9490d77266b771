"""Means of intervals of one length as means of intervals of another, where they are known."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from adapters.planning.portfolio import Horizon
from dispatch.forecasts.forecast import Forecast
from dispatch.plan_check import Whole

Flags = npt.NDArray[np.bool_]


class Series(NamedTuple):
    """Mean W of equal intervals from `start` on, and which of them are known."""

    w: Whole
    known: Flags
    start: datetime
    interval_s: int


def resampled(forecast: Forecast, horizon: Horizon) -> tuple[Whole, Flags]:
    """What a forecast expects of each interval, in its own unit, and where it reaches."""
    own = np.array(forecast.expected, dtype=np.int64)
    series = Series(own, np.ones(len(own), dtype=np.bool_), forecast.start, forecast.interval_s)
    return series_at(series, seconds_of(horizon), horizon.interval_s)


def series_at(own: Series, at: Whole, step: int) -> tuple[Whole, Flags]:
    """A series of means at the intervals of `step` seconds that begin at the seconds `at`.

    A longer interval's mean holds in each part of it; shorter ones are averaged where all are known.
    """
    begin = at - int(own.start.timestamp())
    none = np.zeros(len(at), dtype=np.int64), np.zeros(len(at), dtype=np.bool_)
    if not len(own.w):
        return none
    if own.interval_s >= step:
        index, past = np.divmod(begin, own.interval_s)
        there = (past + step <= own.interval_s) & (index >= 0) & (index < len(own.w))
        index = np.clip(index, 0, len(own.w) - 1)
        there &= own.known[index]
        return np.where(there, own.w[index], 0), there
    parts = step // own.interval_s
    if step % own.interval_s or (begin % own.interval_s).any():
        return none
    index = begin[:, None] // own.interval_s + np.arange(parts, dtype=np.int64)
    there = np.asarray(((index >= 0) & (index < len(own.w))).all(axis=1), dtype=np.bool_)
    index = np.clip(index, 0, len(own.w) - 1)
    there &= own.known[index].all(axis=1)
    return np.where(there, (2 * own.w[index].sum(axis=1) + parts) // (2 * parts), 0), there


def seconds_of(horizon: Horizon) -> Whole:
    """When its intervals begin, in seconds since 1970."""
    return int(horizon.start.timestamp()) + horizon.interval_s * np.arange(horizon.count, dtype=np.int64)
