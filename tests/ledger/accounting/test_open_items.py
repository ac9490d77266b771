"""What statements have open is what the journal's accounts say, account by account and on every day."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.accounting.account import Account
from ledger.accounting.ageing import ageing
from ledger.accounting.party_account import STATED, party_account
from ledger.accounting.trial_balance import trial_balance
from ledger.interval import Month
from ledger.quantity import Money, decimal_text
from ledger.refusal import Refused
from ledger.statement.as_posted import as_posted
from ledger.statement.open_item import OpenItem
from tests.ledger.accounting.books import ISSUED, PaperBook
from tests.ledger.accounting.runs import OWNER, with_streams
from tests.ledger.contract_samples import eaas

YEAR = (date(2026, 1, 1), date(2027, 1, 1))
FIRST = date(2026, 5, 1)

run = st.integers(1, 4)
day = st.integers(0, 60).map(lambda days: FIRST + timedelta(days=days))
minor = st.integers(-20_000_00, 20_000_00)
step = st.one_of(
    st.tuples(st.just("settle"), st.integers(0, 90_000_00)),
    st.tuples(st.just("issue"), run, day),
    st.tuples(st.just("pay"), run, minor, day),
    st.tuples(st.just("spread"), minor, day),
    st.tuples(st.just("write_off"), run, st.sampled_from([50, 100]), day),
    st.tuples(st.just("credit"), run, run, st.sampled_from([50, 100])),
    st.tuples(st.just("net"), day),
    st.tuples(st.just("close"), st.sampled_from([4, 5])),
)


def act(book: PaperBook, number: int, what: str, *arguments: Any) -> None:
    match what, arguments:
        case "settle", (fen,):
            book.settle({"demand_response": decimal_text(fen, 2)})
        case "issue", (of, on):
            book.issue(run=of, on=on)
        case "pay", (of, fen, on):
            book.pay(f"b{number}", decimal_text(fen, 2), run=of, on=on)
        case "spread", (fen, on):
            book.spread(f"s{number}", decimal_text(fen, 2), on)
        case "write_off", (of, percent, on):
            left = book.life(run=of).open_amount.minor * percent // 100
            book.pay(f"w{number}", decimal_text(left, 2), "write_off", run=of, on=on)
        case "credit", (of, to, percent):
            left = abs(book.life(run=of).open_amount.minor) * percent // 100
            book.credit(f"k{number}", of, to, decimal_text(left, 2))
        case "net", (on,):
            book.net(f"n{number}", on)
        case "close", (month,):
            book.close(Month(2026, month))


def in_journal(book: PaperBook) -> dict[str, int]:
    rows = trial_balance(book.journal.journal, "CNY", *YEAR).rows
    return {
        str(one.account): one.closing.minor
        for one in rows
        if one.closing.minor and one.account.role in STATED
    }


def in_statements(book: PaperBook) -> dict[str, int]:
    """Each issued statement asks for something, or got too much; above zero the host owes it."""
    sums: dict[str, int] = defaultdict(int)
    for life in book.lives:
        left = (life.due - life.settled).minor
        if life.issued_on is not None and life.key.party != OWNER and left:
            asks = left * life.due.minor > 0
            sides = ("payable", "receivable") if asks else ("advance_received", "advance_paid")
            sums[f"{sides[0] if left > 0 else sides[1]}:{life.key.party}"] -= left
    return {name: fen for name, fen in sums.items() if fen}


@settings(max_examples=150)
@given(st.integers(0, 90_000_00), st.lists(step, max_size=14), day)
def test_the_journal_and_the_open_items_agree_account_by_account_and_day_by_day(
    first: int, later: list[tuple[Any, ...]], on: date
) -> None:
    book = PaperBook(with_streams(eaas(), {"demand_response": OWNER}))
    for number, (what, *arguments) in enumerate([("settle", first), ("issue", 1, ISSUED), *later]):
        try:
            act(book, number, what, *arguments)
        except (Refused, KeyError):
            continue  # what is refused is no event, and a statement that is not there has none
        assert in_journal(book) == in_statements(book)
        for until in (on, YEAR[1]):
            agrees_on(book, until)


def agrees_on(book: PaperBook, until: date) -> None:
    """The statement of account and its ageing, of the same day."""
    entries, end = book.journal.journal, until + timedelta(days=1)
    then = as_posted(book.lives, until, book.journal.posting_days)
    closing = party_account(entries, "host", "CNY", None, end).closing
    assert ageing(then, "CNY", until, OWNER, {book.terms.id}).total == closing
    assert sum((OpenItem(life.due, life.settled).debit for life in then), Money.zero("CNY")) == closing


@pytest.mark.parametrize(
    ("due", "settled", "role", "debit"),
    [
        ("-70.00", "0.00", "receivable", "70.00"),
        ("-70.00", "-70.00", None, "0.00"),
        ("-70.00", "-90.00", "advance_received", "-20.00"),
        ("60.00", "20.00", "payable", "-40.00"),
        ("60.00", "60.01", "advance_paid", "0.01"),
        ("0.00", "-1.00", "advance_received", "-1.00"),
        ("0.00", "1.00", "advance_paid", "1.00"),
        ("5.00", "-1.00", "payable", "-6.00"),
    ],
)
def test_an_open_item_stands_in_one_account(due: str, settled: str, role: str | None, debit: str) -> None:
    item = OpenItem(Money.parse(due, "CNY"), Money.parse(settled, "CNY"))
    assert (item.role, str(item.debit)) == (role, debit)
    assert item.asks == (role in {"receivable", "payable"})
    assert item.is_advance == (role in {"advance_received", "advance_paid"})


def test_too_much_on_one_statement_is_an_advance_beside_what_another_asks_for() -> None:
    """11 294.09 asked for by the first run, and 3 975.24 more by the correction; 12 000.00 paid on one."""
    book = PaperBook(with_streams(eaas(), {"demand_response": OWNER}))
    book.settle({"demand_response": "45678.91"})
    book.issue()
    book.settle({"demand_response": "40000.00"})
    book.issue(run=2)
    book.pay("b1", "-12000.00")
    assert in_journal(book) == {"receivable:host": 397524, "advance_received:host": -70591}
    aged = ageing(book.lives, "CNY", ISSUED, OWNER, {book.terms.id})
    assert (str(aged.owed_to_us["not_due"]), str(aged.on_account)) == ("3975.24", "705.91")


def test_a_payment_of_no_statement_in_particular_leaves_no_credit_beside_what_is_asked() -> None:
    book = PaperBook(with_streams(eaas(), {"demand_response": OWNER}))
    book.settle({"demand_response": "45678.91"})
    book.issue()
    book.settle({"demand_response": "40000.00"})
    book.issue(run=2)
    book.spread("b1", "-12000.00")
    assert [str(book.life(run=number).open_amount) for number in (1, 2)] == ["0.00", "-3269.33"]
    assert in_journal(book) == {"receivable:host": 326933}
    book.spread("b2", "-3300.00")
    assert in_journal(book) == {"advance_received:host": -3067}


def test_what_a_closed_month_gets_late_is_open_until_it_is_posted() -> None:
    """April is closed: the payment of 29 April counts from 1 May, in the account and in what is open."""
    book = PaperBook(with_streams(eaas(), {"demand_response": OWNER}))
    book.settle({"demand_response": "45678.91"})
    book.issue(on=date(2026, 4, 28))
    book.close(Month(2026, 4))
    book.pay("b1", "-1294.09", on=date(2026, 4, 29))
    days = book.journal.posting_days
    for until, left in ((date(2026, 4, 27), None), (date(2026, 4, 30), "11294.09"), (FIRST, "10000.00")):
        agrees_on(book, until)
        then = as_posted(book.lives, until, days)
        assert [str(-life.open_amount) for life in then] == ([] if left is None else [left])
    assert book.journal.journal.balance(Account("receivable", ("host",)), "CNY").minor == 1000000


def test_a_netting_uses_up_what_stands_on_account() -> None:
    """705.91 paid beyond the first run, and 3 975.24 asked for by the correction: 3 269.33 are left."""
    book = PaperBook(with_streams(eaas(), {"demand_response": OWNER}))
    book.settle({"demand_response": "45678.91"})
    book.issue()
    book.settle({"demand_response": "40000.00"})
    book.issue(run=2)
    book.pay("b1", "-12000.00")
    book.net("n1")
    assert [str(book.life(run=number).open_amount) for number in (1, 2)] == ["0.00", "-3269.33"]
    assert in_journal(book) == in_statements(book) == {"receivable:host": 326933}
    (entry,) = [one for one in book.journal.journal if one.kind == "netting"]
    assert {str(one.account): str(one.amount) for one in entry.postings} == {
        "receivable:host": "-705.91",
        "advance_received:host": "705.91",
    }


def until(book: PaperBook, last: date) -> dict[str, int]:
    """What stands on the host's accounts at the end of a day."""
    rows = trial_balance(book.journal.journal, "CNY", YEAR[0], last + timedelta(days=1)).rows
    return {
        one.account.role: one.closing.minor
        for one in rows
        if one.closing.minor and one.account.role in STATED
    }


