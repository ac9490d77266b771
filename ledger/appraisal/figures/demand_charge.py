"""M: a lower maximum demand on a two-part account (DOMAIN.md 1)."""

from __future__ import annotations

from typing import Final

from ledger.appraisal.assumption import AssumptionSet
from ledger.appraisal.figure import Figure, Variant, money
from ledger.appraisal.finance import rounded

NAME = "demand_charge"
_PAIRS: Final = (("a", "kVA"), ("b", "kW"), ("c", "kW"), ("d", "kW"))
_MONTHS: Final = 12


def appraise(given: AssumptionSet) -> Figure:
    """Four pairs of a quantity and a price, neither of which is stated, give the same figure."""
    return Figure(
        given.figure(NAME),
        tuple(_pair(given, letter, unit) for letter, unit in _PAIRS),
        notes=("neither the quantity nor the price is stated: the figure is exact and says nothing",),
    )


def _pair(given: AssumptionSet, letter: str, unit: str) -> Variant:
    quantity_name, price_name = f"demand_quantity_{letter}", f"demand_price_{letter}"
    quantity = given.value(quantity_name, unit)
    price = given.value(price_name, f"CNY/{unit}.month")
    return Variant(
        f"pair_{letter}",
        "reconstruction",
        money(
            quantity * price * _MONTHS,
            "quantity x price a month x 12",
            f"{rounded(quantity, 1)} {unit} x {rounded(price, 2)} x {_MONTHS}",
        ),
        (quantity_name, price_name),
    )
