"""A revenue report with what stands above it, and its figures as rows for print and chart."""

from __future__ import annotations

from datetime import UTC
from typing import Final, NamedTuple

import msgspec

from adapters.documents.language import Wording
from adapters.documents.statement_document import share_rows
from ledger.interval import Instant
from ledger.kpi.kpi import Kpi, KpiName
from ledger.kpi.monthly_revenue import NOT_SPLIT, TAX_TAKEN_OFF, Breakdown, Dimension, RevenueReport
from ledger.quantity import Money, decimal_text, round_half_away
from ledger.refusal import Refused

_CODED: Final[frozenset[Dimension]] = frozenset({"stream", "clause"})
_LONGEST: Final = 1000

DIGITS: Final[dict[KpiName, int]] = {
    "availability": 2,
    "equivalent_cycles": 2,
    "round_trip_efficiency": 2,
    "satisfaction": 2,
    "bill_saving": 2,
    "co2_avoided": 0,
    "simple_return": 2,
    "payback": 2,
    "irr": 2,
    "npv": 2,
    "lcoe": 4,
    "revenue_per_kwh_discharged": 4,
    "revenue_per_kwh_capacity": 4,
    "cost_per_kwh_capacity": 4,
    "entry_capacity": 0,
    "aggregated_change": 1,
    "aggregated_multiple": 2,
}
"""How many decimals of a key figure are read; its exact value is in the workbook."""


class RevenueDocument(msgspec.Struct, frozen=True, kw_only=True):
    """`recorded_at` is the latest instant at which one of the report's runs was recorded: the file's time of
    making. `subject_name` may be empty."""

    report: RevenueReport
    recorded_at: Instant
    issuer: str
    subject_name: str = ""

    def __post_init__(self) -> None:
        if self.recorded_at.tzinfo is None:
            raise Refused("naive_time", "an instant needs its UTC offset", place="recorded_at")

    @property
    def subject(self) -> str:
        subject = self.report.subject
        return f"{self.subject_name} ({subject})" if self.subject_name else subject


class ChartRow(NamedTuple):
    """`permille` is the amount against the largest of the chart, with its sign; `share` of the total."""

    label: str
    amount: Money
    share: str
    permille: int


def chart_rows(breakdown: Breakdown, total: Money | None, words: Wording) -> list[ChartRow]:
    """A breakdown's rows as bars; months have no share of the total, and where there is none nothing has."""
    largest = max((abs(row.amount.minor) for row in breakdown.rows), default=0)
    whole = total if total is not None and total.minor > 0 and breakdown.dimension != "month" else None
    return [
        ChartRow(
            row_label(breakdown.dimension, row.key, words),
            row.amount,
            "" if whole is None else _percent(row.amount, whole),
            round_half_away(row.amount.exact / Money(largest, row.amount.currency).exact * _LONGEST)
            if largest
            else 0,
        )
        for row in breakdown.rows
    ]


def one_total(report: RevenueReport) -> Money | None:
    """None where the report's money stands on two bases."""
    return None if report.basis == "mixed" else report.total


def row_label(dimension: Dimension, key: str, words: Wording) -> str:
    """A stream's or clause's name; ids and months as they are."""
    if key in (NOT_SPLIT, TAX_TAKEN_OFF):
        return words.label("total", key)
    return words.code(key) if dimension in _CODED else key


def _percent(part: Money, whole: Money) -> str:
    return f"{decimal_text(round_half_away(1000 * part.exact / whole.exact), 1)} %"


def facts(document: RevenueDocument, words: Wording) -> list[tuple[str, str]]:
    """What the report is about, labelled."""
    report = document.report
    found = {
        "scope": words.label("scope", report.scope),
        "subject": document.subject,
        "month": report.month,
        "issuer": document.issuer,
        "recorded_at": f"{document.recorded_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        "currency": report.currency,
        "basis": _basis(report, words),
    }
    return [(words.label("field", name), value) for name, value in found.items()]


def _basis(report: RevenueReport, words: Wording) -> str:
    """Whether the money has the tax in it; of two bases, which contract has which."""
    told = words.label("basis", report.basis)
    if report.basis != "mixed":
        return told
    each = "; ".join(f"{name} {words.label('basis', one)}" for name, one in report.bases)
    return f"{told}: {each}"


def figures(report: RevenueReport, words: Wording) -> list[tuple[str, Money]]:
    """The total, unless it is of two bases, and what stands beside it, labelled."""
    total = "entitlement" if report.scope == "partner" else "total"
    whole = [] if report.basis == "mixed" else [(total, report.total)]
    rows = [*whole, *((row.key, row.amount) for row in report.figures)]
    return [(words.label("total", name), amount) for name, amount in rows]


def shares(report: RevenueReport, words: Wording) -> list[tuple[str, str]]:
    """What each contract's clauses give to the parties whose percentages a partner is shown."""
    return [
        (f"{contract}: {what}", parts)
        for contract in dict.fromkeys(one.contract for one in report.percentages)
        for what, parts in share_rows(
            (one.percentage for one in report.percentages if one.contract == contract), words
        )
    ]


class NamedKpi(NamedTuple):
    """A key figure and what it is called where it stands."""

    name: str
    kpi: Kpi


def named_kpis(report: RevenueReport, words: Wording) -> list[NamedKpi]:
    """The key figures, then each that sites by themselves are compared in with all of them together."""
    found = [NamedKpi(words.label("kpi", kpi.name), kpi) for kpi in report.kpis]
    for one in report.comparisons:
        what = words.label("kpi", one.alone.name)
        found += [
            NamedKpi(f"{what}: {words.label('comparison', 'alone')}", one.alone),
            NamedKpi(f"{what}: {words.label('comparison', 'aggregated')}", one.aggregated),
            NamedKpi(f"{what}: {words.label('kpi', one.change.name)}", one.change),
            NamedKpi(f"{what}: {words.label('kpi', one.multiple.name)}", one.multiple),
        ]
    return found


def kpi_value(kpi: Kpi, words: Wording) -> str:
    """Rounded for reading, with its unit."""
    value = kpi.rounded(DIGITS[kpi.name])
    return value if kpi.value is None else f"{value} {words.phrase(kpi.unit)}"
