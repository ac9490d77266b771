"""As it was: the same weekday's values of the latest week that is known."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import msgspec
import numpy as np

from dispatch.forecasts.day_table import Values
from dispatch.forecasts.past import SEASON_DAYS, Past
from dispatch.forecasts.prediction import Prediction

_WEEK: Final = 7


class Naive(msgspec.Struct, frozen=True):
    """On Tuesday to Friday the last known working day of the week, else the same weekday a week before.

    (The naive forecast of the open benchmark of Lago, Marcjasz, De Schutter and Weron, 2021.)
    """

    name: str = "naive"
    days_min: int = 8

    def fit(self, past: Past, lead: int) -> NaiveFit:
        """See `Member.fit`."""
        first = max(past.last - timedelta(days=2 * SEASON_DAYS), past.days.first + timedelta(days=_WEEK))
        expected = _as_it_was(past, first, past.last, lead)
        return NaiveFit(lead, past.days.between(first, past.last) - expected)


class NaiveFit(msgspec.Struct, frozen=True, eq=False):
    lead: int
    errors: Values

    def predict(self, past: Past, first: date, last: date) -> Prediction:
        """See `Fitted.predict`."""
        return Prediction.around(_as_it_was(past, first, last, self.lead), self.errors)


def _as_it_was(past: Past, first: date, last: date, lead: int) -> Values:
    rows = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    weeks = -(-lead // _WEEK) * _WEEK
    found = np.empty((len(rows), past.days.slots))
    means, _ = past.levels(first, last, lead)
    for n, day in enumerate(rows):
        like = timedelta(days=lead if lead == 1 and 0 < day.weekday() < 5 else weeks)
        found[n] = past.days.between(day - like, day - like)[0]
    return np.where(np.isnan(found), means, found)
