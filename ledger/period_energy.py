"""Summing a month's interval energies per time-of-use period, for many sites at once."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.period_schedule import PERIODS
from ledger.refusal import Refused
from ledger.tariff import MonthPrices

_INT64: Final = 2**63
_ROWS: Final = 64
"""Profiles summed at a time: this many months of quarter-hours stay in the processor's cache."""


class PeriodEnergy(msgspec.Struct, frozen=True, eq=False):
    """Per site and period (columns in the order of PERIODS): what crossed the grid meter each way, in Wh."""

    imported_wh: npt.NDArray[np.int64]
    exported_wh: npt.NDArray[np.int64]


def energy_by_period(profiles: npt.NDArray[np.int64], prices: MonthPrices) -> PeriodEnergy:
    """Sum net-import profiles (sites x intervals, Wh, export below zero) per period; exact.

    Only energies are summed in 64 bits, and it is checked before that max|e| x intervals fits; a period
    has one price, so energy x price is formed afterwards in Python's unbounded integers.

    Raises:
        Refused: `profile` for another type or shape, `energy_range` for values whose sums could leave
            64 bits.
    """
    one_way = _checked_lowest(profiles, prices) >= 0
    changes = np.flatnonzero(np.diff(prices.period)) + 1
    starts = np.concatenate([np.zeros(1, dtype=np.int64), changes])
    period_of_run = prices.period[starts]
    imported = np.zeros((len(profiles), len(PERIODS)), dtype=np.int64)
    exported = np.zeros_like(imported)
    for row in range(0, len(profiles), _ROWS):
        chunk = profiles[row : row + _ROWS]
        net = np.add.reduceat(chunk, starts, axis=1)
        taken = net if one_way else np.add.reduceat(np.maximum(chunk, 0), starts, axis=1)
        for index in np.unique(period_of_run).tolist():
            runs = period_of_run == index
            imported[row : row + _ROWS, index] = taken[:, runs].sum(axis=1)
            exported[row : row + _ROWS, index] = imported[row : row + _ROWS, index] - net[:, runs].sum(axis=1)
    return PeriodEnergy(imported, exported)


def _checked_lowest(profiles: npt.NDArray[np.int64], prices: MonthPrices) -> int:
    """The lowest energy of profiles that are in order."""
    if profiles.dtype != np.int64:
        raise Refused("profile", f"a profile is whole Wh as int64, not {profiles.dtype}")
    intervals = len(prices.period)
    if profiles.ndim != 2 or profiles.shape[1] != intervals:
        raise Refused(
            "profile",
            f"a profile of {prices.month} has {intervals} intervals of {prices.interval_s} s, "
            f"not {profiles.shape[-1] if profiles.ndim else 0}",
        )
    lowest, highest = int(profiles.min(initial=0)), int(profiles.max(initial=0))
    if max(highest, -lowest) * intervals >= _INT64:
        raise Refused("energy_range", "the energies are too large to be summed in 64 bits")
    return lowest


def peak_wh(
    profiles: npt.NDArray[np.int64], interval_s: int, demand_interval_s: int
) -> npt.NDArray[np.int64]:
    """Each site's largest net import in a block of `demand_interval_s`, in Wh; never below zero.

    Raises:
        Refused: `demand_interval` when the profile's intervals are longer than the blocks or do not fill
            them: an hour's mean says nothing of its quarter-hours.
    """
    blocks, rest = divmod(demand_interval_s, interval_s)
    if rest:
        raise Refused(
            "demand_interval",
            f"{interval_s} s of a profile do not make up the {demand_interval_s} s of demand",
        )
    sums = profiles if blocks == 1 else profiles.reshape(len(profiles), -1, blocks).sum(axis=2)
    largest: npt.NDArray[np.int64] = np.maximum(sums.max(axis=1), 0)
    return largest
