"""What storage was worth, as a workbook: ways and losses with charts, and every row by site and stream."""

from __future__ import annotations

from adapters.documents.language import Language, Wording
from adapters.documents.spreadsheet import Cell, Formula, Number, Sheet, Spreadsheet, Styled, here
from adapters.documents.value_document import ValueChart, ValueDocument, charts, facts, lost
from dispatch.value.losses import WAYS
from ledger.quantity import Money


def value_xlsx(document: ValueDocument, language: Language) -> bytes:
    """One report; the same document gives the same bytes.

    Raises:
        Refused: `language`.
    """
    words = Wording(language)
    report = document.report
    title = f"{words.label('page', 'value_report')} {report.month} {document.subject}"
    book = Spreadsheet(
        title=title, author=document.issuer, currency=report.currency, made_at=document.recorded_at
    )
    front = book.sheet(words.label("heading", "report"), (34, 22, 60))
    front.add(Styled(words.label("page", "value_report"), "heavy"))
    for label, value in facts(document, words):
        front.add(Styled(label, "faint"), value)
    front.skip()
    front.add(Styled(words.label("heading", "losses"), "heavy"))
    parts = lost(report, words)
    first = front.row
    for label, amount in parts:
        front.add(label, Number(amount.exact, "money"), str(amount))
    whole = sum((amount for _, amount in parts), Money.zero(report.currency))
    formula = f"=SUM({here(first, 1)}:{here(front.row - 1, 1)})"
    front.add(
        Styled(words.label("total", "total"), "heavy"),
        Formula(formula, whole.exact, "heavy_money"),
        str(whole),
    )
    front.skip()
    for note in report.notes:
        front.add(Styled(words.label("column", "note"), "faint"), words.phrase(note))
    for chart in charts(report, words):
        _write_chart(book, book.sheet(chart.heading, (34, 22, 24)), chart, words)
    _write_rows(book.sheet(words.label("heading", "lines"), (16, 22, 14, *([18] * 8))), document, words)
    return book.data()


def _write_chart(book: Spreadsheet, sheet: Sheet, chart: ValueChart, words: Wording) -> None:
    sheet.head(*(words.label("column", name) for name in ("item", "amount", "amount_text")))
    for bar in chart.bars:
        sheet.add(bar.label, Number(bar.amount.exact, "money"), str(bar.amount))
    drawn = book.book.add_chart({"type": "column" if chart.upright else "bar"})
    drawn.add_series(
        {
            "categories": "=" + sheet.span(1, len(chart.bars), 0),
            "values": "=" + sheet.span(1, len(chart.bars), 1),
            "fill": {"color": "#1F6F8B"},
            "invert_if_negative": True,
            "invert_if_negative_color": "#B5482A",
        }
    )
    drawn.set_title({"name": chart.heading})
    drawn.set_legend({"none": True})
    if not chart.upright:
        drawn.set_y_axis({"reverse": True, "label_position": "low"})
    sheet.worksheet.insert_chart(1, 4, drawn)


def _write_rows(sheet: Sheet, document: ValueDocument, words: Wording) -> None:
    """A row by site, stream and day; a way that is not known of it is left empty."""
    report = document.report
    names = [words.label("way", way) for way in (*WAYS, "rule", "idle")]
    sheet.head(
        words.label("column", "site"), words.label("column", "item"), words.label("column", "day"), *names
    )
    for row in report.rows:
        worth: list[int | None] = [row.worth.get(way) for way in WAYS]
        worth += [row.beside["rule"], row.beside["idle"]]
        amounts: list[Cell] = [
            None if one is None else Number(Money(one, report.currency).exact, "money") for one in worth
        ]
        sheet.add(row.site, words.code(row.stream), row.day, *amounts)
