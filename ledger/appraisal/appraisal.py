"""The calculator: every printed figure appraised, the contradictions, and a total only where one exists."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Final

import msgspec

from ledger.appraisal.assumption import AssumptionSet
from ledger.appraisal.figure import Figure
from ledger.appraisal.figures import FIGURES
from ledger.appraisal.finance import rounded
from ledger.appraisal.finding import Finding, findings
from ledger.appraisal.storage import Storage
from ledger.clauses.flow import grouped
from ledger.refusal import Refused


class PatternMember(msgspec.Struct, frozen=True):
    """A figure read as lossless kWh a turn; `deviation` is the owner's share less it, as a share of it."""

    figure: str
    energy_kwh: Fraction
    deviation: Fraction


class Appraisal(msgspec.Struct, frozen=True):
    """What was computed from a set. `pattern`: the figures that one owner's share may explain together."""

    assumptions: AssumptionSet
    figures: tuple[Figure, ...]
    findings: tuple[Finding, ...]
    pattern_kwh: Fraction
    pattern: tuple[PatternMember, ...]

    def figure(self, name: str) -> Figure:
        """The appraised figure of that name.

        Raises:
            Refused: `unknown_figure`, listing those that there are.
        """
        self.assumptions.figure(name)
        return next(figure for figure in self.figures if figure.name == name)


def appraise(given: AssumptionSet) -> Appraisal:
    """Appraise every figure (DOMAIN.md 1).

    Raises:
        Refused: `unknown_assumption`, `unknown_figure` or `unit` for what the calculation needs and the set
            does not state; what the finance functions refuse.
    """
    figures = {name: appraised(given) for name, appraised in FIGURES.items()}
    energy = given.value("owner_share", "1") * Storage.of(given).delivered
    members = []
    for name, implied in _PATTERN.items():
        value = next(one.value for one in figures[name].implied if one.name == implied)
        members.append(PatternMember(name, value, energy / value - 1))
    return Appraisal(given, tuple(figures.values()), findings(given), energy, tuple(members))


_PATTERN: Final = {
    "arbitrage": "lossless_energy",
    "demand_response": "event_energy",
    "ancillary": "lossless_energy",
}


def total(given: AssumptionSet, names: Sequence[str]) -> Fraction:
    """The sum of printed figures in base units; one stream alone is its own total.

    Raises:
        Refused: `exclusive_streams` for two or more that the source presents as alternatives;
            `unknown_figure`; `unit` when their units differ; `duplicate`; `empty`.
    """
    if not names:
        raise Refused("empty", "name at least one figure", place="names")
    for number, name in enumerate(names):
        if name in names[:number]:
            raise Refused("duplicate", f"{name!r} is named twice", place=f"names[{number}]")
    printed = [given.figure(name) for name in names]
    together = [name for name in names if name in given.exclusive]
    if len(together) > 1:
        raise Refused(
            "exclusive_streams",
            f"{', '.join(together)} are alternatives in {given.source}: the same storage earns one of them"
            " at a time, and their sum is earned by nobody (DOMAIN.md 1, contradiction d); ask for one",
            place="names",
        )
    units = {one.base_unit for one in printed}
    if len(units) > 1:
        raise Refused("unit", f"{' and '.join(sorted(units))} do not add", place="names")
    return sum((one.exact for one in printed), Fraction(0))


def text(found: Appraisal) -> str:
    """The appraisal for people: each figure with every variant, formula and deviation, then the findings."""
    given = found.assumptions
    out = [given.title, f"source: {given.source}", ""]
    for figure in found.figures:
        out.extend(_figure(figure, given))
    energies = ", ".join(f"{one.figure} {grouped(rounded(one.energy_kwh, 0))}" for one in found.pattern)
    out.append(
        f"lossless kWh a turn: {energies}; the owner's share of one turn is"
        f" {grouped(rounded(found.pattern_kwh, 1))}"
    )
    out.append("")
    out.extend(f"contradiction {one.code}: {_grouped(one.statement)}" for one in found.findings)
    out.append("")
    out.extend(
        f"{one.name} = {_grouped(one.value)} {one.unit} ({one.standing.replace('_', ' ')}; {one.source})"
        for one in given.assumptions
    )
    return "\n".join(out)


_THOUSANDS: Final = re.compile(r"(?<![\w.^/])\d{4,}(?:\.\d+)?(?![\w/])")


def _grouped(text: str) -> str:
    """A number, or what a figure is worked out from, with a comma at each thousand."""
    return _THOUSANDS.sub(lambda found: grouped(found[0]), text)


def _figure(figure: Figure, given: AssumptionSet) -> Iterator[str]:
    printed = figure.printed
    verdict = figure.verdict.replace("_", " ")
    yield f"{figure.name}: printed {_grouped(printed.value)} {printed.unit}; {verdict}"
    if figure.impossible:
        yield f"  impossible: {_grouped(figure.impossible)}"
    for variant in figure.variants:
        deviation = rounded(variant.deviation(printed) * 100, 2)
        mark = "equal" if variant.equal(printed) else f"{deviation} %"
        yield (
            f"  {variant.name} ({variant.kind.replace('_', ' ')}):"
            f" {_grouped(variant.shown(printed, printed.places + 2))} {printed.unit}, {mark}"
        )
        yield f"    {variant.answer.formula}"
        yield f"    {_grouped(variant.answer.working)}"
    for one in figure.implied:
        low, value, high = (grouped(rounded(each, 4)) for each in (one.low, one.value, one.high))
        yield f"  implies {one.name} {value} {one.unit} ({low} to {high}) = {one.formula}"
    if figure.unexplained is not None:
        yield f"  unexplained factor {rounded(figure.unexplained.factor, 6)} of {figure.unexplained.of}"
    hidden = figure.hidden(given)
    if hidden:
        yield f"  equal only with what is not stated: {', '.join(hidden)}"
    for note in figure.notes:
        yield f"  note: {_grouped(note)}"
    yield ""
