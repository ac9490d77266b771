"""Numbers per interval as the optimiser takes them: finite floats of one length, checked once."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from ledger.refusal import Refused

Series = npt.NDArray[np.float64]

LARGEST: Final = 1e9
"""No power, energy or price of a plan is larger: beyond, a solver's tolerances mean nothing."""


def checked_series(
    values: Series, place: str, count: int, *, low: float = -LARGEST, high: float = LARGEST
) -> None:
    """Check one number per interval; the array becomes read-only.

    Raises:
        Refused: `series_shape` for another shape or type, `series_value` for a number that is missing (NaN)
            or outside `low` to `high`; the place names the interval.
    """
    if not isinstance(values, np.ndarray) or values.dtype != np.float64 or values.shape != (count,):
        raise Refused("series_shape", f"{count} numbers as float64, one for each interval", place=place)
    wrong = ~((values >= low) & (values <= high))
    if wrong.any():
        first = int(np.argmax(wrong))
        message = f"{values[first]} is not a number from {low:g} to {high:g}"
        raise Refused("series_value", message, place=f"{place}[{first}]")
    values.setflags(write=False)


def checked_number(value: float, place: str, *, low: float = 0.0, high: float = LARGEST) -> None:
    """Check one number of a site or market.

    Raises:
        Refused: `series_value` for a number that is missing (NaN) or outside `low` to `high`.
    """
    if not math.isfinite(value) or not low <= value <= high:
        raise Refused("series_value", f"{value} is not a number from {low:g} to {high:g}", place=place)
