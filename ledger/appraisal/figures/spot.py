"""SP: a price difference on the spot market, on an energy that the source does not state (DOMAIN.md 1)."""

from __future__ import annotations

from fractions import Fraction

from ledger.appraisal.assumption import AssumptionSet
from ledger.appraisal.figure import Figure, Kind, Unexplained, Variant, implied, money
from ledger.appraisal.finance import rounded
from ledger.appraisal.storage import USES, Storage

NAME = "spot"


def appraise(given: AssumptionSet) -> Figure:
    """Days x price difference x energy a day; the nearest energy is the loss of two cycles."""
    printed = given.figure(NAME)
    storage = Storage.of(given)
    price = given.value("spot_difference", "CNY/kWh")
    factor = given.value("spot_factor", "1")

    def variant(name: str, kind: Kind, energy: Fraction, *uses: str) -> Variant:
        return Variant(
            name,
            kind,
            money(
                storage.days * price * energy,
                "days x price difference x energy a day",
                f"{storage.days} x {rounded(price, 2)} x {rounded(energy, 2)}",
            ),
            ("spot_difference", *uses),
        )

    lost = storage.nameplate * (1 - storage.efficiency)
    both_ways = storage.drawn - storage.delivered
    energy = implied("energy", "kWh/d", "printed / (days x price difference)", printed, storage.days * price)
    return Figure(
        printed,
        (
            variant(
                "loss_of_nameplate",
                "natural",
                storage.cycles * lost,
                "nameplate",
                "efficiency",
                "days",
                "cycles",
            ),
            variant("loss_of_usable", "natural", storage.usable - storage.delivered, *USES),
            variant("loss_both_ways", "natural", both_ways, *USES),
            variant("loss_both_ways_with_factor", "fitted", factor * both_ways, *USES, "spot_factor"),
        ),
        implied=(energy,),
        unexplained=Unexplained(energy.value / both_ways, "loss_both_ways"),
        notes=("the nearest variant prices the energy that the storage loses as if it were sold",),
    )
