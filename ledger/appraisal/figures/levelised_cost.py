"""LCOE: what a delivered kWh costs over the storage's life (DOMAIN.md 1)."""

from __future__ import annotations

from fractions import Fraction

from ledger.appraisal.assumption import AssumptionSet
from ledger.appraisal.figure import Figure, Variant
from ledger.appraisal.finance import levelised_cost
from ledger.appraisal.storage import USES, Storage

NAME = "levelised_cost"


def appraise(given: AssumptionSet) -> Figure:
    """The printed present value of cost over delivered, or over usable energy, each with a hidden fade."""
    storage = Storage.of(given)
    turns = storage.cycles * storage.days
    return Figure(
        given.figure(NAME),
        (
            _faded(given, "delivered_energy", storage.delivered * turns, "fade"),
            _faded(given, "usable_energy", storage.usable * turns, "fade_of_usable"),
        ),
        notes=("the cost is discounted and the energy is not",),
    )


def _faded(given: AssumptionSet, name: str, first_year: Fraction, fade: str) -> Variant:
    answer = levelised_cost(
        given.figure("cost_present_value").exact,
        first_year,
        given.value(fade, "1/year"),
        int(given.value("life", "year")),
        energy_discount=Fraction(0),
    )
    return Variant(name, "reconstruction", answer, (*USES, "cycles", "life", fade))
