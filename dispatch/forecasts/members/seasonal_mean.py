"""As it usually is: the mean of each slot over the last four weeks, working days and days off apart."""

from __future__ import annotations

from datetime import date, timedelta

import msgspec
import numpy as np

from dispatch.forecasts.day_table import Values
from dispatch.forecasts.past import SEASON_DAYS, Past
from dispatch.forecasts.prediction import Prediction


class SeasonalMean(msgspec.Struct, frozen=True):
    """The mean of 28 days, moved halfway to the mean of those days among them that are of the same kind."""

    name: str = "seasonal_mean"
    days_min: int = 1

    def fit(self, past: Past, lead: int) -> SeasonalMeanFit:
        """See `Member.fit`."""
        first = max(past.last - timedelta(days=2 * SEASON_DAYS), past.days.first + timedelta(days=lead))
        if first > past.last:
            return SeasonalMeanFit(lead, np.zeros((0, past.days.slots)))
        return SeasonalMeanFit(
            lead, past.days.between(first, past.last) - _means(past, first, past.last, lead)
        )


class SeasonalMeanFit(msgspec.Struct, frozen=True, eq=False):
    lead: int
    errors: Values

    def predict(self, past: Past, first: date, last: date) -> Prediction:
        """See `Fitted.predict`."""
        return Prediction.around(_means(past, first, last, self.lead), self.errors)


def _means(past: Past, first: date, last: date, lead: int) -> Values:
    means, _ = past.levels(first, last, lead)
    begin = first - timedelta(days=lead + SEASON_DAYS - 1)
    off = past.kinds(begin, last)[:, 7]
    values = past.days.between(begin, last)
    for n in range(len(means)):
        at = n + lead + SEASON_DAYS - 1
        rows = values[n : n + SEASON_DAYS]
        alike = rows[off[n : n + SEASON_DAYS] == off[at]]
        known = (~np.isnan(alike)).sum(axis=0)
        own = np.nansum(alike, axis=0) / np.maximum(known, 1)
        means[n] = np.where(known > 0, (means[n] + own) / 2, means[n])
    return means
