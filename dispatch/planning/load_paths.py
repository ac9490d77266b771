"""How a site's load may go on: past days of the same kind, each shifted by what today's load tells so far."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from dispatch.plan_check import Whole
from ledger.refusal import Refused

_DAYS: Final = 30
_DAYS_MIN: Final = 5
_LEVEL: Final = 4
_SLOPE_MAX: Final = 1.1
_SHRINKING: Final = 2
_NOISE_SHARE: Final = 1e-4


class LoadHistory(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """Mean W of every interval from a local midnight up to now, `per_day` a day; each day's kind.

    `kind` has a number for each day that `load_w` touches, today's last: days of one number are alike, 0 is a
    working day, above 0 are kinds of days off (a Saturday, a Sunday), and a day below 0 is not used (values
    are missing, the site stood still).
    """

    load_w: Whole
    per_day: int
    kind: Whole

    def __post_init__(self) -> None:
        if self.per_day < _LEVEL:
            raise Refused("load_history", f"{_LEVEL} or more intervals a day", place="per_day")
        days = len(self.load_w) // self.per_day + 1
        if self.kind.shape != (days,):
            raise Refused("load_history", f"{days} days, today with them", place="kind")
        if self.today < 1:
            raise Refused("load_history", "one or more days before today", place="load_w")

    @property
    def today(self) -> int:
        """Which day is today, the first of the history being 0."""
        return len(self.load_w) // self.per_day

    def alike(self) -> Whole:
        """The latest days before today of today's kind.

        Where they are too few, all days off stand for a day off. How a site works differs more between
        working days and days off than within either, so that even one such day is taken before days of the
        other sort are.

        Raises:
            Refused: `load_history` where not one day can be used.
        """
        before, own = self.kind[: self.today], self.kind[self.today]
        used = before >= 0
        same = np.flatnonzero(used & (before == own))
        if len(same) < _DAYS_MIN:
            same = np.flatnonzero(used & ((before > 0) == (own > 0)))
        if not len(same):
            same = np.flatnonzero(used)
        if not len(same):
            raise Refused("load_history", "one or more days that can be used", place="kind")
        return same[-_DAYS:]


def likely_paths(history: LoadHistory, count: int) -> Whole:
    """Paths x the next `count` intervals, W and never below 0, one path a past day alike.

    A past day went on from a level (the mean of the hour before this time of day) to what followed. How
    much of today's other level stays after so many intervals is the slope of the least squares line over
    the same days, drawn towards 0 as they are few. Yesterday has no past beyond last midnight: it goes on
    as it began.
    """
    days, per_day = history.alike(), history.per_day
    at = days * per_day + len(history.load_w) % per_day
    following = at[:, None] + np.arange(count)
    midnight = history.today * per_day
    beyond = np.maximum(0, following - midnight + per_day) // per_day
    known = history.load_w.astype(np.float64)
    came = known[following - beyond * per_day]
    first = np.maximum(at[:, None] - _LEVEL + np.arange(_LEVEL), 0)
    level = known[first].mean(axis=1)
    now = float(known[-_LEVEL:].mean())
    off, away = level - level.mean(), came - came.mean(axis=0)
    spread = float((off**2).mean()) + _NOISE_SHARE * float(level.mean()) ** 2 + 1.0
    slope = np.clip((off[:, None] * away).mean(axis=0) / spread, 0.0, _SLOPE_MAX)
    slope *= len(days) / (len(days) + _SHRINKING)
    shifted = came + slope * (now - level)[:, None]
    found: Whole = np.maximum(np.rint(shifted), 0).astype(np.int64)
    return found
