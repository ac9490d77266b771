"""What an interval of an OpenADR 3 event asks for: a type and exact values, with units and currency.

Types and bounds are those of the specification's event enumeration; a type that it does not list is private
between a VTN and its VENs and is passed on as given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Final, NamedTuple

import msgspec

from adapters.gateway.openadr3 import wire
from ledger.quantity import PRICE_SCALE_MAX, PRICE_SCALE_MIN, Price
from ledger.refusal import Refused

Value = Fraction | str | bool
_NUMBER: Final = re.compile(rb"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,2})?")
_PER_UNIT: Final = {"W": 1, "KW": 1000, "MW": 1_000_000}


class Bounds(NamedTuple):
    low: int | None = None
    high: int | None = None
    whole: bool = False
    many: bool = False
    """More than one value: equal parts of the interval (PRICE, EXPORT_PRICE, GHG)."""


_AMOUNT: Final = Bounds(low=0)
NUMERIC: Final[Mapping[str, Bounds]] = {
    "SIMPLE": Bounds(0, 3, whole=True),
    "PRICE": Bounds(many=True),
    "EXPORT_PRICE": Bounds(many=True),
    "GHG": Bounds(low=0, many=True),
    "CHARGE_STATE_SETPOINT": _AMOUNT,
    "DISPATCH_SETPOINT": Bounds(),
    "DISPATCH_SETPOINT_RELATIVE": Bounds(),
    "CONTROL_LEVEL_OFFSET": Bounds(-10, 10, whole=True),
    "IMPORT_CAPACITY_SUBSCRIPTION": _AMOUNT,
    "IMPORT_CAPACITY_RESERVATION": _AMOUNT,
    "IMPORT_CAPACITY_LIMIT": _AMOUNT,
    "EXPORT_CAPACITY_SUBSCRIPTION": _AMOUNT,
    "EXPORT_CAPACITY_RESERVATION": _AMOUNT,
    "EXPORT_CAPACITY_LIMIT": _AMOUNT,
}
"""Types whose values are numbers, with their bounds. 3.1 bounds the two dispatch setpoints at 0 and 3.0 does
not; a storage is also told to discharge: they are not bounded here."""


class Payload(msgspec.Struct, frozen=True):
    """`values` exact; `units` and `currency` are of the event's descriptor for this type, if it has one."""

    type: str
    values: tuple[Value, ...]
    units: str | None = None
    currency: str | None = None

    def __post_init__(self) -> None:
        if not self.values:
            raise Refused("payload_value", f"{self.type} has no value", place="values")
        bounds = NUMERIC.get(self.type)
        if bounds is None:
            return
        if len(self.values) > 1 and not bounds.many:
            raise Refused("payload_value", f"{self.type} has one value", place="values")
        for number, value in enumerate(self.values):
            _check(self.type, bounds, value, f"values[{number}]")

    @property
    def power_w(self) -> int:
        """The single value as whole watts, of units W, KW or MW.

        Raises:
            Refused: `payload_units`, `payload_value` for part of a watt or a value that is no number.
        """
        per = _PER_UNIT.get(self.units or "")
        if per is None:
            known = ", ".join(_PER_UNIT)
            raise Refused("payload_units", f"{self.units!r} is no power: {known}", place=self.type)
        value = self.values[0]
        watts = value * per if isinstance(value, Fraction) else Fraction(1, 2)
        if watts.denominator != 1:
            raise Refused("payload_value", f"{value} {self.units} is not of whole watts", place=self.type)
        return watts.numerator

    def price(self, number: int = 0) -> Price:
        """A PRICE value as a price per kWh.

        Raises:
            Refused: `payload_units` unless per KWH in a currency, `payload_value` for finer than 10^-9,
                `currency`.
        """
        if self.units != "KWH" or self.currency is None:
            wrong = f"a price per KWH in a currency is expected, not {self.currency} per {self.units}"
            raise Refused("payload_units", wrong, place=self.type)
        value = self.values[number]
        for scale in range(PRICE_SCALE_MIN, PRICE_SCALE_MAX + 1):
            scaled = value * 10**scale if isinstance(value, Fraction) else Fraction(1, 2)
            if scaled.denominator == 1:
                return Price(scaled.numerator, scale, self.currency, "kWh")
        raise Refused("payload_value", f"{value} has more than {PRICE_SCALE_MAX} decimals", place=self.type)


def payload_of(told: wire.ValuesMap, descriptors: Mapping[str, wire.EventPayloadDescriptor]) -> Payload:
    """The payload of an interval, its numbers exact.

    Raises:
        Refused: `payload_value` outside its type's bounds, or a value that is no number, text or truth value.
    """
    about = descriptors.get(told.type)
    units, currency = (None, None) if about is None else (about.units, about.currency)
    values = tuple(value_of(raw, f"{told.type}[{at}]") for at, raw in enumerate(told.values))
    return Payload(told.type, values, units, currency)


def value_of(raw: msgspec.Raw, place: str) -> Value:
    """A JSON value without a float in between.

    >>> value_of(msgspec.Raw(b"0.10"), "v"), value_of(msgspec.Raw(b"-2.5e3"), "v")
    (Fraction(1, 10), Fraction(-2500, 1))

    Raises:
        Refused: `payload_value`.
    """
    text = bytes(raw).strip()
    if _NUMBER.fullmatch(text):
        return Fraction(text.decode())
    if text[:1] == b'"' or text in {b"true", b"false"}:
        found: str | bool = msgspec.json.decode(text, type=str | bool)
        return found
    shown = text[:40].decode(errors="replace")
    raise Refused("payload_value", f"{shown} is not a number, a text or a truth value", place=place)


def raw_number(value: Fraction) -> msgspec.Raw:
    """A JSON number of exactly this value.

    >>> bytes(raw_number(Fraction(12, 1000))), bytes(raw_number(Fraction(-3)))
    (b'0.012', b'-3')

    Raises:
        Refused: `payload_value` when no decimal of 24 places is.
    """
    for places in range(25):
        scaled = value * 10**places
        if scaled.denominator == 1:
            digits = str(abs(scaled.numerator)).rjust(places + 1, "0")
            cut = len(digits) - places
            text = ("-" if value < 0 else "") + digits[:cut] + ("." + digits[cut:] if places else "")
            return msgspec.Raw(text.encode())
    raise Refused("payload_value", f"{value} has no end as a decimal")


def _check(kind: str, bounds: Bounds, value: Value, place: str) -> None:
    if not isinstance(value, Fraction):
        raise Refused("payload_value", f"{kind} is a number, not {str(value)[:40]!r}", place=place)
    below = bounds.low is not None and value < bounds.low
    above = bounds.high is not None and value > bounds.high
    if below or above or (bounds.whole and value.denominator != 1):
        low = "any" if bounds.low is None else str(bounds.low)
        high = "any" if bounds.high is None else str(bounds.high)
        whole = "whole " if bounds.whole else ""
        raise Refused("payload_value", f"{kind} {value} is not a {whole}number {low}..{high}", place=place)
