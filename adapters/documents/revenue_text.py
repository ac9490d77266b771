"""Monthly revenue reports as plain text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from adapters.documents.language import Language, Wording
from adapters.documents.readable import readable_exact, readable_text
from adapters.documents.revenue_document import (
    RevenueDocument,
    chart_rows,
    facts,
    figures,
    kpi_value,
    named_kpis,
    one_total,
    shares,
)
from ledger.clauses.flow import grouped

_WIDTH: Final = 60


def revenue_text(document: RevenueDocument, language: Language) -> str:
    """One report for a terminal.

    Raises:
        Refused: `language`.
    """
    return "\n".join(_lines(document, Wording(language)))


def revenue_json(document: RevenueDocument) -> bytes:
    """The whole report: amounts in minor units, key figures with formula and inputs as exact text."""
    return msgspec.json.encode(document)


def _lines(document: RevenueDocument, words: Wording) -> Iterator[str]:
    report = document.report
    yield f"{words.label('page', 'revenue_report')} {report.month}"
    if report.provisional:
        yield words.label("page", "provisional_note")
    for label, value in facts(document, words):
        yield f"  {label}: {value}"
    yield f"{words.label('heading', 'totals')} ({report.currency})"
    for label, amount in figures(report, words):
        yield _row(label, str(amount))
    for breakdown in report.breakdowns:
        if breakdown.rows:
            yield words.label("heading", breakdown.dimension)
        for row in chart_rows(breakdown, one_total(report), words):
            yield f"{_row(row.label, str(row.amount))}  {row.share}".rstrip()
    kpis = named_kpis(report, words)
    if kpis:
        yield words.label("heading", "kpis")
    for name, kpi in kpis:
        yield f"  {name}: {kpi_value(kpi, words)}"
        if kpi.formula:
            yield f"      {kpi.formula}"
        for one in kpi.inputs:
            yield f"      {one.name} = {readable_exact(one.value)} {one.unit}"
        if kpi.note:
            yield f"      {readable_text(words.phrase(kpi.note))}"
    own = shares(report, words)
    if own:
        yield words.label("heading", "shares")
    for what, parts in own:
        yield f"  {what}: {parts}"
    yield words.label("heading", "evidence")
    for text in report.rests_on:
        yield f"  {text}"


def _row(label: str, amount: str) -> str:
    return f"  {label:<{_WIDTH}}{grouped(amount):>20}"
