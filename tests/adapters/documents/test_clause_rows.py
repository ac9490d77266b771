"""A printed clause line says what it is computed from, as an explanation does."""

from __future__ import annotations

from typing import Any, cast

import pytest

from adapters.documents.language import Language
from adapters.documents.readable import readable_text
from adapters.documents.statement_document import StatementDocument
from adapters.documents.statement_pdf import statement_page
from adapters.statement_text import text
from ledger.clauses import Clause
from ledger.settlement.clause_terms import clause_terms
from ledger.settlement.run import Run
from ledger.settlement.statement import statements
from tests.adapters.documents.sample import RECORDED, proof
from tests.adapters.documents.test_workbook_terms import FLOOR, GUARANTEE
from tests.ledger.settlement.test_clause_background import LOSS, months_of


def shown(clauses: list[Clause], party: str, pool: int = 5_000_000) -> StatementDocument:
    result, behind = months_of(clauses, [pool])[-1]
    run = Run(1, "initial", result, "", result.payable)
    (one,) = [one for one in statements(run, 57) if one.party == party]
    return StatementDocument(
        statement=one,
        recorded_at=RECORDED,
        issuer="issuer",
        proof=proof(57),
        terms=clause_terms(result, behind, party),
    )


def printed(document: StatementDocument, *, rows: bool = True) -> str:
    return text(document.statement, rows=document.terms if rows else {})


def of_pdf(document: StatementDocument, language: Language) -> list[tuple[str, str, str]]:
    (sheet,) = cast("list[dict[str, Any]]", statement_page([document], language).data["sheets"])
    return [
        (term["label"], term["quantity"], term["price"]) for line in sheet["lines"] for term in line["terms"]
    ]


def test_a_guarantee_is_told_by_its_factors() -> None:
    document = shown([GUARANTEE], "a")
    told = printed(document)
    assert "       guaranteed to date, 1 of 12 months: 1,200,000 CNY x 1/12\n" in told
    assert "the clause's own terms" not in told
    assert ("guaranteed to date, 1 of 12 months", "1,200,000 CNY", "1/12") in of_pdf(document, "en")
    assert ("累计保证额，12 个月中的 1 个月", "1,200,000 CNY", "1/12") in of_pdf(document, "zh")


def test_a_minimum_is_told_by_its_factors() -> None:
    document = shown([LOSS, FLOOR], "a", 1_000_000)
    assert "       minimum of a: 20,000 CNY\n" in printed(document)
    assert ("minimum of a", "20,000 CNY", "") in of_pdf(document, "en")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_without_rows_a_stated_sum_is_no_product_of_one(language: Language) -> None:
    document = shown([GUARANTEE], "b")
    alone = StatementDocument(
        statement=document.statement, recorded_at=RECORDED, issuer="issuer", proof=proof(57)
    )
    assert "the clause's own terms: -100,000 CNY\n" in printed(document, rows=False)
    assert all(price != "1" for _, _, price in of_pdf(alone, language))


def test_a_tier_says_first_how_much_of_it_is_divided() -> None:
    assert readable_text("70% of the part above 5,000.00 CNY -12.50 CNY") == (
        "70% of -12.50 CNY, the part above 5,000.00 CNY"
    )
