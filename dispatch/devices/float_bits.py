"""IEEE 754 numbers in registers as exact fractions, and back: no float is made in between."""

from __future__ import annotations

from fractions import Fraction
from typing import Final, NamedTuple

from ledger.refusal import Refused


class FloatForm(NamedTuple):
    """One binary format: bits of the exponent and of the stored fraction (IEEE 754-2019, table 3.5)."""

    exponent: int
    fraction: int

    @property
    def bias(self) -> int:
        return int(2 ** (self.exponent - 1)) - 1


FLOAT32: Final = FloatForm(8, 23)
FLOAT64: Final = FloatForm(11, 52)


def number_of(bits: int, form: FloatForm) -> Fraction | None:
    """The number that the bits stand for; None for NaN and the infinities.

    >>> number_of(0x3FC00000, FLOAT32), number_of(0x7FC00000, FLOAT32)
    (Fraction(3, 2), None)
    """
    fraction = bits & (1 << form.fraction) - 1
    exponent = bits >> form.fraction & (1 << form.exponent) - 1
    if exponent == (1 << form.exponent) - 1:
        return None
    if exponent:
        fraction |= 1 << form.fraction
    power = max(exponent, 1) - form.bias - form.fraction
    number = Fraction(fraction << power) if power >= 0 else Fraction(fraction, 1 << -power)
    return -number if bits >> form.fraction + form.exponent else number


def bits_of(number: Fraction, form: FloatForm) -> int:
    """The bits of the nearest number of the format, halves to the even one.

    >>> hex(bits_of(Fraction(3, 2), FLOAT32))
    '0x3fc00000'

    Raises:
        Refused: `value_range` when it is beyond the format's largest.
    """
    sign = 1 << form.fraction + form.exponent if number < 0 else 0
    size = abs(number)
    lowest = 1 - form.bias - form.fraction
    power = size.numerator.bit_length() - size.denominator.bit_length() - form.fraction - 1
    power = max(power, lowest)
    whole = _rounded(size, power)
    while whole >> form.fraction + 1:
        power += 1
        whole = _rounded(size, power)
    # A subnormal has no leading one, which the addition below would otherwise carry into the exponent.
    exponent = power - lowest if whole >> form.fraction else -1
    if exponent + 1 >= (1 << form.exponent) - 1:
        raise Refused("value_range", f"{number} is beyond the largest number of the register's type")
    return sign | ((exponent << form.fraction) + whole if exponent >= 0 else whole)


def _rounded(size: Fraction, power: int) -> int:
    """`size` in units of 2^`power`, halves to the even."""
    return round(size / (1 << power) if power >= 0 else size * (1 << -power))
