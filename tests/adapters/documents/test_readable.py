"""Numbers for people: no long fraction, and a mark where something was rounded."""

from __future__ import annotations

import msgspec
import pytest

from adapters import statement_text
from adapters.documents.readable import ABOUT, readable_exact, readable_ratio, readable_text
from adapters.documents.statement_pdf import statement_pdf
from adapters.documents.statement_xlsx import statement_xlsx
from tests.adapters.documents.sample import Workbook, document, pdf_pages

NOTE = "20000000000/1360000319% of the return on capital (7% a year on 4080000957/2900 CNY, due 8,206.90 CNY)"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (NOTE, "≈14.7059% of the return on capital (7% a year on ≈1,406,896.88 CNY, due 8,206.90 CNY)"),
        ("op 200/3%", "op ≈66.6667%"),
        ("h1 1/3", "h1 1/3"),
        ("200 CNY/kWh.year x 500 kWh nameplate x 1/12 year", None),
        ("payment, order 2026/08-17 of host-s1", None),
        ("从 109049/18750 CNY/kWh 起", "从 ≈5.815947 CNY/kWh 起"),
        ("资本回报的20000000000/1360000319%", "资本回报的≈14.7059%"),
        ("7/0", None),
    ],
)
def test_a_note(text: str, shown: str | None) -> None:
    assert readable_text(text) == (text if shown is None else shown)


@pytest.mark.parametrize(
    ("text", "exact", "ratio"),
    [
        ("1993501/300", "≈6,645.003333", "≈6,645.003333"),
        ("-1/300", "≈-0.003333", "-1/300"),
        ("1/3", "≈0.333333", "1/3"),
        ("31975.237", "31,975.237", "31,975.237"),
        ("0.1234567891", "≈0.123457", "≈0.123457"),
        ("each interval's own", "each interval's own", "each interval's own"),
    ],
)
def test_an_amount_and_a_ratio(text: str, exact: str, ratio: str) -> None:
    assert (readable_exact(text), readable_ratio(text)) == (exact, ratio)


def test_a_statement_shows_about_and_its_workbook_the_fraction_beside_it() -> None:
    one = document("owner-one")
    lines = (
        *one.statement.lines[:-1],
        msgspec.structs.replace(
            one.statement.lines[-1], note=NOTE, exact="1993501/300", rounding="-1/300", basis=()
        ),
    )
    statement = msgspec.structs.replace(one.statement, lines=lines)
    told = statement_text.text(statement)
    assert ABOUT in told
    assert "/1360000319" not in told
    whole = msgspec.structs.replace(one, statement=statement)
    paper = "".join(pdf_pages(statement_pdf(whole, "en")))
    assert "1993501/300" not in paper
    assert "6,645.003333" in paper
    book = Workbook(statement_xlsx(whole, "en"))
    assert "1993501/300" in book.column("Lines", "K")
    assert not any("/1360000319" in str(cell) for cell in book.column("Lines", "O"))
