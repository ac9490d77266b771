"""Decimal text in a file's unit to whole Wh (or varh), exactly, with the rounding drift kept."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from ledger.readings import REACTIVE, WH_MAX, Register
from ledger.refusal import Refused

Unit = Literal["Wh", "kWh", "MWh", "W", "kW", "MW", "varh", "kvarh", "Mvarh", "var", "kvar", "Mvar"]

_PREFIX: Final = {"": 1, "k": 1000, "M": 1000_000}
DIGITS_MAX: Final = 30
"""The longest number that is read; the largest stored energy has ten digits."""

_NUMBER: Final = re.compile(r"([+-]?)(\d*)(?:\.(\d+))?", re.ASCII)

Ints = npt.NDArray[np.int64]


def decimal_of(text: str, mark: str = ".") -> tuple[int, int]:
    """The decimal as (mantissa, places): value = mantissa / 10^places.

    `mark` is the decimal character; NEM12 files also write `.005`.

    >>> decimal_of("-12.50"), decimal_of(".005"), decimal_of("3,5", ",")
    ((-1250, 2), (5, 3), (35, 1))

    Raises:
        Refused: `number` for thousands separators, exponents, NaN, Infinity and anything else.
    """
    plain = text if mark == "." else text.replace(".", "?").replace(mark, ".")
    match = _NUMBER.fullmatch(plain)
    if match is None or len(text) > DIGITS_MAX or not (match[2] or match[3]):
        raise Refused("number", f"{text[:40]!r} is not a plain decimal such as 1234{mark}5: {_why(text)}")
    fraction = match[3] or ""
    magnitude = int(match[2] + fraction)
    return (-magnitude if match[1] == "-" else magnitude), len(fraction)


def _why(text: str) -> str:
    if len(text) > DIGITS_MAX:
        return f"longer than {DIGITS_MAX} characters"
    if re.fullmatch(r"[+-]?\d{1,3}([,.' ]\d{3})+([.,]\d+)?", text, re.ASCII):
        return "thousands separators are not accepted"
    if re.fullmatch(r"[+-]?[\d.]+[eE][+-]?\d+", text, re.ASCII):
        return "exponents are not accepted"
    if text.lower().lstrip("+-") in {"nan", "inf", "infinity", "null", "none"}:
        return "if it stands for no value, list it under missing_values"
    return "digits with at most one decimal mark"


class Conversion:
    """From a column's unit to whole Wh of one interval; remembers the drift of its rounding.

    Power counts as the mean of the interval: energy = power x interval. `scale` multiplies every
    value (a per-unit profile's peak, or CT x PT).
    """

    def __init__(self, unit: Unit, scale: Fraction, interval_s: int) -> None:
        if scale <= 0:
            raise Refused("scale", f"{scale} is not above 0", place="scale")
        prefix = next(p for p in ("k", "M", "") if unit.startswith(p))
        factor = _PREFIX[prefix] * scale
        if not unit.endswith("h"):
            factor = factor * interval_s / 3600
        self._numerator, self._denominator = factor.numerator, factor.denominator
        self._drift: dict[int, int] = {}

    @property
    def drift_wh(self) -> Fraction:
        """The sum of (rounded - exact) so far, in Wh."""
        return sum((Fraction(part, whole) for whole, part in self._drift.items()), Fraction(0))

    def wh(self, mantissa: int, places: int) -> int:
        """Whole Wh of one value >= 0, halves up; a finer remainder goes into the drift.

        Raises:
            Refused: `reading_range` above what a reading can hold.
        """
        numerator = mantissa * self._numerator
        denominator = self._denominator * int(10**places)
        rounded = (2 * numerator + denominator) // (2 * denominator)
        if rounded > WH_MAX:
            raise Refused("reading_range", f"{rounded} is above {WH_MAX} Wh in one interval")
        if drift := rounded * denominator - numerator:
            self._drift[denominator] = self._drift.get(denominator, 0) + drift
        return rounded

    def wh_of_many(self, mantissa: Ints, places: int) -> Ints | None:
        """As `wh` for many values with the same places; None when 64 bits might not hold them."""
        denominator = self._denominator * int(10**places)
        largest = int(mantissa.max(initial=0)) * self._numerator * 2 + denominator
        if largest >= 2**62 or denominator * (len(mantissa) + 1) >= 2**62:
            return None
        numerator = mantissa * np.int64(self._numerator)
        rounded = numerator
        if denominator != 1:
            rounded = (2 * numerator + denominator) // (2 * denominator)
        if int(rounded.max(initial=0)) > WH_MAX:
            return None
        if denominator != 1 and (drift := int((rounded * denominator - numerator).sum())):
            self._drift[denominator] = self._drift.get(denominator, 0) + drift
        return rounded


def check_unit(unit: Unit, register: Register) -> None:
    """An active register takes Wh and W, a reactive one varh and var.

    Raises:
        Refused: `unit`.
    """
    if ("var" in unit) != (register in REACTIVE):
        kind = "varh or var" if register in REACTIVE else "Wh or W"
        raise Refused("unit", f"{register} takes {kind} (with k or M), not {unit}", place="unit")
