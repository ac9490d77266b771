"""How much of a month's energy was not measured: the share of estimated and substituted values."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.quantity import decimal_text
from ledger.readings import REACTIVE, Register

ESTIMATED: Final = frozenset("CEFS")
"""All qualities of `ledger.readings` but A: what was not read from a meter that was right."""

_CODES: Final = np.frombuffer("".join(sorted(ESTIMATED)).encode(), dtype=np.uint8)


class EstimatedShare(msgspec.Struct, frozen=True):
    """Counts of intervals that have a value, and of their energy; a missing interval is in neither.

    Reactive registers count in intervals only: varh do not add to Wh.
    """

    intervals: int
    estimated_intervals: int
    wh: int
    estimated_wh: int

    def __add__(self, other: EstimatedShare) -> EstimatedShare:
        return EstimatedShare(
            self.intervals + other.intervals,
            self.estimated_intervals + other.estimated_intervals,
            self.wh + other.wh,
            self.estimated_wh + other.estimated_wh,
        )

    @property
    def of_energy(self) -> Fraction:
        """0 to 1, exact; 0 where there is no energy."""
        return Fraction(self.estimated_wh, self.wh) if self.wh else Fraction(0)

    @property
    def text(self) -> str:
        """The estimated part of the energy in percent, rounded up to a tenth; empty for none.

        >>> EstimatedShare(10, 1, 1000, 25).text, EstimatedShare(10, 0, 1000, 0).text
        ('2.5 %', '')
        """
        return f"{decimal_text(ceil(self.of_energy * 1000), 1)} %" if self.estimated_intervals else ""


NOTHING_MEASURED: Final = EstimatedShare(0, 0, 0, 0)


def estimated_share(
    registers: Sequence[Register], wh: npt.NDArray[np.int64], quality: npt.NDArray[np.uint8]
) -> EstimatedShare:
    """The share over rows of intervals, one a register; below zero or quality 0 is missing.

    `quality` holds the ASCII codes of the letters, as `wh` holds the energies.

    >>> wh = np.array([[100, 300, -1]])
    >>> share = estimated_share(["pv"], wh, np.array([[65, 69, 0]], dtype=np.uint8))
    >>> share.of_energy, share.estimated_intervals
    (Fraction(3, 4), 1)
    """
    assert wh.shape == quality.shape == (len(registers), wh.shape[1])
    assert ((wh >= 0) == (quality != 0)).all(), "a value has a quality, and only a value"
    active = np.array([register not in REACTIVE for register in registers], dtype=np.bool_)
    estimated = np.isin(quality, _CODES)
    energy = np.where((wh >= 0) & active[:, None], wh, 0)
    return EstimatedShare(
        int((wh >= 0).sum()), int(estimated.sum()), int(energy.sum()), int(energy[estimated].sum())
    )
