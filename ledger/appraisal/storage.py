"""The storage of an assumption set: what goes in and out of it in a cycle."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple, Self

from ledger.appraisal.assumption import AssumptionSet


class Storage(NamedTuple):
    """Energies of one cycle in kWh. `efficiency` is one number; whether it stands for one way or both the
    source does not say, and so every reading of it is a variant of its own."""

    nameplate: Fraction
    usable: Fraction
    efficiency: Fraction
    days: Fraction
    cycles: Fraction

    @classmethod
    def of(cls, given: AssumptionSet) -> Self:
        """Raises:
        Refused: `unknown_assumption`, `unit`."""
        nameplate = given.value("nameplate", "kWh")
        return cls(
            nameplate,
            nameplate * given.value("depth_of_discharge", "1"),
            given.value("efficiency", "1"),
            given.value("days", "d/year"),
            given.value("cycles", "1/d"),
        )

    @property
    def delivered(self) -> Fraction:
        """Usable energy after one loss."""
        return self.usable * self.efficiency

    @property
    def drawn(self) -> Fraction:
        """What charging the usable energy takes when charging loses too."""
        return self.usable / self.efficiency

    @property
    def delivered_a_year(self) -> Fraction:
        return self.delivered * self.cycles * self.days


USES = ("nameplate", "depth_of_discharge", "efficiency", "days")
"""The assumptions that most variants rest on."""
