"""What storage was worth, as PDF: the ways and the losses as bars, the days as columns."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.documents.language import Language, Wording
from adapters.documents.typesetting import Page, typeset
from adapters.documents.value_document import ValueChart, ValueDocument, charts, facts, lost, ways
from ledger.clauses.flow import grouped


def value_pdf(document: ValueDocument, language: Language) -> bytes:
    """One report; the same document gives the same bytes.

    Raises:
        Refused: `language`.
    """
    return typeset(value_page(document, language))


def value_page(document: ValueDocument, language: Language) -> Page:
    """What the template is filled with: everything that the file will hold."""
    words = Wording(language)
    report = document.report
    title = f"{words.label('page', 'value_report')} {report.month}"
    totals = [*((row, 1) for row in ways(report.total, report.currency, words))]
    totals += [(row, 2) for row in lost(report, words)]
    sheet = {
        "title": title,
        "issuer": document.issuer,
        "stamp": "",
        "stamp_note": "",
        "foot": f"{document.subject}  {report.month}",
        "currency": report.currency,
        "facts": facts(document, words),
        "totals": [(label, grouped(str(amount)), look) for (label, amount), look in totals],
        "charts": [_chart(one) for one in charts(report, words)],
        "kpis": [],
        "shares": [],
        "evidence": [(words.label("column", "note"), words.phrase(note)) for note in report.notes],
    }
    data = {
        "language": language,
        "title": f"{title} {document.subject}",
        "author": document.issuer,
        "keywords": [],
        "words": words.section("page"),
        "headings": words.section("heading"),
        "sheets": [sheet],
    }
    return Page("revenue", data, document.recorded_at)


def _chart(chart: ValueChart) -> Mapping[str, object]:
    """Of days the day of the month alone: 31 stand beside each other, and their amounts in the workbook."""
    rows = [
        (bar.label[-2:], "", "", bar.permille)
        if chart.upright
        else (bar.label, grouped(str(bar.amount)), "", bar.permille)
        for bar in chart.bars
    ]
    return {"heading": chart.heading, "upright": chart.upright, "rows": rows}
