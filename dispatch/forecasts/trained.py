"""Members that learned, weighed by the value that they captured, with calibrated quantiles and scores."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import msgspec
import numpy as np

from dispatch.forecasts.blend import Blend, unbeaten, values_of
from dispatch.forecasts.calibration import Calibration
from dispatch.forecasts.day_table import Values
from dispatch.forecasts.drifting import WATCHED_DAYS, drift_of
from dispatch.forecasts.forecast import Drift, MemberShare, Scores
from dispatch.forecasts.members.listed import MEMBERS
from dispatch.forecasts.members.member import Fitted, Member
from dispatch.forecasts.past import Past
from dispatch.forecasts.prediction import LEVELS, Prediction, pinball
from dispatch.forecasts.rolling_origin import Rolled, rolled
from dispatch.forecasts.worth import Worth, best_of, captured_permille, earned
from ledger.refusal import Refused

JUDGED_DAYS: Final = 84
"""Over how many past days members are judged, where so many are known."""

_JUDGED_DAYS_MIN: Final = 14
_WEEK: Final = 7
_PERMILLE: Final = 1000


class Trained(msgspec.Struct, frozen=True, eq=False):
    """`seen` are the days that members were judged by; None where too few are known. `fits` are the members
    as they learned, by how many days ahead they forecast: one that is not there is learned when it is asked.
    """

    past: Past
    members: tuple[Member, ...]
    blend: Blend
    calibration: Calibration
    shares: tuple[MemberShare, ...]
    scores: Scores | None
    drift: Drift | None
    seen: Rolled | None
    fits: dict[int, tuple[Fitted, ...]]

    def later(self, past: Past) -> Trained:
        """The same members, weights and fits, of a past that knows more: it bends none of them.

        What it learns itself, for days farther ahead, is its own: a past between the two knows less.
        """
        return msgspec.structs.replace(self, past=past, fits=dict(self.fits))

    def predict(self, day: date) -> Prediction:
        """One day after the last known one.

        Raises:
            Refused: `forecast_horizon` for a day that is known already."""
        lead = (day - self.past.last).days
        if lead < 1:
            raise Refused("forecast_horizon", f"{day} is known whole already", place="first")
        if lead not in self.fits:
            self.fits[lead] = tuple(one.fit(self.past, lead) for one in self.members)
        parts = tuple(one.predict(self.past, day, day) for one in self.fits[lead])
        return self.calibration.calibrated(self.blend.of(parts), spread_of(self.past, day, day, lead))


def trained(past: Past, worth: Worth, lead: int, members: Sequence[Member] = MEMBERS) -> Trained:
    """Judge the members on the days before, weigh them, and calibrate the blend.

    Members that need more days than are known are left out. `lead` is that of the first day to come.

    Raises:
        Refused: `forecast_history` where no member has days enough.
    """
    known = (past.last - past.days.first).days + 1
    # A fit learns from days that were a lead ahead of what was known: the longer that is, the fewer are left.
    ahead = lead + max(0, lead - _WEEK)
    ready = tuple(one for one in members if one.days_min + ahead + _WEEK + _JUDGED_DAYS_MIN <= known)
    if not ready:
        ready = tuple(one for one in members if one.days_min <= known)[:2]
        if not ready:
            raise Refused("forecast_history", f"{known} days are known", place="subject")
        count = len(ready)
        shares = _shares(ready, np.full(count, 1 / count), [None] * count)
        none = Calibration(np.zeros(len(LEVELS)))
        return Trained(past, ready, Blend(np.full(count, 1 / count), 0), none, shares, None, None, None, {})
    judged = min(JUDGED_DAYS, known - max(one.days_min for one in ready) - ahead - _WEEK)
    first = past.last - timedelta(days=judged - 1)
    seen = rolled(past, ready, lead, first, past.last)
    # What comes after weeks of which nothing is known was foreseen by nobody, and judges nobody.
    blind = ~past.foreseen(first, past.last, lead)
    seen = msgspec.structs.replace(seen, actual=np.where(blind[:, None], np.nan, seen.actual))
    best = best_of(worth, seen.actual)
    blend, alone = weighed(seen, worth, values_of(seen, worth))
    mixed = blend.of(seen.predictions)
    spread = spread_of(past, first, past.last, lead)
    calibration = Calibration.of(mixed, seen.actual, spread)
    shares = _shares(ready, blend.weights, [captured_permille(one, best) for one in alone])
    captured = captured_permille(earned(worth, mixed.expected, seen.actual), best)
    scores, losses = _scores(mixed, seen.actual, spread, captured)
    return Trained(past, ready, blend, calibration, shares, scores, drift_of(losses), seen, {})


def weighed(seen: Rolled, worth: Worth, values: Values) -> tuple[Blend, list[float]]:
    """The blend to issue after those days, and what each member alone earned on them; `values` as `values_of`
    has them."""
    alone = [earned(worth, one.expected, seen.actual) for one in seen.predictions]

    def blended(one: Blend) -> float:
        return earned(worth, one.of(seen.predictions).expected, seen.actual)

    # A day of which a slot is not known counts for nothing: it is none of those that weights are chosen on.
    whole = ~np.isnan(seen.actual).any(axis=1)
    return unbeaten(values[:, whole], alone, blended), alone


def spread_of(past: Past, first: date, last: date, lead: int) -> Values:
    """How far values were spread in the weeks known before each day."""
    return past.levels(first, last, lead)[1]


def _scores(mixed: Prediction, actual: Values, spread: Values, captured: int | None) -> tuple[Scores, Values]:
    """Scores of all days, and each day's loss; coverage is of days that the calibration had not seen."""
    watched = max(min(WATCHED_DAYS, len(actual) // 2), 1)
    cut = len(actual) - watched
    before = Calibration.of(
        Prediction(mixed.expected[:cut], mixed.quantiles[:, :cut]), actual[:cut], spread[:cut]
    )
    told = before.calibrated(mixed, spread)
    known = ~np.isnan(actual)
    late = known & (np.arange(len(actual)) >= cut)[:, None]
    inside = (actual >= told.quantiles[0]) & (actual <= told.quantiles[-1])
    loss = pinball(np.where(known, actual, told.expected), told.quantiles)
    each = np.where(known.any(axis=1), (loss * known).sum(axis=1) / np.maximum(known.sum(axis=1), 1), np.nan)
    found = Scores(
        days=len(actual),
        captured_permille=captured,
        error=_rounded(np.abs(actual - mixed.expected)[known]),
        pinball=_rounded(loss[known]),
        covered_permille=round(_PERMILLE * float(inside[late].mean())) if late.any() else 0,
        wanted_permille=round(_PERMILLE * float(LEVELS[-1] - LEVELS[0])),
    )
    return found, each


def _rounded(values: Values) -> int:
    return round(float(values.mean())) if len(values) else 0


def _shares(
    members: Sequence[Member], weights: Values, captured: Sequence[int | None]
) -> tuple[MemberShare, ...]:
    """Weights in whole thousandths that sum to 1000."""
    ends = np.rint(np.cumsum(weights) * _PERMILLE).astype(int).tolist()
    return tuple(
        MemberShare(member.name, end - begin, part)
        for member, begin, end, part in zip(members, [0, *ends[:-1]], ends, captured, strict=True)
    )
