"""Conformal calibration: quantiles moved by how far past outcomes lay from them."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from dispatch.forecasts.day_table import Values
from dispatch.forecasts.prediction import LEVELS, Prediction, monotone

_DAYS_MIN: Final = 14


class Calibration(msgspec.Struct, frozen=True, eq=False):
    """How far each quantile moves, in parts of a day's spread; zeros where too few days were seen."""

    shifts: Values

    @classmethod
    def of(cls, past: Prediction, actual: Values, spread: Values) -> Calibration:
        """From days that no fit had seen: each quantile's errors over the spread, and their own quantile.

        With n errors the one of rank ceil((n + 1) level) is taken, so that in the long run at least that
        part of outcomes lies below, whatever their distribution (split conformal prediction; Romano,
        Patterson and Candes, 2019, one side at a time).
        """
        errors = (actual[None] - past.quantiles) / spread[None, :, None]
        shifts = np.zeros(len(LEVELS))
        if len(actual) >= _DAYS_MIN:
            for n, level in enumerate(LEVELS.tolist()):
                own = np.sort(errors[n][~np.isnan(errors[n])])
                rank = int(np.ceil((len(own) + 1) * level))
                if len(own):
                    shifts[n] = own[min(rank, len(own)) - 1]
        return cls(shifts)

    def calibrated(self, prediction: Prediction, spread: Values) -> Prediction:
        """The prediction with its quantiles moved; what is expected stays."""
        moved = prediction.quantiles + self.shifts[:, None, None] * spread[None, :, None]
        return Prediction(prediction.expected, monotone(moved))
