"""A business case worked out from its stated assumptions; nothing of it is recorded."""

from __future__ import annotations

from typing import Annotated, Self

import msgspec
from litestar import post
from litestar.params import RawBody

from adapters.http.openapi import TEXT, takes
from adapters.http.what_if import ASK_PROBLEMS
from ledger.appraisal import assumption_file
from ledger.appraisal.appraisal import Appraisal, PatternMember, appraise
from ledger.appraisal.assumption import Assumption, AssumptionSet, Printed, PrintedUnit
from ledger.appraisal.figure import Figure, Implied, Kind, Unexplained, Variant, Verdict
from ledger.appraisal.finding import Finding, FindingCode, Quantity

Exact = Annotated[str, msgspec.Meta(examples=["2817/2000"])]
"""A ratio in lowest terms, or a whole number."""


class VariantBody(msgspec.Struct, frozen=True):
    """One way in which the figure might have been computed; `shown` is in the printed unit, `value` exactly
    in the base unit, and `deviation` is it less the printed figure, as a share of that."""

    name: str
    kind: Kind
    value: Exact
    shown: str
    equal: bool
    deviation: Exact
    formula: str
    working: str
    uses: tuple[str, ...]

    @classmethod
    def of(cls, one: Variant, printed: Printed) -> Self:
        return cls(
            one.name,
            one.kind,
            str(one.value),
            one.shown(printed, printed.places + 2),
            one.equal(printed),
            str(one.deviation(printed)),
            one.answer.formula,
            one.answer.working,
            one.uses,
        )


class ImpliedBody(msgspec.Struct, frozen=True):
    """What the printed figure says about an input; [low, high) by its rounding."""

    name: str
    unit: str
    formula: str
    value: Exact
    low: Exact
    high: Exact

    @classmethod
    def of(cls, one: Implied) -> Self:
        return cls(one.name, one.unit, one.formula, str(one.value), str(one.low), str(one.high))


class UnexplainedBody(msgspec.Struct, frozen=True):
    """The factor that nothing explains."""

    factor: Exact
    of: str


class FigureBody(msgspec.Struct, frozen=True):
    """A printed figure: `verdict` follows from its variants alone, `impossible` says why it cannot be, and
    `hidden` names what is not stated and the equal variants need."""

    name: str
    printed: str
    unit: PrintedUnit
    verdict: Verdict
    impossible: str
    variants: tuple[VariantBody, ...]
    implied: tuple[ImpliedBody, ...]
    unexplained: UnexplainedBody | None
    hidden: tuple[str, ...]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, one: Figure, given: AssumptionSet) -> Self:
        return cls(
            one.name,
            one.printed.value,
            one.printed.unit,
            one.verdict,
            one.impossible,
            tuple(VariantBody.of(variant, one.printed) for variant in one.variants),
            tuple(ImpliedBody.of(each) for each in one.implied),
            _unexplained(one.unexplained),
            one.hidden(given),
            one.notes,
        )


class QuantityBody(msgspec.Struct, frozen=True):
    label: str
    value: Exact
    unit: str

    @classmethod
    def of(cls, one: Quantity) -> Self:
        return cls(one.label, str(one.value), one.unit)


class FindingBody(msgspec.Struct, frozen=True):
    """One contradiction between printed figures, with the numbers that show it."""

    code: FindingCode
    statement: str
    quantities: tuple[QuantityBody, ...]

    @classmethod
    def of(cls, one: Finding) -> Self:
        return cls(one.code, one.statement, tuple(QuantityBody.of(each) for each in one.quantities))


class PatternBody(msgspec.Struct, frozen=True):
    """A figure read as lossless kWh a turn; `deviation` is the owner's share less it, as a share of it."""

    figure: str
    energy_kwh: Exact
    deviation: Exact

    @classmethod
    def of(cls, one: PatternMember) -> Self:
        return cls(one.figure, str(one.energy_kwh), str(one.deviation))


class AppraisalAnswer(msgspec.Struct, frozen=True):
    """The appraisal of one set of assumptions; `pattern_kwh` is the owner's share of one turn."""

    id: str
    title: str
    source: str
    currency: str
    figures: tuple[FigureBody, ...]
    findings: tuple[FindingBody, ...]
    pattern_kwh: Exact
    pattern: tuple[PatternBody, ...]
    assumptions: tuple[Assumption, ...]

    @classmethod
    def of(cls, found: Appraisal) -> Self:
        given = found.assumptions
        return cls(
            given.id,
            given.title,
            given.source,
            given.currency,
            tuple(FigureBody.of(figure, given) for figure in found.figures),
            tuple(FindingBody.of(finding) for finding in found.findings),
            str(found.pattern_kwh),
            tuple(PatternBody.of(member) for member in found.pattern),
            given.assumptions,
        )


@post(
    "/appraisals",
    summary="Work out a business case from its stated assumptions, and say what they cannot explain",
    description="The body is a set of assumptions as its readable TOML file states it. It needs no"
    " Idempotency-Key: nothing is recorded, and nothing of the book is read.",
    status_code=200,
    responses=ASK_PROBLEMS,
    operation_class=takes({"application/toml": TEXT, "text/plain": TEXT}),
    tags=["Money"],
    sync_to_thread=True,
)
def make_appraisal(body: RawBody) -> AppraisalAnswer:
    return AppraisalAnswer.of(appraise(assumption_file.parse(body)))


def _unexplained(one: Unexplained | None) -> UnexplainedBody | None:
    return None if one is None else UnexplainedBody(str(one.factor), one.of)


ROUTES = (make_appraisal,)
