"""DR: energy delivered when called, at a price per kWh (DOMAIN.md 1)."""

from __future__ import annotations

from fractions import Fraction

from ledger.appraisal.assumption import AssumptionSet
from ledger.appraisal.figure import Figure, Kind, Unexplained, Variant, implied, money
from ledger.appraisal.finance import rounded
from ledger.appraisal.storage import Storage

NAME = "demand_response"


def appraise(given: AssumptionSet) -> Figure:
    """Events x price x energy, for the energies that suggest themselves."""
    printed = given.figure(NAME)
    storage = Storage.of(given)
    events = given.value("response_events", "1/year")
    price = given.value("response_price", "CNY/kWh")

    def variant(name: str, kind: Kind, energy: Fraction, *uses: str) -> Variant:
        return Variant(
            name,
            kind,
            money(
                events * price * energy,
                "events x price x energy of an event",
                f"{events} x {rounded(price, 2)} x {rounded(energy, 2)}",
            ),
            ("response_events", "response_price", "nameplate", "depth_of_discharge", *uses),
        )

    share, other = given.value("owner_share", "1"), given.value("response_share", "1")
    energy = implied("event_energy", "kWh", "printed / (events x price)", printed, events * price)
    return Figure(
        printed,
        (
            variant("delivered", "natural", storage.delivered, "efficiency"),
            variant(
                "owner_share_of_delivered",
                "near_miss",
                share * storage.delivered,
                "efficiency",
                "owner_share",
            ),
            variant("share_of_usable", "near_miss", other * storage.usable, "response_share"),
        ),
        implied=(energy,),
        unexplained=Unexplained(energy.value / storage.delivered, "delivered"),
    )
