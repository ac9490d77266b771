"""A key figure that shows how it was computed."""

from __future__ import annotations

from fractions import Fraction
from typing import Final, Literal, get_args

import msgspec

from ledger.clauses.flow import exact_text
from ledger.quantity import decimal_text, round_half_away
from ledger.refusal import Refused

KpiName = Literal[
    "availability",
    "equivalent_cycles",
    "round_trip_efficiency",
    "satisfaction",
    "bill_saving",
    "co2_avoided",
    "simple_return",
    "payback",
    "irr",
    "npv",
    "lcoe",
    "revenue_per_kwh_discharged",
    "revenue_per_kwh_capacity",
    "cost_per_kwh_capacity",
    "entry_capacity",
    "aggregated_change",
    "aggregated_multiple",
]
KPI_NAMES: Final[tuple[KpiName, ...]] = get_args(KpiName)


class KpiInput(msgspec.Struct, frozen=True):
    """One number of the formula: `name` is what it is called there, `value` is exact text."""

    name: str
    value: str
    unit: str

    @property
    def exact(self) -> Fraction:
        return Fraction(self.value)


class Kpi(msgspec.Struct, frozen=True):
    """`value` in `unit` is exactly what `formula` gives for `inputs`; as exact text, see `exact_text`.

    None where the formula has no value, and `note` says why: nothing is not zero.
    """

    name: KpiName
    value: str | None
    unit: str
    formula: str
    inputs: tuple[KpiInput, ...]
    note: str = ""

    def __post_init__(self) -> None:
        if self.name not in KPI_NAMES:
            raise Refused("not_allowed", f"{self.name!r} is not one of {', '.join(KPI_NAMES)}", place="name")
        if self.value is None and not self.note:
            raise Refused("kpi_value", "a key figure without a value says why", place="note")

    @property
    def exact(self) -> Fraction | None:
        return None if self.value is None else Fraction(self.value)

    def rounded(self, digits: int) -> str:
        """For people: half away from zero to `digits` decimals; a dash where there is no value."""
        exact = self.exact
        if exact is None:
            return "-"
        return decimal_text(round_half_away(exact * 10**digits), digits)


def quantity(name: str, value: Fraction | int, unit: str) -> KpiInput:
    """An input from an exact number."""
    return KpiInput(name, exact_text(Fraction(value)), unit)


def quotient(
    name: KpiName,
    unit: str,
    above: KpiInput,
    below: KpiInput,
    *,
    percent: bool = False,
    otherwise: str,
    note: str = "",
) -> Kpi:
    """`above` / `below`, or 100 times it; without a value, for `otherwise`, unless `below` is above 0."""
    formula = f"{above.name} / {below.name}"
    factor = 1
    if percent:
        formula, factor = f"100 * {formula}", 100
    inputs = (above, below)
    if below.exact <= 0:
        return Kpi(name, None, unit, formula, inputs, otherwise)
    return Kpi(name, exact_text(factor * above.exact / below.exact), unit, formula, inputs, note)
