"""How members would have done: each past day forecast from what was known its lead before it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import msgspec
import numpy as np

from dispatch.forecasts.day_table import Values
from dispatch.forecasts.members.member import Member
from dispatch.forecasts.past import Past
from dispatch.forecasts.prediction import Prediction

REFIT_DAYS: Final = 28
"""How long a fit is used before the members learn again."""


class Rolled(msgspec.Struct, frozen=True, eq=False):
    """Members' predictions of days that their fits had not seen, and what came; days x slots."""

    first: date
    actual: Values
    predictions: tuple[Prediction, ...]

    @property
    def days(self) -> int:
        """How many days were forecast."""
        return len(self.actual)

    def part(self, begin: int, end: int) -> Rolled:
        """The days from number `begin` up to `end`, which is not in it."""
        cut = tuple(Prediction(p.expected[begin:end], p.quantiles[:, begin:end]) for p in self.predictions)
        return Rolled(self.first + timedelta(days=begin), self.actual[begin:end], cut)


def rolled(
    past: Past, members: Sequence[Member], lead: int, first: date, last: date, refit_days: int = REFIT_DAYS
) -> Rolled:
    """Forecast every day from `first` to `last`, learning again every `refit_days`.

    A fit sees days up to `lead` before the first day that it forecasts; each forecast, days up to `lead`
    before its own.
    """
    found: list[list[Prediction]] = [[] for _ in members]
    day = first
    while day <= last:
        until = min(day + timedelta(days=refit_days - 1), last)
        seen = past.until(day - timedelta(days=lead))
        known = past.until(until - timedelta(days=lead))
        for own, member in zip(found, members, strict=True):
            own.append(member.fit(seen, lead).predict(known, day, until))
        day = until + timedelta(days=1)
    joined = tuple(
        Prediction(
            np.concatenate([p.expected for p in own]), np.concatenate([p.quantiles for p in own], axis=1)
        )
        for own in found
    )
    return Rolled(first, past.days.between(first, last), joined)
