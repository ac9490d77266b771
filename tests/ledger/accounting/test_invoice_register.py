"""The invoice register: what is to be invoiced, and where statement, invoice and payment differ."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ledger.accounting.invoice_register import differences, invoice_register
from ledger.refusal import Refused
from tests.ledger.accounting.books import PaperBook
from tests.ledger.accounting.runs import OWNER, with_streams
from tests.ledger.accounting.test_billing import vat_terms
from tests.ledger.contract_samples import eaas

TERMS = with_streams(eaas(), {"demand_response": OWNER})
"""45 678.91 of demand response: we invoice fees of 43 269.33, the host its share of 31 975.24."""


@pytest.fixture
def book() -> PaperBook:
    made = PaperBook(TERMS)
    made.settle({"demand_response": "45678.91"})
    made.issue()
    return made


def rows(book: PaperBook) -> list[tuple[str, str, str]]:
    return [
        (row.status, row.invoice.number if row.invoice else "", str(row.amount))
        for row in invoice_register(book.lives)
    ]


def told(book: PaperBook) -> list[tuple[str, str, str, str]]:
    return [
        (one.code, str(one.expected), str(one.found), str(one.left))
        for one in differences(book.lives, OWNER, {TERMS.id})
    ]


def test_what_is_still_to_be_invoiced_stands_in_the_register(book: PaperBook) -> None:
    assert rows(book) == [("to_issue", "", "43269.33"), ("to_receive", "", "31975.24")]
    book.invoice("issued", "F1", "30000.00", "1800.00")
    book.invoice("received", "H1", "31975.24", "0.00")
    assert rows(book) == [
        ("issued", "F1", "31800.00"),
        ("to_issue", "", "11469.33"),
        ("received", "H1", "31975.24"),
    ]


def test_statement_invoice_and_payment_are_one(book: PaperBook) -> None:
    """The host pays the difference, 11 294.09; with both invoices nothing is left to tell."""
    assert told(book) == [
        ("invoice", "43269.33", "0.00", "43269.33"),
        ("invoice", "31975.24", "0.00", "31975.24"),
        ("payment", "-11294.09", "0.00", "-11294.09"),
    ]
    book.invoice("issued", "F1", "40820.12", "2449.21")
    book.invoice("received", "H1", "28296.67", "3678.57")
    book.pay("b1", "-11294.00")
    assert told(book) == [("payment", "-11294.09", "-11294.00", "-0.09")]
    book.pay("b2", "-0.09")
    assert told(book) == []
    assert [row.payments for row in invoice_register(book.lives)] == [("b1", "b2")] * 2


def test_a_delta_names_what_it_can_be_taken_back_by(book: PaperBook) -> None:
    book.settle({"demand_response": "40000.00"})
    book.issue(run=2)
    (taken,) = (row for row in invoice_register(book.lives) if row.key.run == 2)
    assert (taken.status, str(taken.amount)) == ("to_take_back", "-3975.24")
    assert taken.advice == "in the next invoice", "the first run was not invoiced yet"
    book.invoice("received", "H1", "28296.67", "3678.57")
    (taken,) = (row for row in invoice_register(book.lives) if row.key.run == 2)
    assert taken.advice == "by a red-letter invoice of H1, or in the next invoice"
    book.invoice("received", "R1", "-3517.91", "-457.33", run=2, reverses="H1")
    assert rows(book)[-2:] == [("part_reversed", "H1", "31975.24"), ("red_letter", "R1", "-3975.24")]


def test_an_invoice_reversed_whole_is_shown_so(book: PaperBook) -> None:
    book.invoice("issued", "F1", "40820.12", "2449.21")
    book.invoice("issued", "F2", "-40820.12", "-2449.21", reverses="F1")
    assert rows(book)[:3] == [
        ("reversed", "F1", "43269.33"),
        ("red_letter", "F2", "-43269.33"),
        ("to_issue", "", "43269.33"),
    ]


def red_refused(book: PaperBook, number: str, net: str, tax: str, **more: Any) -> str:
    with pytest.raises(Refused) as caught:
        book.invoice("received", number, net, tax, **more)
    assert (caught.value.code, caught.value.place) == ("red_letter", "gross")
    return caught.value.reason


def test_red_letters_of_all_runs_take_back_no_more_than_the_invoice(book: PaperBook) -> None:
    """Of 31 975.24 the second run takes back 3 975.24: on the first run 28 000.00 are left, then nothing."""
    book.invoice("received", "H1", "28296.67", "3678.57")
    book.settle({"demand_response": "40000.00"})
    book.issue(run=2)
    book.invoice("received", "R2", "-3517.91", "-457.33", run=2, reverses="H1")
    told = red_refused(book, "R1", "-28296.67", "-3678.57", reverses="H1")
    assert told == "28,000.00 CNY of invoice H1 can be reversed, not 31,975.24"
    red_refused(book, "R1", "-24778.77", "-3221.24", reverses="H1")
    book.invoice("received", "R1", "-24778.76", "-3221.24", reverses="H1")
    assert [row for row in rows(book) if row[1] in {"H1", "R1"}] == [
        ("reversed", "H1", "31975.24"),
        ("red_letter", "R1", "-28000.00"),
    ]
    red_refused(book, "R3", "-0.01", "0.00", reverses="H1")


def test_what_other_parties_pay_each_other_is_no_difference(book: PaperBook) -> None:
    assert told(book)
    assert differences(book.lives, OWNER, {"another"}) == ()


def test_tax_beyond_the_contracts_rates_is_a_difference() -> None:
    book = PaperBook(vat_terms(TERMS))
    book.settle({"demand_response": "45678.91"})
    book.issue()
    book.invoice("issued", "F1", "40820.12", "2449.21")
    book.invoice("received", "H1", "30165.32", "1809.92")
    book.pay("b1", "-11294.09")
    assert told(book) == [("tax", "3678.57", "1809.92", "1868.65")], "6 % where the contract says 13 %"


def test_a_number_given_twice_is_a_difference(book: PaperBook) -> None:
    book.invoice("issued", "F1", "40820.12", "2449.21")
    book.settle({"demand_response": "60000.00"})
    book.issue(run=2)
    first = book.life()
    twin = msgspec.structs.replace(first, key=msgspec.structs.replace(first.key, party="a-investor"))
    assert [one.code for one in differences([first, twin], OWNER, {TERMS.id})].count("number") == 1
    shared = msgspec.structs.replace(first.invoices[0], in_next_invoice=True)
    twin = msgspec.structs.replace(twin, invoices=(shared,))
    assert [one.code for one in differences([first, twin], OWNER, {TERMS.id})].count("number") == 0