def issued_late() -> PaperBook:
    """A statement that asks the host for 11 294.09 is issued on 6 May; by then it has paid in April."""
    book = PaperBook(with_streams(eaas(), {"demand_response": OWNER}))
    book.settle({"demand_response": "45678.91"})
    book.issue()
    return book


def test_what_is_paid_before_the_issue_is_an_advance_until_then() -> None:
    book = issued_late()
    book.pay("b1", "-10000.00", on=date(2026, 4, 20))
    assert until(book, date(2026, 4, 19)) == {}
    assert until(book, date(2026, 4, 30)) == {"advance_received": -1000000}
    assert until(book, ISSUED) == {"receivable": 129409}
    paid, used = list(book.journal.journal)[-2:]
    assert (paid.kind, paid.posted_on, paid.description) == (
        "receipt",
        date(2026, 4, 20),
        "Receipt from host, b1",
    )
    assert (used.kind, used.posted_on, used.description) == ("netting", ISSUED, "Credit on account, b1, host")
    rows = party_account(book.journal.journal, "host", "CNY", None, None).rows
    assert [(row.kind, row.amount.minor) for row in rows] == [("receipt", -1000000), ("statement", 1129409)]


def test_more_than_the_statement_asks_for_stays_an_advance() -> None:
    book = issued_late()
    book.pay("b1", "-10000.00", on=date(2026, 4, 20))
    book.pay("b2", "-1300.00", on=date(2026, 4, 21))
    assert until(book, date(2026, 4, 30)) == {"advance_received": -1130000}
    assert until(book, ISSUED) == {"advance_received": -591}
    book.pay("b3", "5.91", on=date(2026, 4, 25))
    assert until(book, date(2026, 4, 30)) == {"advance_received": -1129409}
    assert until(book, ISSUED) == {}


