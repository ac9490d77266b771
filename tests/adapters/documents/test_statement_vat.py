"""Net, tax and gross on a statement in each of its forms; nothing of it where a contract states no VAT."""

from __future__ import annotations

import csv
import io
from fractions import Fraction

import msgspec
import pytest
from arro3.io import read_parquet

from adapters import statement_text
from adapters.documents.language import LANGUAGES, Language
from adapters.documents.statement_document import StatementDocument
from adapters.documents.statement_parquet import statement_parquet
from adapters.documents.statement_pdf import statement_pdf
from adapters.documents.statement_xlsx import statement_xlsx
from ledger.contract import Contract
from ledger.quantity import Money
from ledger.settlement.line import TAX, Basis
from ledger.settlement.line_vat import with_vat
from tests.adapters.documents.sample import Workbook, document, pdf_pages
from tests.ledger.settlement.test_line_vat import APRIL_30, line, taxed


def taxed_document(terms: Contract) -> StatementDocument:
    """Three equal shares at 13 per cent, of which one has the fen, and a fee at 6 per cent."""
    lines = [
        line(1, "capped_tier", "host", "33.35"),
        line(2, "remainder_split", "host", "33.35"),
        line(3, "loss_split", "host", "33.35"),
        line(4, "base_fee", "host", "-53.00"),
    ]
    made = with_vat("operator", terms, lines, APRIL_30).lines
    before = document()
    return msgspec.structs.replace(before, statement=msgspec.structs.replace(before.statement, lines=made))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("basis", ["tax_inclusive", "tax_exclusive"])
def test_the_workbook_computes_net_tax_and_gross(basis: str, language: Language) -> None:
    made = taxed_document(taxed(split_basis=basis))
    book = Workbook(statement_xlsx(made, language))
    lines, front = list(book.sheets)[1], next(iter(book.sheets))
    for row, one in enumerate(made.statement.lines, 2):
        assert one.vat is not None
        found = [book.value(lines, f"{column}{row}") for column in "STU"]
        assert found == [one.vat.net.exact, one.vat.tax.exact, one.vat.gross.exact], row
    for sheet, address, stored in book.formulas():
        assert float(book.value(sheet, address)) == pytest.approx(stored, abs=1e-9), (sheet, address)
    heads = {str(value): int(at[1:]) for at, (_, value) in book.sheets[front].items() if at[0] == "A"}
    for one_sum in made.statement.vat:
        percent = {"0.13": "13%", "0.06": "6%"}[one_sum.rate]
        head = heads[f"{one_sum.supplier} {percent}"]
        for below, amount in enumerate((one_sum.net, one_sum.tax, one_sum.gross), 1):
            assert book.value(front, f"B{head + below}") == amount.exact
            assert book.value(front, f"D{head + below}") == 0
            assert book.value(front, f"E{head + below}") == str(amount)


def test_a_changed_line_shows_as_a_difference_of_tax() -> None:
    made = taxed_document(taxed())
    book = Workbook(statement_xlsx(made, "en"))
    head = next(int(at[1:]) for at, (_, value) in book.sheets["Statement"].items() if value == "operator 6%")
    assert book.value("Statement", f"B{head + 2}") == Fraction("-3.00")
    book.sheets["Lines"]["J5"] = (None, -106.0)
    assert book.value("Statement", f"B{head + 2}") == Fraction("-6.00")
    assert book.value("Statement", f"D{head + 2}") == Fraction("-3.00")


def test_the_printed_page_has_each_line_s_vat_and_the_sums() -> None:
    (page, *_) = pdf_pages(statement_pdf(taxed_document(taxed()), "en"))
    text = " ".join(page.split())
    assert "VAT rate 13%; Net 29.52; Tax 3.83; Gross 33.35; Invoiced by host" in text
    assert "VAT rate 6%; Net -50.00; Tax -3.00; Gross -53.00; Invoiced by operator" in text
    assert "of the lines, VAT 13% (host): Net 88.54" in text
    chinese = " ".join(" ".join(pdf_pages(statement_pdf(taxed_document(taxed()), "zh"))).split())
    assert "增值税税率 13%" in chinese
    assert "开票方 operator" in chinese


def test_text_and_csv_show_lines_and_sums() -> None:
    one = taxed_document(taxed()).statement
    text = statement_text.text(one)
    assert "VAT 13%: net 29.52, tax 3.83, gross 33.35, invoiced by host" in text
    assert "of the lines, VAT 13%: net 88.54, tax 11.51, gross 100.05, invoiced by host" in text
    assert "of the lines, VAT 6%: net -50.00, tax -3.00, gross -53.00, invoiced by operator" in text
    rows = list(csv.DictReader(io.StringIO(statement_text.csv_text([one, document().statement]))))
    by_line = [row for row in rows if row["contract"] == one.contract and row["row"] == "1"]
    assert [by_line[0][name] for name in ("vat_rate", "net", "tax", "gross", "supplier")] == [
        "0.13",
        "29.52",
        "3.83",
        "33.35",
        "host",
    ]
    sums = [(row["supplier"], row["net"], row["tax"]) for row in rows if row["code"] == "vat"]
    assert sums == [("host", "88.54", "11.51"), ("operator", "-50.00", "-3.00")]
    assert all(None not in row for row in rows), "each row has every column"


