"""Monthly revenue reports as workbooks: breakdowns with sums and charts, key figures with live formulas."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from adapters.documents.language import Language, Wording
from adapters.documents.revenue_document import (
    NamedKpi,
    RevenueDocument,
    chart_rows,
    facts,
    figures,
    named_kpis,
    one_total,
    shares,
)
from adapters.documents.spreadsheet import Cell, Formula, Number, Sheet, Spreadsheet, Styled, here
from ledger.kpi.kpi import Kpi
from ledger.kpi.monthly_revenue import Breakdown, RevenueReport

_NAME: Final = re.compile(r"[A-Za-z_]\w*")
_ARITHMETIC: Final = re.compile(r"[\w\s+\-*/().]*")


def revenue_xlsx(document: RevenueDocument, language: Language) -> bytes:
    """One report; the same document gives the same bytes.

    Raises:
        Refused: `language`.
    """
    words = Wording(language)
    report = document.report
    title = f"{words.label('page', 'revenue_report')} {report.month} {document.subject}"
    book = Spreadsheet(
        title=title, author=document.issuer, currency=report.currency, made_at=document.recorded_at
    )
    front = book.sheet(words.label("heading", "report"), (34, 22, 24))
    _write_front(front, document, words)
    for breakdown in report.breakdowns:
        if breakdown.rows:
            sheet = book.sheet(words.label("heading", breakdown.dimension), (30, 22, 18, 12, 24))
            _write_breakdown(book, sheet, breakdown, report, words)
    kpis = named_kpis(report, words)
    if kpis:
        sheet = book.sheet(words.label("heading", "kpis"), (36, 20, 14, 30, 60, 60))
        _write_kpis(sheet, kpis, words)
    return book.data()


def _write_front(sheet: Sheet, document: RevenueDocument, words: Wording) -> None:
    report = document.report
    sheet.add(Styled(words.label("page", "revenue_report"), "heavy"))
    if report.provisional:
        sheet.add(Styled(words.label("page", "provisional_note"), "heavy"))
    for label, value in facts(document, words):
        sheet.add(Styled(label, "faint"), value)
    sheet.skip()
    names = (words.label("column", name) for name in ("item", "amount", "amount_text"))
    sheet.add(*(Styled(name, "heavy") for name in names))
    for label, amount in figures(report, words):
        sheet.add(label, Number(amount.exact, "money"), str(amount))
    own = shares(report, words)
    if own:
        sheet.skip()
        sheet.add(Styled(words.label("heading", "shares"), "heavy"))
    for what, parts in own:
        sheet.add(what, parts)
    sheet.skip()
    for text in report.rests_on:
        sheet.add(Styled(words.label("field", "rests_on"), "faint"), text)


def _write_breakdown(
    book: Spreadsheet, sheet: Sheet, breakdown: Breakdown, report: RevenueReport, words: Wording
) -> None:
    """The rows, their sum but for months and for contracts of two bases, and a chart beside them."""
    names = ("item", "code", "amount", "share", "amount_text")
    sheet.head(*(words.label("column", name) for name in names))
    rows = chart_rows(breakdown, one_total(report), words)
    total_row = 1 + len(rows)
    by_month = breakdown.dimension == "month"
    summed = not by_month and report.basis != "mixed"
    for row, shown in zip(breakdown.rows, rows, strict=True):
        share = None if not summed else _share(sheet.row, total_row, row.amount.exact, report.total.exact)
        sheet.add(shown.label, row.key, Number(row.amount.exact, "money"), share, str(row.amount))
    if summed:
        formula = f"=SUM({here(1, 2)}:{here(total_row - 1, 2)})"
        total = Formula(formula, report.total.exact, "heavy_money")
        sheet.add(Styled(words.label("total", "total"), "heavy"), None, total, None, str(report.total))
    chart = book.book.add_chart({"type": "column" if by_month else "bar"})
    chart.add_series(
        {
            "categories": "=" + sheet.span(1, len(rows), 0),
            "values": "=" + sheet.span(1, len(rows), 2),
            "fill": {"color": "#1F6F8B"},
            "invert_if_negative": True,
            "invert_if_negative_color": "#B5482A",
        }
    )
    chart.set_title({"name": words.label("heading", breakdown.dimension)})
    chart.set_legend({"none": True})
    if not by_month:
        chart.set_y_axis({"reverse": True, "label_position": "low"})
    sheet.worksheet.insert_chart(1, 6, chart)


def _share(row: int, total_row: int, part: Fraction, whole: Fraction) -> Cell:
    return Formula(f"={here(row, 2)}/{here(total_row, 2)}", part / whole, "percent") if whole > 0 else None


def _write_kpis(sheet: Sheet, kpis: Sequence[NamedKpi], words: Wording) -> None:
    """Each key figure computed from its inputs, which stand below it."""
    names = ("key_figure", "value", "unit", "exact_text", "formula", "note")
    sheet.head(*(words.label("column", name) for name in names))
    for name, kpi in kpis:
        sheet.add(
            Styled(name, "heavy"),
            _value(kpi, sheet.row),
            words.phrase(kpi.unit),
            kpi.value or "",
            kpi.formula,
            words.phrase(kpi.note),
        )
        for one in kpi.inputs:
            sheet.add(Styled(f"    {one.name}", "faint"), Number(one.exact), one.unit, one.value)


def _value(kpi: Kpi, row: int) -> Cell:
    """The formula over the cells of the inputs, where it is plain arithmetic of them; else the number."""
    exact = kpi.exact
    if exact is None:
        return None
    cells = {one.name: here(row + number, 1) for number, one in enumerate(kpi.inputs, 1)}
    named = set(_NAME.findall(kpi.formula))
    if not kpi.formula or not _ARITHMETIC.fullmatch(kpi.formula) or "**" in kpi.formula or named - set(cells):
        return Number(exact)
    return Formula("=" + _NAME.sub(lambda name: cells[name[0]], kpi.formula), exact)