def test_where_the_month_of_the_payment_is_closed_it_is_posted_in_the_open_one() -> None:
    """April was closed: the payment of 20 April is an advance from 1 to 6 May."""
    book = issued_late()
    book.close(Month(2026, 4))
    book.pay("b1", "-10000.00", on=date(2026, 4, 20))
    assert until(book, date(2026, 4, 30)) == {}
    assert until(book, FIRST) == {"advance_received": -1000000}
    assert until(book, ISSUED) == {"receivable": 129409}


@settings(max_examples=80)
@given(
    st.integers(0, 90_000_00),
    st.lists(st.tuples(minor, st.integers(-40, 40)), max_size=6),
    st.booleans(),
    st.integers(-40, -1),
)
def test_before_its_issue_nothing_is_receivable_or_payable(
    pool: int, payments: list[tuple[int, int]], closed: bool, before: int
) -> None:
    book = PaperBook(with_streams(eaas(), {"demand_response": OWNER}))
    book.settle({"demand_response": decimal_text(pool, 2)})
    book.issue()
    if closed:
        book.close(Month(2026, 4))
    for number, (fen, days) in enumerate(payments):
        try:
            book.pay(f"b{number}", decimal_text(fen, 2), on=ISSUED + timedelta(days=days))
        except Refused:
            continue
        assert in_journal(book) == in_statements(book)
        assert not {"receivable", "payable"} & set(until(book, ISSUED + timedelta(days=before)))
        agrees_on(book, ISSUED + timedelta(days=before))
