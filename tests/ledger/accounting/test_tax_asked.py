"""What a tax-exclusive statement asks for with its tax is what is open, before it is invoiced and after."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.accounting.invoice_register import differences
from ledger.accounting.party_account import control_differences
from ledger.interval import Month
from ledger.quantity import Money
from ledger.reconciliation.receivable import receivables
from ledger.statement.as_posted import as_posted
from ledger.statement.dispute import RaiseDispute
from ledger.statement.life import Life
from ledger.statement.payment_due import payment_due
from tests.ledger.accounting.books import ISSUED, PaperBook
from tests.ledger.accounting.runs import OWNER, with_streams
from tests.ledger.accounting.test_billing import vat_terms
from tests.ledger.contract_samples import APRIL, eaas

TERMS = msgspec.structs.replace(
    vat_terms(with_streams(eaas(), {"demand_response": OWNER})), split_basis="tax_exclusive"
)
MAY = Month(2026, 5)


def money(minor: int) -> str:
    return str(Money(minor, "CNY"))


def issued(amount: str = "45678.91") -> PaperBook:
    """We invoice 33 333.33 and 9 936.00 at 6 %, the host its share of 31 975.24 at 13 %: on top 2 596.16 of
    ours and 4 156.78 of the host's. It pays 11 294.09 less 1 560.62 of tax, 9 733.47."""
    made = PaperBook(TERMS)
    made.settle({"demand_response": amount})
    made.issue()
    return made


def of(book: PaperBook, *names: str) -> list[int]:
    found: dict[str, int] = defaultdict(int)
    for entry in book.journal.journal:
        for posting in entry.postings:
            found[str(posting.account)] += posting.amount.minor
    return [found[name] for name in names]


def agree(book: PaperBook) -> None:
    assert control_differences(book.journal.journal, book.lives, OWNER, ()) == ()


def asked(life: Life) -> Money:
    return payment_due(life.amount, None, life).with_tax


def test_what_is_asked_for_is_open_before_there_is_an_invoice() -> None:
    book = issued()
    life = book.life()
    assert (str(asked(life)), life.open_amount) == ("-9733.47", asked(life))
    assert [str(one.amount) for one in receivables([life])] == ["9733.47"]
    assert of(book, "receivable:host", "vat_output_pending", "vat_input_pending") == [973347, -259616, 415678]
    agree(book)


def test_paying_what_is_asked_pays_the_statement_and_nothing_else() -> None:
    """The whole goes to April, and none of it to May, also where the invoices come later."""
    book = issued()
    book.settle({"demand_response": "45678.91"}, MAY)
    book.issue(month=MAY)
    book.spread("b1", "-9733.47")
    assert str(book.life().open_amount) == "0.00"
    assert book.life().standing(date(2026, 12, 1)) == "paid"
    assert [len(life.payments) for life in book.lives] == [1, 0]
    assert of(book, "advance_received:host") == [0]
    book.invoice("issued", "F1", "43269.33", "2596.16")
    book.invoice("received", "H1", "31975.24", "4156.78")
    april = [one for one in differences(book.lives, OWNER, {TERMS.id}) if one.key.month == str(APRIL)]
    assert april == []
    assert of(book, "vat_output", "vat_input") == [-259616, 415678]
    agree(book)


def test_an_invoice_with_other_tax_moves_what_is_open_by_the_difference() -> None:
    book = issued()
    book.invoice("issued", "F1", "30000.00", "1800.00")
    assert str(book.life().open_amount) == "-9733.47", "the rest is asked for as before"
    assert of(book, "vat_output", "vat_output_pending") == [-180000, -79616]
    book.invoice("issued", "F2", "13269.33", "796.15")
    assert str(book.life().open_amount) == "-9733.46", "a fen less was invoiced"
    assert of(book, "vat_output", "vat_output_pending", "receivable:host") == [-259615, 0, 973346]
    agree(book)


def test_an_invoice_without_tax_takes_back_what_was_asked() -> None:
    book = issued()
    book.invoice("received", "H1", "31975.24", "0.00")
    assert of(book, "vat_input", "vat_input_pending", "receivable:host") == [0, 0, 973347 + 415678]
    agree(book)


