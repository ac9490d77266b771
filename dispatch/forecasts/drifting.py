"""Whether a forecast has begun to miss more than it used to."""

from __future__ import annotations

from typing import Final

import numpy as np

from dispatch.forecasts.day_table import Values
from dispatch.forecasts.forecast import Drift

WATCHED_DAYS: Final = 28
"""How many of the last days are watched, against the band of those before."""

_BAND_DAYS_MIN: Final = 21
_SLACK: Final = 0.5
_LIMIT: Final = 8.0
_STEP_MAX: Final = 3.0
_PERMILLE: Final = 1000


def drift_of(losses: Values) -> Drift | None:
    """Page's one-sided CUSUM of the days' pinball losses, oldest first; None for too few days.

    The band is the median and spread (1.4826 x the median distance) of the logarithms of the losses before
    the watched days. From each watched day half a spread is taken, at most three spreads are added, and the
    sum never falls below 0: single bad days do not alarm, a shift of one spread does within about 16 days.
    """
    known = losses[~np.isnan(losses)]
    if len(known) < _BAND_DAYS_MIN + WATCHED_DAYS // 2:
        return None
    watched = min(WATCHED_DAYS, len(known) - _BAND_DAYS_MIN)
    sizes = np.log(np.maximum(known, 1e-12))
    band = sizes[:-watched]
    centre = float(np.median(band))
    spread = max(1.4826 * float(np.median(np.abs(band - centre))), 0.05)
    level, highest = 0.0, 0.0
    for size in sizes[-watched:].tolist():
        level = max(0.0, level + min((size - centre) / spread, _STEP_MAX) - _SLACK)
        highest = max(highest, level)
    return Drift(highest > _LIMIT, round(_PERMILLE * highest), round(_PERMILLE * _LIMIT), watched)
