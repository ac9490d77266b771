"""A statement as a workbook: its formulas, computed by another program, give what the ledger recorded."""

from __future__ import annotations

from fractions import Fraction

import msgspec
import pytest

from adapters.documents.language import LANGUAGES, Language
from adapters.documents.statement_pdf import statement_pdf
from adapters.documents.statement_xlsx import statement_xlsx
from ledger.quantity import Money
from ledger.settlement.line import Basis
from tests.adapters.documents.sample import Workbook, document, pdf_pages, statement
from tests.ledger.kpi.sample import run


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("party", ["host-one", "owner-one"])
def test_every_formula_gives_the_value_stored_beside_it(party: str, language: Language) -> None:
    book = Workbook(statement_xlsx(document(party), language))
    formulas = book.formulas()
    assert len(formulas) > 10
    for sheet, address, stored in formulas:
        assert float(book.value(sheet, address)) == pytest.approx(stored, abs=1e-9), (sheet, address)


def test_the_totals_are_recomputed_from_the_lines() -> None:
    one = statement("host-one")
    book = Workbook(statement_xlsx(document(), "en"))
    rows = totals(book)
    for name, amount in (
        ("Entitlement", one.entitlement),
        ("Already held", one.held),
        ("Payable", one.payable),
    ):
        row = rows[name]
        assert book.value("Statement", f"B{row}") == amount.exact, name
        assert book.value("Statement", f"D{row}") == 0
        assert book.value("Statement", f"E{row}") == str(amount), "the exact text stands beside"
    assert book.value("Statement", f"B{rows['Pool of the contract']}") == one.pool.exact  # type: ignore[union-attr]


def totals(book: Workbook) -> dict[str, int]:
    cells = book.sheets["Statement"]
    return {
        str(value): int(at[1:]) for at, (_, value) in cells.items() if at[0] == "A" and f"E{at[1:]}" in cells
    }


def test_a_changed_term_shows_as_a_difference() -> None:
    """One kWh more of discharge moves the line, the total and the difference."""
    book = Workbook(statement_xlsx(document(), "en"))
    cells = book.sheets["Terms"]
    assert cells["C2"] == (None, 42000.123)
    cells["C2"] = (None, 42001.123)
    assert book.value("Statement", f"D{totals(book)['Already held']}") == Fraction("1.14")


def test_a_line_is_exact_plus_rounding_and_a_fraction_is_a_division() -> None:
    one = statement("owner-one")
    book = Workbook(statement_xlsx(document("owner-one"), "en"))
    third = next(line for line in one.lines if "/" in line.exact)
    row = 2 + one.lines.index(third)
    formula, stored = book.sheets["Lines"][f"H{row}"]
    assert formula == third.exact
    assert stored == float(Fraction(third.exact))
    assert book.sheets["Lines"][f"J{row}"][0] == f"ROUND(H{row}+I{row},2)"
    assert book.value("Lines", f"K{row}") == third.exact
    assert book.value("Lines", f"L{row}") == third.rounding


def test_a_stream_outside_the_pool_counts_in_no_total() -> None:
    book = Workbook(statement_xlsx(document(), "en"))
    assert book.column("Lines", "E")[1:] == ["Already held", "Already held", "shown only", "Entitlement"]


def test_text_keeps_what_a_double_loses() -> None:
    one = document()
    large = Money(2**60 + 1, "CNY")
    book = Workbook(
        statement_xlsx(
            msgspec.structs.replace(one, statement=msgspec.structs.replace(one.statement, entitlement=large)),
            "en",
        )
    )
    row = totals(book)["Entitlement"]
    assert Fraction(str(book.value("Statement", f"E{row}"))) == large.exact
    assert book.value("Statement", f"C{row}") != large.exact


def test_text_never_becomes_a_formula_or_a_link() -> None:
    evil = '=HYPERLINK("http://example.invalid","x")'
    one = document()
    data = statement_xlsx(
        msgspec.structs.replace(one, statement=msgspec.structs.replace(one.statement, title=evil)), "en"
    )
    book = Workbook(data)
    assert evil in book.column("Statement", "B")
    assert all("HYPERLINK" not in str(book.sheets[sheet][at][0]) for sheet, at, _ in book.formulas())


def test_the_same_statement_is_the_same_bytes_in_chinese() -> None:
    data = statement_xlsx(document(), "zh")
    assert data == statement_xlsx(document(), "zh")
    book = Workbook(data)
    assert list(book.sheets) == ["结算单", "明细", "计算项", "证明"]
    assert "峰谷套利" in book.column("明细", "B")
    assert "2026-09-01T02:03:04Z" in book.everything


def test_nothing_of_another_party_is_in_the_file() -> None:
    everything = Workbook(statement_xlsx(document("owner-one"), "zh")).everything
    for foreign in ("host-one", "arbitrage", "峰谷套利", "1.144372"):
        assert foreign not in everything
    assert "owner-one" in everything


def test_a_provisional_statement_says_so() -> None:
    book = Workbook(statement_xlsx(document(settled=run(kind="provisional")), "en"))
    assert str(book.sheets["Statement"]["A2"][1]).startswith("Provisional")


def test_terms_of_any_unit_and_price() -> None:
    """Markets pay MW, kW.month and MWh, and some prices are not one number."""
    terms = (
        Basis("day 1", "250000", "Wh", "by interval", "71.25"),
        Basis("charged", "1000000/3", "Wh", "0.5", "-500/3"),
        Basis("capacity", "100", "kW.month", "3.5", "350"),
        Basis("per MWh", "2000000", "Wh", "300", "600"),
        Basis("mileage", "7/2", "MW", "2/3", "7/3"),
    )
    exact = sum(Fraction(term.exact) for term in terms)
    amount = Money.round(Fraction(exact), "CNY")
    one = document()
    first = msgspec.structs.replace(
        one.statement.lines[0],
        basis=terms,
        exact=str(exact),
        amount=amount,
        rounding=str(amount.exact - exact),
    )
    changed = msgspec.structs.replace(one, statement=msgspec.structs.replace(one.statement, lines=(first,)))
    book = Workbook(statement_xlsx(changed, "en"))
    cells = book.sheets["Terms"]
    assert [cells.get(f"F{row}", ("", 0))[0] for row in range(2, 7)] == [
        None,
        "C3*E3*-1",
        "C4*E4",
        "C5*E5/1000",
        "C6*E6",
    ]
    assert cells["E2"][1] == "by interval"
    assert book.column("Terms", "D")[1:] == ["kWh", "kWh", "kW.month", "kWh", "MW"]
    assert [float(book.value("Terms", f"F{row}")) for row in range(2, 7)] == pytest.approx(
        [71.25, -500 / 3, 350, 600, 7 / 3]
    )
    assert float(book.value("Lines", "J2")) == pytest.approx(float(amount.exact))
    text = "".join(pdf_pages(statement_pdf(changed, "en")))
    for shown in ("250.000 kWh", "by interval", "100 kW.month", "≈333.333333 kWh", "3.500000 MW"):
        assert shown in text, shown