def test_a_disputed_line_waits_with_its_tax() -> None:
    """Fees of 43 269.33 with 2 596.16 on top, less 700.00 with 91.00: 45 074.49 is asked. Of the service fee
    9 936.00 with 596.16 waits."""
    book = issued("1000.00")
    (line,) = (number for number, amount in book.life().lines.items() if str(amount) == "-9936.00")
    book.do(RaiseDispute(book.key(), "d1", (line,), "wrong", "host", ISSUED))
    life = book.life()
    assert (str(life.due), str(life.frozen), life.frozen) == ("-45074.49", "-10532.16", life.disputed)
    assert str(life.open_amount) == "-34542.33"
    agree(book)


def test_a_statement_reviewed_before_asks_with_its_invoices() -> None:
    life = issued().life()
    old = msgspec.structs.replace(life, billing=msgspec.structs.replace(life.billing, tax_asked=False))
    assert str(old.open_amount) == "-11294.09"


def test_before_its_issue_a_statement_asks_for_no_tax() -> None:
    book = issued()
    book.pay("b1", "-100.00", on=date(2026, 5, 2))
    (early,) = as_posted(book.lives, date(2026, 5, 3), {})
    assert (str(early.due), str(early.open_amount)) == ("0.00", "100.00")


def test_without_rates_the_tax_is_due_with_its_invoice() -> None:
    book = PaperBook(msgspec.structs.replace(TERMS, vat=None))
    book.settle({"demand_response": "45678.91"})
    book.issue()
    assert str(book.life().open_amount) == "-11294.09"
    book.invoice("issued", "F1", "43269.33", "2596.16")
    assert str(book.life().open_amount) == "-13890.25"
    agree(book)


amount = st.integers(1, 10**7)
step = st.one_of(
    st.tuples(st.sampled_from(["issued", "received"]), st.integers(1, 100), st.integers(-2, 2)),
    st.tuples(st.just("pay"), st.integers(1, 120), st.just(0)),
    st.tuples(st.just("dispute"), st.integers(0, 3), st.just(0)),
)


@settings(max_examples=150)
@given(amount, st.lists(step, max_size=6))
def test_statement_journal_and_payment_stay_one(pool: int, steps: list[Any]) -> None:
    """Whatever is invoiced, in parts and with other tax, paid and disputed: the account is what is open, and
    nothing is pending once all is invoiced."""
    book = issued(money(pool))
    for number, (what, size, off) in enumerate(steps):
        life = book.life()
        if what == "pay":
            minor = life.open_amount.minor * size // 100
            if minor * life.due.minor > 0:
                book.pay(f"b{number}", money(minor))
        elif what == "dispute":
            if not life.disputes and life.status == "issued":
                line = sorted(life.lines)[size % len(life.lines)]
                if life.lines[line].minor:
                    book.do(RaiseDispute(book.key(), "d1", (line,), "wrong", "host", ISSUED))
        else:
            left = life.to_invoice(what).minor
            net = left if size == 100 else left * size // 100
            tax = max(net * (6 if what == "issued" else 13) // 100 + off, 0)
            if net > 0:
                book.invoice(what, f"N{number}", money(net), money(tax))
        agree(book)
        life = book.life()
        assert life.due == life.amount + life.billing.tax_on_top(life.invoices)
    life = book.life()
    for direction, account in (("issued", "vat_output_pending"), ("received", "vat_input_pending")):
        side = life.billing.side(direction)  # type: ignore[arg-type]
        if life.billing.invoiced(direction, life.invoices) == side.amount and side.amount.minor:  # type: ignore[arg-type]
            assert of(book, account) == [0]


@pytest.mark.parametrize("pool", ["45678.91", "1000.00", "0.03", "-1234.57"])
def test_what_the_statement_prints_is_what_settles_it(pool: str) -> None:
    book = issued(pool)
    book.pay("b1", str(asked(book.life())))
    assert book.life().item.role is None
    assert (
        of(book, "receivable:host", "payable:host", "advance_received:host", "advance_paid:host") == [0] * 4
    )
    agree(book)
