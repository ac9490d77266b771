"""Alarms before failure: a value of each day that grows towards a threshold, told while there is time.

The method: the last `window` daily values; Kendall's S says whether they rise at all, and the line of Theil
and Sen, the median of the slopes between all pairs of days, says when the threshold is crossed. Both look at
ranks and medians, so that a few days that were read wrongly move neither. Whole numbers and fractions
throughout.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import combinations
from math import lcm
from statistics import median
from typing import Final, Literal

import msgspec

from ledger.refusal import Refused

Z_SQUARED: Final = Fraction(664, 100)
"""2.576 squared: a rise that chance makes in one of 200 windows is not told (one-sided)."""


class TrendRule(msgspec.Struct, frozen=True, kw_only=True):
    """`threshold` is what must not be crossed, upwards or downwards; `horizon_days` how long before it an
    alarm is wanted. Of a window's days at least `days_min` have a value."""

    threshold: int
    way: Literal["up", "down"] = "up"
    window_days: int = 30
    days_min: int = 14
    horizon_days: int = 30

    def __post_init__(self) -> None:
        if not 8 <= self.days_min <= self.window_days <= 400:
            raise Refused("trend_window", "8 to 400 days, and no more of them needed", place="days_min")
        if not 1 <= self.horizon_days <= 400:
            raise Refused("trend_window", "1 to 400 days", place="horizon_days")


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """What is found on a day. `slope` a day and `level` are of the line; `crosses_in` days from that day, 0
    where it is crossed already; None while nothing rises for certain, or not within the horizon."""

    slope: Fraction
    level: Fraction
    certain: bool
    crosses_in: int | None


def trend(values: Mapping[int, int], today: int, rule: TrendRule) -> Trend | None:
    """On day `today`, of the values by day number; None where too few days have one: missing is not zero.

    >>> rule = TrendRule(threshold=100, window_days=10, days_min=8)
    >>> trend({day: 50 + 2 * day for day in range(10)}, 9, rule).crosses_in
    16
    """
    sign = 1 if rule.way == "up" else -1
    days = sorted(day for day in values if today - rule.window_days < day <= today)
    if len(days) < rule.days_min:
        return None
    points = [(day, sign * values[day]) for day in days]
    # Whole numbers of one denominator sort many times faster than fractions.
    whole = lcm(*range(1, days[-1] - days[0] + 1))
    slopes = [
        (late - early) * (whole // (end - start)) for (start, early), (end, late) in combinations(points, 2)
    ]
    slope = _middle(slopes) / whole
    level = median(Fraction(value) - slope * (day - today) for day, value in points)
    certain = _rises(points)
    left = sign * rule.threshold - level
    crosses: int | None = None
    if certain and left <= 0:
        crosses = 0
    elif certain and slope > 0 and left <= slope * rule.horizon_days:
        crosses = -(-left.numerator * slope.denominator // (left.denominator * slope.numerator))
    return Trend(slope=sign * slope, level=sign * level, certain=certain, crosses_in=crosses)


def _middle(values: list[int]) -> Fraction:
    ordered = sorted(values)
    return Fraction(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2], 2)


def _rises(points: list[tuple[int, int]]) -> bool:
    """Kendall's S against its deviation under chance, ties left in (which makes it harder to be certain)."""
    score = sum((late > early) - (late < early) for (_, early), (_, late) in combinations(points, 2))
    count = len(points)
    variance = Fraction(count * (count - 1) * (2 * count + 5), 18)
    return score > 0 and (score - 1) ** 2 > Z_SQUARED * variance
