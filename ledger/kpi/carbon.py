"""CO2 that the storage avoided or caused, by emission factors with their version and source."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import Final, Literal, NamedTuple, get_args

import msgspec

from ledger.clauses.flow import exact_text
from ledger.identity import checked_id
from ledger.interval import Month
from ledger.kpi.kpi import Kpi, KpiInput, quantity
from ledger.quantity import exact
from ledger.refusal import Refused
from ledger.toml_file import TomlFile

Evidence = Literal["R", "S", "M"]
"""How well the source is known: the rule's text, a secondary source, general knowledge (unverified)."""

Method = Literal["net_of_charging", "discharge_only"]
"""`net_of_charging` takes what charging emitted off what discharging replaced. `discharge_only` counts the
discharge alone, as brochures do; it is right for energy that would have been curtailed."""


class EmissionFactor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """kg of CO2 for a kWh drawn from the grid in [from, until); `until` None holds on."""

    effective_from: date
    until: date | None = None
    kg_per_kwh: str
    source: str
    evidence: Evidence

    def __post_init__(self) -> None:
        if exact(self.kg_per_kwh) < 0:
            raise Refused("emission_factor", f"{self.kg_per_kwh} is below zero", place="kg_per_kwh")
        if self.until is not None and self.until <= self.effective_from:
            raise Refused(
                "emission_factor", f"{self.until} is not after {self.effective_from}", place="until"
            )
        if not self.source.strip():
            raise Refused("empty", "a factor names its source", place="source")
        if self.evidence not in get_args(Evidence):
            allowed = ", ".join(get_args(Evidence))
            raise Refused("not_allowed", f"{self.evidence!r} is not one of {allowed}", place="evidence")


class FactorSet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The factors of one region and kind, in the order of time, never two for one day."""

    id: str
    region: str
    factors: tuple[EmissionFactor, ...]

    def __post_init__(self) -> None:
        checked_id(self.id, "id")
        if not self.factors:
            raise Refused("empty", "a set holds at least one factor", place="factors")
        for number, (one, after) in enumerate(zip(self.factors, self.factors[1:], strict=False), 1):
            if one.until is None or one.until > after.effective_from:
                wrong = f"begins {after.effective_from}, before the factor above it ends"
                raise Refused("factor_overlap", wrong, place=f"factors[{number}].effective_from")

    def of(self, month: Month) -> EmissionFactor:
        """The factor that holds for the whole month.

        Raises:
            Refused: `factor_missing`: a year without a published factor is not a year without emissions.
        """
        for factor in self.factors:
            ends = factor.until is None or month.next().first_day <= factor.until
            if factor.effective_from <= month.first_day and ends:
                return factor
        raise Refused("factor_missing", f"{self.id} has no factor for the whole of {month}", place="month")


def parse_factors(text: str | bytes) -> FactorSet:
    """The factors in a TOML text, such as `examples/co2/china_national.toml`.

    Raises:
        Refused: names the line and the field.
    """
    file = TomlFile(text)
    return file.struct(FactorSet, file.root, ())


class MonthEnergy(NamedTuple):
    """A month's registers in Wh."""

    month: Month
    charge_wh: int
    discharge_wh: int


def co2_avoided(months: Sequence[MonthEnergy], factors: FactorSet, method: Method) -> Kpi:
    """kg of CO2 avoided over the months, each by its own factor; below zero the storage caused them.

    With one factor for every hour of a month, `net_of_charging` is always below zero by the losses: moving
    energy avoids CO2 only where it displaces dirtier hours, which a yearly average cannot show.

    Raises:
        Refused: `factor_missing`, `negative_energy`, `month_twice`, `not_allowed`.
    """
    if method not in get_args(Method):
        allowed = ", ".join(get_args(Method))
        raise Refused("not_allowed", f"{method!r} is not one of {allowed}", place="method")
    if len({one.month for one in months}) != len(months):
        raise Refused("month_twice", "a month counts once", place="months")
    discharged: dict[EmissionFactor, int] = {}
    charged: dict[EmissionFactor, int] = {}
    for one in months:
        if one.charge_wh < 0 or one.discharge_wh < 0:
            raise Refused("negative_energy", "neither register is negative", place=str(one.month))
        factor = factors.of(one.month)
        discharged[factor] = discharged.get(factor, 0) + one.discharge_wh
        charged[factor] = charged.get(factor, 0) + one.charge_wh
    inputs: list[KpiInput] = []
    terms: list[str] = []
    total = Fraction(0)
    for number, factor in enumerate(discharged, 1):
        wh = discharged[factor] - (charged[factor] if method == "net_of_charging" else 0)
        total += Fraction(wh, 1000) * exact(factor.kg_per_kwh)
        inputs.append(quantity(f"discharged_{number}", Fraction(discharged[factor], 1000), "kWh"))
        energy = f"discharged_{number}"
        if method == "net_of_charging":
            inputs.append(quantity(f"charged_{number}", Fraction(charged[factor], 1000), "kWh"))
            energy = f"(discharged_{number} - charged_{number})"
        inputs.append(KpiInput(f"factor_{number}", factor.kg_per_kwh, "kg/kWh"))
        terms.append(f"{energy} * factor_{number}")
    if not terms:
        return Kpi("co2_avoided", None, "kg", "", (), "no months")
    note = _NOTES[method] + "".join(
        f"; factor {n}: {_cited(f, factors)}" for n, f in enumerate(discharged, 1)
    )
    return Kpi("co2_avoided", exact_text(total), "kg", " + ".join(terms), tuple(inputs), note)


_NOTES: Final[dict[Method, str]] = {
    "net_of_charging": "discharge less charge at the grid's average factor",
    "discharge_only": "the discharge alone, without what charging emitted",
}


def _cited(factor: EmissionFactor, factors: FactorSet) -> str:
    unverified = "" if factor.evidence == "R" else f", evidence {factor.evidence}: check before quoting"
    return f"{factors.region}, {factor.source}{unverified}"
