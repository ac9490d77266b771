"""The energy of missing intervals, in whole Wh that keep the sum (DOMAIN.md 3.11).

A register value R_N between two reads is an exact fraction. It is rounded once, half away from zero, and
an interval's energy is the difference of two rounded values: what one interval loses the next one gets,
so that the intervals add up to the rounded whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from ledger.interval import Interval, interval_starts, zone_of
from ledger.metering.method import FACTOR_DAYS, POINTS_MAX, SIMILAR_DAYS, PvHours
from ledger.readings import WH_MAX, Values
from ledger.refusal import Refused

Active = npt.NDArray[np.bool_]
FACTOR_PERIOD: Final = timedelta(days=FACTOR_DAYS)


def carried(energies: Iterable[int], denominator: int) -> Values:
    """`energies` / `denominator`, each at least zero, as whole Wh with the remainder carried on.

    >>> carried([100, 100, 100], 3).tolist()
    [33, 34, 33]
    >>> carried([1, 1, 1, 1], 2).tolist()
    [1, 0, 1, 0]

    Raises:
        Refused: `reading_range` for an interval's energy that is too large to be one.
    """
    assert denominator > 0
    register = [0, *((2 * total + denominator) // (2 * denominator) for total in accumulate(energies))]
    found = [later - earlier for earlier, later in pairwise(register)]
    if max(found, default=0) > WH_MAX:
        raise Refused("reading_range", f"the method gives {max(found)}, more than {WH_MAX}", place="method")
    return np.array(found, dtype=np.int64)


def active_in(interval: Interval, interval_s: int, zone: str, pv_hours: PvHours | None) -> Active:
    """Which intervals start in PV hours on clocks in `zone`; all of them where no PV hours are given.

    Raises:
        Refused: `interval` when `interval_s` does not divide it.
    """
    starts = interval_starts(interval, interval_s)
    if pv_hours is None:
        return np.ones(len(starts), dtype=np.bool_)
    clocks = zone_of(zone)
    walls = (start.astimezone(clocks).time() for start in starts)
    return np.array([pv_hours.start <= wall < pv_hours.end for wall in walls], dtype=np.bool_)


def linear(total_wh: int, active: Active) -> Values:
    """Equal energies in PV hours and none outside them: a straight line between two register reads.

    Between the reads lie Y missing points and Y+1 intervals. A negative total gives zeros.

    >>> linear(100, np.array([True, True, True])).tolist()
    [33, 34, 33]

    Raises:
        Refused: `too_many_points` for more than 2 missing points in PV hours; `weights` when no interval
            lies in PV hours although there is energy.
    """
    points = int(active.sum()) - 1
    if points > POINTS_MAX:
        raise Refused(
            "too_many_points",
            f"{points} points are missing in PV hours, {POINTS_MAX} at most are interpolated in a straight"
            " line: use a reference meter",
            place="method",
        )
    return _spread(total_wh, active.astype(np.int64))


def by_reference(total_wh: int, reference: Values, active: Active) -> Values:
    """The total spread as the reference meter's intervals were. A negative total gives zeros.

    >>> by_reference(100, np.array([1, 2, 3]), np.array([True, True, True])).tolist()
    [17, 33, 50]

    Raises:
        Refused: `weights` when the reference meter counted nothing although there is energy.
    """
    return _spread(total_wh, np.where(active, reference, 0))


def by_factor(own_wh: int, reference_wh: int, reference: Values, active: Active) -> Values:
    """The reference's intervals times own_wh / reference_wh, the efficiency of the 7 days before.

    >>> by_factor(900, 1000, np.array([10, 15, 20]), np.array([True, True, True])).tolist()
    [9, 14, 18]

    Raises:
        Refused: `weights` when the reference counted nothing in those days.
    """
    if reference_wh <= 0:
        raise Refused("weights", "the reference counted nothing in the 7 days before", place="method")
    return carried((own_wh * wh for wh in np.where(active, reference, 0).tolist()), reference_wh)


def by_similar_days(days: Sequence[Values], active: Active) -> Values:
    """The mean of the same intervals on 4 similar days.

    >>> by_similar_days([np.array([w]) for w in (10, 20, 30, 42)], np.array([True])).tolist()
    [26]
    """
    assert len(days) == SIMILAR_DAYS
    total = np.where(active, np.sum(days, axis=0), 0)
    return carried(total.tolist(), SIMILAR_DAYS)


def flat(active: Active) -> Values:
    """Zeros, for intervals that all lie outside PV hours.

    Raises:
        Refused: `pv_hours` when one of them lies inside.
    """
    if active.any():
        raise Refused("pv_hours", f"{int(active.sum())} intervals lie in PV hours", place="method.pv_hours")
    return np.zeros(len(active), dtype=np.int64)


def corrected(recorded: Values, factor: Fraction) -> Values:
    """What was recorded times a meter error's correction factor (`ErrorMethod.factor`).

    >>> corrected(np.array([1025, 1025]), Fraction(100) / Fraction("102.5")).tolist()
    [1000, 1000]
    """
    return carried((wh * factor.numerator for wh in recorded.tolist()), factor.denominator)


def _spread(total_wh: int, weights: Values) -> Values:
    whole = int(weights.sum())
    if total_wh <= 0:
        return np.zeros(len(weights), dtype=np.int64)
    if whole <= 0:
        raise Refused("weights", f"nothing says when the {total_wh} Wh were", place="method")
    return carried((total_wh * weight for weight in weights.tolist()), whole)
