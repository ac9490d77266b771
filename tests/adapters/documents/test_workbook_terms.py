"""A workbook computes limits, tiers and guarantees from the contract's numbers, and marks what it cannot."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import msgspec
import pytest

from adapters.documents.statement_document import StatementDocument
from adapters.documents.statement_xlsx import statement_xlsx
from ledger.clauses import (
    Clause,
    EarlyTermination,
    FlooredSplit,
    Guarantee,
    Hurdle,
    LossSplit,
    RemainderSplit,
    TieredShare,
)
from ledger.clauses.early_termination import TerminationStep
from ledger.clauses.tiered_share import Bracket
from ledger.settlement.clause_terms import clause_terms
from ledger.settlement.run import Run
from ledger.settlement.statement import statements
from tests.adapters.documents.sample import RECORDED, Workbook, proof
from tests.ledger.settlement.test_clause_background import LOSS, THIRDS, months_of

HALVES = {"a": "50%", "b": "50%"}
HURDLE = Hurdle(capital="4080000", annual_rate="7%", proration="days", carry_forward=True, shares=THIRDS)
TIERS = TieredShare(
    brackets=(Bracket(up_to="50000", shares=THIRDS), Bracket(shares={"a": "100%"})),
    period="year",
    reset_month=1,
)
GUARANTEE = Guarantee(
    annual_amount="1200000", guaranteed_party="a", other_party="b", excess_share="60%",
    measure="year_to_date", carry="annual_reset", reset_month=1, proration="days",
)  # fmt: skip
FLOOR = FlooredSplit(
    shares=HALVES, party="a", minimum="20000", proration="days", funded_by={"b": "100%"}, shortfall="paid"
)
ENDING = EarlyTermination(
    on=date(2026, 3, 1), evidence="notice 1", payer="b", unpaid_hurdle="lapses",
    schedule=(TerminationStep(since=date(2026, 1, 1), amount="90000.01"),), payment_shares={"a": "100%"},
)  # fmt: skip


def book_of(clauses: list[Clause], pools: list[int], party: str) -> Workbook:
    """The workbook of the last month's statement, whose delta is what is payable."""
    result, behind = months_of(clauses, pools)[-1]
    run = Run(1, "initial", result, "", result.payable)
    (shown,) = [one for one in statements(run, 57) if one.party == party]
    document = StatementDocument(
        statement=shown,
        recorded_at=RECORDED,
        issuer="issuer",
        proof=proof(57),
        terms=clause_terms(result, behind, party),
    )
    return Workbook(statement_xlsx(document, "en"))


def row_of(book: Workbook, label: str) -> int:
    """The first row of that label."""
    cells = book.sheets["Terms"].items()
    return next(int(at[1:]) for at, (_, value) in cells if at[0] == "B" and value == label)


def entitlement(book: Workbook) -> Fraction:
    cells = book.sheets["Statement"]
    (row,) = [at[1:] for at, (_, value) in cells.items() if value == "Entitlement" and f"C{at[1:]}" in cells]
    return Fraction(book.value("Statement", f"D{row}"))


@pytest.mark.parametrize(
    ("clauses", "label", "to"),
    [
        ([HURDLE, LOSS, RemainderSplit(shares=HALVES)], "return due on capital at 7% a year", 4_200_000),
        ([LOSS, TIERS], "bound of bracket 1", 60_000),
        ([GUARANTEE], "guaranteed to date, 2 of 12 months", 2_400_000),
        ([LOSS, FLOOR], "minimum of a", 30_000),
        ([LOSS, RemainderSplit(shares=HALVES), ENDING], "termination payment from 2026-01-01", 1),
    ],
)
def test_what_the_contract_states_moves_the_total(clauses: list[Clause], label: str, to: int) -> None:
    """Whoever changes the capital, a bound, the guarantee, the minimum or the payment sees the difference."""
    book = book_of(clauses, [3_000_000, 3_000_000], "a")
    for sheet, address, stored in book.formulas():
        assert float(book.value(sheet, address)) == pytest.approx(stored, abs=1e-6), (sheet, address)
    assert entitlement(book) == 0
    book.sheets["Terms"][f"C{row_of(book, label)}"] = (None, float(to))
    assert entitlement(book)


def test_what_earlier_months_left_is_as_recorded() -> None:
    book = book_of([LOSS, TIERS], [3_000_000, 3_000_000], "a")
    row = row_of(book, "divided in the year before 2026-01")
    assert book.sheets["Terms"][f"I{row}"][1] == "as recorded"
    assert book.sheets["Terms"][f"F{row}"][0] is None, "a constant, no formula that repeats it"
    made = dict(zip(book.column("Lines", "A"), book.column("Lines", "Q"), strict=True))
    assert "in part as recorded" in made.values()
    assert "as recorded" in book.column("Statement", "B"), "what each clause did over all parties"


def test_the_rounding_of_a_clause_is_computed_from_the_terms_above_it() -> None:
    hurdle = msgspec.structs.replace(HURDLE, capital="4080001")
    loss = LossSplit(shares=HALVES, carry_forward=False)
    book = book_of([hurdle, loss, RemainderSplit(shares=HALVES)], [9_000_000], "a")
    row = row_of(book, "rounding by the clause")
    formula, _ = book.sheets["Terms"][f"C{row}"]
    assert formula is not None
    assert formula.startswith("ROUND(")
    assert book.value("Terms", f"C{row}") == Fraction("23800.01") - Fraction(4080001 * 7, 1200)
