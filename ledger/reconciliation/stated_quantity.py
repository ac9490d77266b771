"""A quantity as a statement prints it, exact, in one unit of its kind."""

from __future__ import annotations

from fractions import Fraction
from typing import Final, NamedTuple

import msgspec

from ledger.clauses.flow import exact_text
from ledger.refusal import Refused


class Scale(NamedTuple):
    """How many of `unit` one is."""

    unit: str
    factor: Fraction


UNITS: Final = {
    "Wh": Scale("kWh", Fraction(1, 1000)),
    "kWh": Scale("kWh", Fraction(1)),
    "MWh": Scale("kWh", Fraction(1000)),
    "10^4 kWh": Scale("kWh", Fraction(10_000)),
    "W": Scale("kW", Fraction(1, 1000)),
    "kW": Scale("kW", Fraction(1)),
    "MW": Scale("kW", Fraction(1000)),
    "kW.month": Scale("kW.month", Fraction(1)),
    "MW.month": Scale("kW.month", Fraction(1000)),
    "kW.h": Scale("kW.h", Fraction(1)),
    "MW.h": Scale("kW.h", Fraction(1000)),
    "month": Scale("month", Fraction(1)),
    "event": Scale("event", Fraction(1)),
}
"""Units that statements print. Regulation's mileage and reserve are in MW and MW.h (DOMAIN.md 3.6)."""


class StatedQuantity(msgspec.Struct, frozen=True):
    """`value` is a plain decimal of `unit`; above zero with a price above zero is receivable by us."""

    value: str
    unit: str

    def __post_init__(self) -> None:
        if self.unit not in {scale.unit for scale in UNITS.values()}:
            raise Refused("unit", f"{self.unit!r} is not a unit of statements", place="unit")
        self.exact  # noqa: B018 - a value that has none is refused here

    @property
    def exact(self) -> Fraction:
        return Fraction(self.value)

    def __str__(self) -> str:
        return f"{self.value} {self.unit}"


def stated(value: Fraction, unit: str) -> StatedQuantity:
    """`value` of any unit in `UNITS`, in the one unit of its kind.

    >>> str(stated(Fraction("12.345"), "MWh"))
    '12345 kWh'

    Raises:
        Refused: `unit`.
    """
    scale = _scale(unit)
    return StatedQuantity(exact_text(value * scale.factor), scale.unit)


def price_per(value: Fraction, unit: str) -> Fraction:
    """A price for one `unit`, as the price for the one unit of its kind.

    >>> price_per(Fraction("412.345"), "MWh")
    Fraction(82469, 200000)

    Raises:
        Refused: `unit`.
    """
    return value / _scale(unit).factor


def decimals_hint(step: Fraction, unit: str) -> str:
    """What a profile states where a file prints quantities in whole steps of the one unit of its kind.

    >>> decimals_hint(Fraction(10), "kWh"), decimals_hint(Fraction(1, 10), "month")
    ('quantity_decimals = 2 where they are in MWh', 'quantity_decimals = 1')
    """
    decimals = len(str(step.denominator)) - len(str(step.numerator))
    if f"M{unit[1:]}" in UNITS and decimals >= -_MEGA:
        return f"quantity_decimals = {decimals + _MEGA} where they are in M{unit[1:]}"
    return f"quantity_decimals = {decimals}" if decimals >= 0 else "quantity_decimals"


_MEGA: Final = 3
"""Decimals between kilo and mega."""


def _scale(unit: str) -> Scale:
    if unit not in UNITS:
        raise Refused("unit", f"{unit!r} is not one of {', '.join(UNITS)}", place="unit")
    return UNITS[unit]
