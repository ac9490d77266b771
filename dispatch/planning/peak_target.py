"""Which monthly peak to aim at: what a lower one saves, against the arbitrage that it costs."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from dispatch.plan_check import Whole
from dispatch.planning.reserve import PeakStorage, needed_wh, reached_w
from ledger.refusal import Refused

_CANDIDATES: Final = 48
_PPM: Final = 1_000_000
_K: Final = 1000
_FULL: Final = 1000
_PERMILLE: Final = 1000
_LATE_PERMILLE: Final = 300
"""Of the way from what a day could be held at, had it been known, to the peak once the storage is empty."""


class PeakTarget(msgspec.Struct, frozen=True):
    """The mean import to hold, W, and per month, in 10^-6 of money, what it is expected to cost.

    `demand_micro` is the expected demand charge, `lost_micro` the arbitrage that is not done because energy
    is kept for peaks.
    """

    target_w: int
    demand_micro: int
    lost_micro: int


def peak_target(
    storage: PeakStorage,
    days_w: Whole,
    buy_micro: Whole,
    *,
    days_left: int,
    peak_w: int,
    peak_price_micro: int,
) -> PeakTarget:
    """The target of least expected cost, where every day left is a draw from the past days `days_w`.

    `days_w` is days x intervals; `buy_micro` 10^-6 of money per kWh of such a day, `peak_price_micro` per kW
    and month; `peak_w` the month's peak so far, below which no target makes sense. A day whose peak the full
    storage cannot hold at the target reaches what it can hold, and part of what is above: the target is
    raised late. Energy kept across a fall of the price could
    have been sold before it and bought again after.

    Raises:
        Refused: `peak_days` without a past day, or a day left.
    """
    if not len(days_w) or days_left < 1:
        raise Refused("peak_days", "one or more past days, and days left", place="days_w")
    highest = max(int(days_w.max()), peak_w)
    lowest = max(peak_w, int(days_w.max()) - storage.discharge_w, 0)
    lowest = min(lowest, highest)
    levels = np.unique(np.linspace(lowest, highest, _CANDIDATES).astype(np.int64))
    recharge = np.full(days_w.shape[1], _FULL)
    each = np.tile(days_w, (len(levels), 1))
    needs = needed_wh(storage, each, np.repeat(levels, len(days_w))[:, None], recharge)
    needs = needs.reshape(len(levels), len(days_w), -1)
    emptied = reached_w(storage, each, storage.usable_wh, np.repeat(levels, len(days_w)), recharge)
    reached = _reached(storage, days_w, levels, needs)
    reached += (emptied.reshape(reached.shape) - reached).clip(min=0) * _LATE_PERMILLE // _PERMILLE
    demand = np.array([_expected_highest(np.maximum(row, peak_w), days_left) for row in reached])
    paid = demand * peak_price_micro / _K
    lost = _lost(storage, np.minimum(needs, storage.usable_wh), buy_micro) * days_left
    best = int(np.argmin(paid + lost))
    return PeakTarget(int(levels[best]), round(float(paid[best])), round(float(lost[best])))


def _reached(storage: PeakStorage, days_w: Whole, levels: Whole, needs: Whole) -> Whole:
    """Targets x days: the peak of each day when the storage begins it full."""
    tops = days_w.max(axis=1)
    fits = needs[:, :, 0] <= storage.usable_wh
    fits &= tops - storage.discharge_w <= levels[:, None]
    first = np.where(fits.any(axis=0), levels[np.argmax(fits, axis=0)], tops)
    found: Whole = np.minimum(np.maximum(levels[:, None], first), tops)
    return found


def _expected_highest(peaks_w: Whole, draws: int) -> float:
    """The mean of the highest of so many draws, exactly: P(highest <= v) is P(one <= v) to their number."""
    ordered = np.sort(peaks_w)
    below = (np.arange(len(ordered) + 1) / len(ordered)) ** draws
    return float((ordered * np.diff(below)).sum())


def _lost(storage: PeakStorage, needs: Whole, buy_micro: Whole) -> np.typing.NDArray[np.float64]:
    """Per target, the mean day's loss in 10^-6 of money."""
    sold = buy_micro[:-1] * storage.discharge_efficiency_ppm / _PPM
    bought = buy_micro[1:] * _PPM / storage.charge_efficiency_ppm
    falls = np.maximum(sold - bought, 0.0)
    found: np.typing.NDArray[np.float64] = (needs[:, :, 1:-1] * falls).sum(axis=2).mean(axis=1) / _K
    return found