def tax_taken_off(language: Language) -> tuple[str, Workbook, str]:
    """A saving of which 0.13/1.13 is tax, under a contract that divides what is left; 0.01 less of it than
    rounding gives, as where lines add up to an invoice."""
    before = document()
    earned = (
        Basis("2026-08-01", "100000", "Wh", "0.5", "50"),
        Basis("2026-08-02", "126600", "Wh", "0.5", "63.3"),
    )
    tax = Basis("value-added tax in the price", "113.30", "CNY", "0.13", "-13.02", TAX)
    net = Money.parse("100.28", "CNY")
    saving = msgspec.structs.replace(
        line(1, "arbitrage", "host", "100.28"), kind="stream", basis=(*earned, tax), exact="100.28",
        rounding="0", amount=net,
    )  # fmt: skip
    one = msgspec.structs.replace(before.statement, lines=(saving,))
    made = msgspec.structs.replace(before, statement=one)
    pages = " ".join(" ".join(pdf_pages(statement_pdf(made, language))).split())
    return statement_text.text(one), Workbook(statement_xlsx(made, language)), pages


@pytest.mark.parametrize("language", LANGUAGES)
def test_tax_in_a_price_is_said_as_its_part_of_the_price_and_computed(language: Language) -> None:
    text, book, pages = tax_taken_off(language)
    assert "value-added tax in the price: 113.30 CNY at -0.13/1.13" in text
    assert "-0.13/1.13" in pages
    terms = list(book.sheets)[2]
    assert book.value(terms, "C4") == Fraction("113.3")
    assert book.value(terms, "F4") == Fraction("-13.02")
    formulas = {address for sheet, address, _ in book.formulas() if sheet == terms}
    assert {"C4", "E4", "F4"} <= formulas, "nothing of it is as recorded"
    book.sheets[terms]["F3"] = (None, 67.82)
    assert book.value(terms, "F4") == Fraction("-13.54"), "117.82 x 0.13/1.13 = 13.55, and the fen"


def test_without_vat_terms_nothing_of_it_is_there() -> None:
    plain = document()
    assert "VAT" not in statement_text.text(plain.statement)
    assert "vat" not in statement_text.csv_text([plain.statement])
    assert "VAT" not in Workbook(statement_xlsx(plain, "en")).everything
    assert "VAT" not in " ".join(pdf_pages(statement_pdf(plain, "en")))


def test_parquet_has_vat_beside_the_amount_and_null_without() -> None:
    data = statement_parquet([taxed_document(taxed()).statement, document().statement])["lines"]
    read = read_parquet(io.BytesIO(data)).read_all()
    rows = {name: read[name].to_pylist() for name in ("vat_supplier", "vat_rate", "net_minor", "gross_minor")}
    assert [rows[name][0] for name in rows] == ["host", "0.13", 2952, 3335]
    assert all(rows[name][-1] is None for name in rows)


def test_a_part_of_a_line_and_an_agents_part_are_shown_as_they_are_invoiced() -> None:
    """Of a saving of 100.00 the host keeps its share of 70.00 and is invoiced 30.00, of which 3.45 is tax."""
    base = taxed(cash_holder={"arbitrage": "host"})
    saving = msgspec.structs.replace(line(1, "arbitrage", "host", "100.00"), kind="stream")
    shares = [line(2, "remainder_split", "host", "70.00"), line(3, "remainder_split", "operator", "30.00")]
    lines = [saving, *shares]
    for position in ("gross", "net"):
        terms = msgspec.structs.replace(base, owner_position=position)
        found = with_vat("operator", terms, lines, APRIL_30)
        before = document()
        one = msgspec.structs.replace(before.statement, lines=found.lines[:2], agent_parts=found.parts)
        made = msgspec.structs.replace(before, statement=one)
        text = statement_text.text(one)
        whose = "of the lines" if position == "gross" else "of the agent's part"
        assert f"{whose}, VAT 13%: net -26.55, tax -3.45, gross -30.00, invoiced by operator" in text
        assert text.count("VAT") == (2 if position == "gross" else 1)
        rows = csv.DictReader(io.StringIO(statement_text.csv_text([one])))
        (row,) = [row for row in rows if row["supplier"] and row["row"] == "total"]
        assert (row["code"], row["gross"]) == ("vat" if position == "gross" else "agent_vat", "-30.00")
        book = Workbook(statement_xlsx(made, "en"))
        for sheet, address, stored in book.formulas():
            assert float(book.value(sheet, address)) == pytest.approx(stored, abs=1e-9), (sheet, address)
        if position == "gross":
            shown = [Fraction(text) for text in ("-26.55", "-3.45", "-30")]
            assert [book.value("Lines", f"{column}2") for column in "STU"] == shown
            formulas = {address for sheet, address, _ in book.formulas() if sheet == "Lines"}
            assert {"T2", "U2"} <= formulas, "only what is invoiced of the line is as recorded"
        pages = " ".join(" ".join(pdf_pages(statement_pdf(made, "en"))).split())
        assert f"{whose}, VAT 13% (operator): Net -26.55" in pages
