"""A red letter is the invoice that it reverses, to the fen, and leaves nothing over in the month."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.accounting.invoice_register import differences, invoice_register
from ledger.accounting.left_to_invoice import DIRECTIONS, left_to_invoice
from ledger.quantity import Money
from tests.ledger.accounting.books import PaperBook
from tests.ledger.accounting.runs import OWNER, with_streams
from tests.ledger.accounting.test_billing import vat_terms
from tests.ledger.contract_samples import plain_split

TERMS = vat_terms(with_streams(plain_split(), {"spot": OWNER}))
"""Of 5 469.61 the host's share is 3 828.73, which holds 440.47 at 13 %: 3 388.26 and 440.47."""
EXCLUSIVE = msgspec.structs.replace(TERMS, split_basis="tax_exclusive")


def book(terms: Any = TERMS, *amounts: str) -> PaperBook:
    made = PaperBook(terms)
    for run, amount in enumerate(amounts, 1):
        made.settle({"spot": amount})
        made.issue(run=run)
    return made


def rows(of: PaperBook) -> list[tuple[int, str, str, str, str, str]]:
    return [
        (row.key.run, row.status, str(row.net), str(row.tax), str(row.gross), row.advice)
        for row in invoice_register(of.lives)
        if row.invoice is None
    ]


def told(of: PaperBook) -> list[tuple[int, str, str]]:
    return [
        (one.key.run, one.code, str(one.left))
        for one in differences(of.lives, OWNER, {TERMS.id})
        if one.code in {"invoice", "tax"}
    ]


def test_the_red_letter_has_the_amounts_of_the_invoice_and_not_of_the_lines() -> None:
    """R-1 came one fen short of tax: its red letter is one fen short too, and the fen is never invoiced."""
    made = book(TERMS, "5469.61")
    assert rows(made) == [(1, "to_receive", "3388.26", "440.47", "3828.73", "")]
    made.invoice("received", "R-1", "3388.26", "440.46")
    assert told(made) == [(1, "invoice", "0.01")]
    made.settle({"spot": "0.00"})
    made.issue(run=2)
    by = "by a red-letter invoice of R-1, or in the next invoice"
    assert rows(made) == [(2, "to_take_back", "-3388.26", "-440.46", "-3828.72", by)]
    assert told(made) == [(2, "invoice", "-3828.72")]
    made.invoice("received", "R-2", "-3388.26", "-440.46", run=2, reverses="R-1")
    assert (rows(made), told(made)) == ([], [])


def test_on_top_the_red_letter_has_the_invoices_tax_too() -> None:
    made = book(EXCLUSIVE, "5469.61")
    ((_, _, net, tax, _, _),) = rows(made)
    short = str(Money.parse(tax, "CNY") - Money(1, "CNY"))
    made.invoice("received", "R-1", net, short)
    assert told(made) == [(1, "tax", "0.01")]
    made.settle({"spot": "0.00"})
    made.issue(run=2)
    assert [one[2:4] for one in rows(made)] == [(f"-{net}", f"-{short}")]
    made.invoice("received", "R-2", f"-{net}", f"-{short}", run=2, reverses="R-1")
    assert (rows(made), told(made)) == ([], [])


def test_a_part_that_is_taken_back_has_the_tax_of_the_lines() -> None:
    made = book(TERMS, "5469.61")
    made.invoice("received", "R-1", "3388.26", "440.46")
    made.settle({"spot": "4000.00"})
    made.issue(run=2)
    assert [one[:2] + one[4:5] for one in rows(made)] == [
        (1, "to_receive", "0.01"),
        (2, "to_take_back", "-1028.73"),
    ]


def test_before_any_invoice_each_run_has_its_own() -> None:
    made = book(TERMS, "5469.61", "0.00")
    assert [(one[0], one[4]) for one in rows(made)] == [(1, "3828.73"), (2, "-3828.73")]


minor = st.integers(0, 10**6)


@settings(max_examples=100)
@pytest.mark.parametrize("terms", [TERMS, EXCLUSIVE])
@given(minors=st.lists(minor, min_size=1, max_size=4), covers=st.integers(0, 1000), red=st.integers(0, 1000))
def test_what_is_left_of_a_month_is_what_was_billed_less_what_was_invoiced(
    terms: Any, minors: list[int], covers: int, red: int
) -> None:
    made = book(terms, *(str(Money(each, "CNY")) for each in minors))
    left = made.life(run=1).to_invoice("received").minor
    asked = left * covers // 1000
    if asked > 1:
        tax = asked // 9
        net = asked if terms is EXCLUSIVE else asked - tax
        made.invoice("received", "R-1", str(Money(net, "CNY")), str(Money(tax, "CNY")))
        back = [life for life in made.lives if life.to_invoice("received").minor < 0]
        if back:
            most = min(asked, -back[0].to_invoice("received").minor) * red // 1000
            if most > 1:
                tax = most // 9
                net = most if terms is EXCLUSIVE else most - tax
                run = back[0].key.run
                if tax <= asked // 9:
                    made.invoice(
                        "received",
                        "R-2",
                        f"-{Money(net, 'CNY')}",
                        f"-{Money(tax, 'CNY')}",
                        run=run,
                        reverses="R-1",
                    )
    found = left_to_invoice(made.lives)
    for direction in DIRECTIONS:
        own = [life.to_invoice(direction).minor for life in made.lives]
        after = [found[life.key, direction].amount.minor for life in made.lives]
        assert sum(after) == sum(own)
        for before, then in zip(own, after, strict=True):
            assert before * then >= 0
            assert abs(then) <= abs(before)
