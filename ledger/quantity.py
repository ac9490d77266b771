"""Money and prices as exact integers. Energy is an `int` in watt-hours (`_wh`), power in watts (`_w`).

No float ever enters: a mean or a quotient stays a `Fraction` and is rounded once, by the
settlement rule of DOMAIN.md 3.0 (half away from zero, on the currency's minor unit).
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from typing import Final, Self

import msgspec

from ledger.refusal import Refused

MINOR_DIGITS: Final = {"CNY": 2, "EUR": 2, "USD": 2, "AUD": 2, "GBP": 2, "JPY": 0, "TWD": 2}
"""Decimal places of each currency's minor unit (ISO 4217)."""

_DECIMAL = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


def exact(text: str) -> Fraction:
    """The exact value of a plain decimal such as `-0.273715`.

    No exponent, no thousands separator, no blank: `1,234.5` and `1e3` are refused.

    Raises:
        Refused: `number` when the text is anything else.
    """
    if not _DECIMAL.fullmatch(text):
        raise Refused("number", f"{text!r} is not a plain decimal number such as 1234.5")
    return Fraction(text)


def round_half_away(value: Fraction) -> int:
    """The nearest integer, halves away from zero.

    >>> round_half_away(Fraction(5, 2)), round_half_away(Fraction(-5, 2)), round_half_away(Fraction(12, 5))
    (3, -3, 2)
    """
    return _rounded(*value.as_integer_ratio())


def _rounded(numerator: int, denominator: int) -> int:
    magnitude = (2 * abs(numerator) + denominator) // (2 * denominator)
    return magnitude if numerator >= 0 else -magnitude


class Money(msgspec.Struct, frozen=True, order=False):
    """An amount in whole minor units of one currency; positive is receivable to the party named.

    >>> str(Money.round(Fraction("31975.237"), "CNY"))
    '31975.24'
    """

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if self.currency not in MINOR_DIGITS:
            raise Refused("currency", f"{self.currency!r} is not one of {', '.join(MINOR_DIGITS)}")

    @classmethod
    def zero(cls, currency: str) -> Self:
        return cls(0, currency)

    @classmethod
    def round(cls, value: Fraction, currency: str) -> Self:
        """`value` in major units, rounded once, half away from zero, to the minor unit."""
        if currency not in MINOR_DIGITS:
            raise Refused("currency", f"{currency!r} is not one of {', '.join(MINOR_DIGITS)}")
        numerator, denominator = value.as_integer_ratio()
        return cls(_rounded(numerator * 10 ** MINOR_DIGITS[currency], denominator), currency)

    @classmethod
    def parse(cls, text: str, currency: str) -> Self:
        """A decimal with no more places than the currency has.

        Raises:
            Refused: `number` for text that is not a plain decimal, `money` for too many places.
        """
        value = exact(text)
        money = cls.round(value, currency)
        if money.exact != value:
            raise Refused("money", f"{text} has more decimals than {currency} has")
        return money

    @property
    def exact(self) -> Fraction:
        """The amount in major units."""
        return Fraction(self.minor, 10 ** MINOR_DIGITS[self.currency])

    def _same(self, other: Money) -> None:
        if self.currency != other.currency:
            raise Refused("currency", f"{self.currency} and {other.currency} do not add")

    def __add__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.minor - other.minor, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __str__(self) -> str:
        return decimal_text(self.minor, MINOR_DIGITS[self.currency])

    def __format__(self, spec: str) -> str:
        """With `,` as people are told it, a comma at each thousand; without as programs read it.

        >>> f"{Money(-123456789, 'CNY'):,} {Money(-123456789, 'CNY')}"
        '-1,234,567.89 -1234567.89'
        """
        return f"{Decimal(str(self)):{spec}}" if spec else str(self)


def decimal_text(mantissa: int, scale: int) -> str:
    """`mantissa` x 10^-scale as a decimal, exactly.

    >>> decimal_text(-5, 2), decimal_text(0, 0)
    ('-0.05', '0')
    """
    digits = str(abs(mantissa)).rjust(scale + 1, "0")
    sign = "-" if mantissa < 0 else ""
    return f"{sign}{digits[: len(digits) - scale]}.{digits[-scale:]}" if scale else sign + digits


PRICE_SCALE_MIN: Final = 6
PRICE_SCALE_MAX: Final = 9


class Price(msgspec.Struct, frozen=True):
    """`mantissa` x 10^-scale of a currency per `unit`; scale 6 to 9, so that Wh x price is exact.

    >>> Price.parse("0.671413", "CNY", "kWh").mantissa
    671413
    """

    mantissa: int
    scale: int
    currency: str
    unit: str
    """kWh, kW.month, kVA.month, kWh.month, kWh.year or kW.year."""

    def __post_init__(self) -> None:
        if not PRICE_SCALE_MIN <= self.scale <= PRICE_SCALE_MAX:
            raise Refused("price_scale", f"{self.scale} is not {PRICE_SCALE_MIN}..{PRICE_SCALE_MAX}")
        if self.currency not in MINOR_DIGITS:
            raise Refused("currency", f"{self.currency!r} is not one of {', '.join(MINOR_DIGITS)}")
        if self.unit not in PRICE_UNITS:
            raise Refused("unit", f"{self.unit!r} is not one of {', '.join(sorted(PRICE_UNITS))}")

    @classmethod
    def parse(cls, text: str, currency: str, unit: str) -> Self:
        """A decimal of at most nine places.

        Raises:
            Refused: `number` or `price_scale`.
        """
        value = exact(text)
        scale = max(PRICE_SCALE_MIN, len(text.partition(".")[2].rstrip("0")))
        if scale > PRICE_SCALE_MAX:
            raise Refused("price_scale", f"{text} has more than {PRICE_SCALE_MAX} decimals")
        return cls((value * 10**scale).numerator, scale, currency, unit)

    @property
    def exact(self) -> Fraction:
        """The price in major units per unit."""
        return Fraction(self.mantissa, 10**self.scale)

    def __str__(self) -> str:
        return decimal_text(self.mantissa, self.scale)


PRICE_UNITS: Final = frozenset({"kWh", "kW.month", "kVA.month", "kWh.month", "kWh.year", "kW.year", "kW"})
