"""Monthly revenue reports as PDF, with bars drawn by the template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from adapters.documents.language import Language, Wording
from adapters.documents.readable import readable_exact, readable_text
from adapters.documents.revenue_document import (
    NamedKpi,
    RevenueDocument,
    chart_rows,
    facts,
    figures,
    kpi_value,
    named_kpis,
    one_total,
    shares,
)
from adapters.documents.typesetting import Page, typeset
from ledger.clauses.flow import grouped
from ledger.kpi.monthly_revenue import Breakdown, RevenueReport
from ledger.refusal import Refused

_MONTHS_MAX: Final = 12


def revenue_pdf(documents: Sequence[RevenueDocument], language: Language) -> bytes:
    """One file of one or several reports, each with its own page numbers; the same ones, the same bytes.

    Reports for different partners never share a file: give one at a time.

    Raises:
        Refused: `language`; `empty` without any; `several_partners`.
    """
    return typeset(revenue_page(documents, language))


def revenue_page(documents: Sequence[RevenueDocument], language: Language) -> Page:
    """What the template is filled with: everything that the file will hold."""
    words = Wording(language)
    if not documents:
        raise Refused("empty", "a file holds at least one report", place="documents")
    partners = {one.report.subject for one in documents if one.report.scope == "partner"}
    if partners and (len(partners) > 1 or any(one.report.scope != "partner" for one in documents)):
        raise Refused("several_partners", "a partner's report has a file of its own", place="documents")
    first = documents[0]
    title = f"{words.label('page', 'revenue_report')} {first.report.month}"
    data = {
        "language": language,
        "title": title if len(documents) > 1 else f"{title} {first.subject}",
        "author": first.issuer,
        "keywords": list(first.report.rests_on),
        "words": words.section("page"),
        "headings": words.section("heading"),
        "sheets": [_sheet(document, words) for document in documents],
    }
    return Page("revenue", data, max(document.recorded_at for document in documents))


def _sheet(document: RevenueDocument, words: Wording) -> Mapping[str, object]:
    report = document.report
    return {
        "title": f"{words.label('page', 'revenue_report')} {report.month}",
        "issuer": document.issuer,
        "stamp": words.label("page", "provisional") if report.provisional else "",
        "stamp_note": words.label("page", "provisional_note"),
        "foot": f"{words.label('scope', report.scope)} {report.subject}  {report.month}",
        "currency": report.currency,
        "facts": facts(document, words),
        "totals": [
            (label, grouped(str(amount)), 0 if place else 1)
            for place, (label, amount) in enumerate(figures(report, words))
        ],
        "charts": [_chart(breakdown, report, words) for breakdown in report.breakdowns if _worth(breakdown)],
        "kpis": [_kpi(one, words) for one in named_kpis(report, words)],
        "shares": shares(report, words),
        "evidence": [(words.label("field", "rests_on"), text) for text in report.rests_on],
    }


def _worth(breakdown: Breakdown) -> bool:
    """Whether there is something to compare: one month is no course of months."""
    return len(breakdown.rows) > (1 if breakdown.dimension == "month" else 0)


def _chart(breakdown: Breakdown, report: RevenueReport, words: Wording) -> Mapping[str, object]:
    rows = chart_rows(breakdown, one_total(report), words)
    upright = breakdown.dimension == "month"
    return {
        "heading": words.label("heading", breakdown.dimension),
        "upright": upright,
        "rows": [
            (row.label, grouped(str(row.amount)), row.share, row.permille)
            for row in (rows[-_MONTHS_MAX:] if upright else rows)
        ],
    }


def _kpi(named: NamedKpi, words: Wording) -> Mapping[str, object]:
    kpi = named.kpi
    return {
        "name": named.name,
        "value": kpi_value(kpi, words),
        "explained": [
            *((kpi.formula,) if kpi.formula else ()),
            *(f"{one.name} = {readable_exact(one.value)} {one.unit}" for one in kpi.inputs),
            *((readable_text(words.phrase(kpi.note)),) if kpi.note else ()),
        ],
    }
