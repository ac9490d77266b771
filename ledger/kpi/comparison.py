"""Sites by themselves against the same sites aggregated (DOMAIN.md 2.1 Q16)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import msgspec

from ledger.clauses.flow import exact_text
from ledger.kpi.kpi import Kpi, KpiInput, quantity
from ledger.refusal import Refused


class Standalone(NamedTuple):
    """A site by itself: its key figure, and the energy that weighs it."""

    site: str
    energy_wh: int
    kpi: Kpi


class Comparison(msgspec.Struct, frozen=True):
    """`alone` is the mean of the sites weighted by kWh; `change` in % of it, `multiple` of it."""

    alone: Kpi
    aggregated: Kpi
    change: Kpi
    multiple: Kpi


def compare(sites: Sequence[Standalone], aggregated: Kpi) -> Comparison:
    """Compare one key figure of sites by themselves with the same figure of them together.

    Raises:
        Refused: `no_sites`; `not_comparable` when names or units differ, `no_value` when one is missing;
            `usable_energy` for a site without energy.
    """
    if not sites:
        raise Refused("no_sites", "compare at least one site", place="sites")
    inputs: list[KpiInput] = []
    weighted = energy_wh = Fraction(0)
    for number, one in enumerate(sites, 1):
        place = f"site {one.site}"
        if (one.kpi.name, one.kpi.unit) != (aggregated.name, aggregated.unit):
            wrong = f"{one.kpi.name} in {one.kpi.unit} against {aggregated.name} in {aggregated.unit}"
            raise Refused("not_comparable", wrong, place=place)
        if one.energy_wh <= 0:
            raise Refused("usable_energy", f"{one.energy_wh} Wh is not above zero", place=place)
        value = _value(one.kpi, place)
        weighted += value * one.energy_wh
        energy_wh += one.energy_wh
        inputs.append(quantity(f"energy_{number}", Fraction(one.energy_wh, 1000), "kWh"))
        inputs.append(KpiInput(f"value_{number}", exact_text(value), one.kpi.unit))
    numbers = range(1, len(sites) + 1)
    above = " + ".join(f"energy_{n} * value_{n}" for n in numbers)
    below = " + ".join(f"energy_{n}" for n in numbers)
    mean = weighted / energy_wh
    formula = f"({above}) / ({below})"
    alone = Kpi(aggregated.name, exact_text(mean), aggregated.unit, formula, tuple(inputs))
    together = _value(aggregated, "aggregated")
    both = (
        quantity("aggregated", together, aggregated.unit),
        quantity("alone", mean, aggregated.unit),
    )
    change = "100 * (aggregated - alone) / alone"
    multiple = "aggregated / alone"
    if mean <= 0:
        why = "the sites by themselves are not above zero"
        return Comparison(
            alone,
            aggregated,
            Kpi("aggregated_change", None, "%", change, both, why),
            Kpi("aggregated_multiple", None, "times", multiple, both, why),
        )
    return Comparison(
        alone,
        aggregated,
        Kpi("aggregated_change", exact_text(100 * (together - mean) / mean), "%", change, both),
        Kpi("aggregated_multiple", exact_text(together / mean), "times", multiple, both),
    )


def _value(kpi: Kpi, place: str) -> Fraction:
    exact = kpi.exact
    if exact is None:
        raise Refused("no_value", f"{kpi.name} has no value: {kpi.note}", place=place)
    return exact
