"""Entries that do not balance cannot exist, and a closed month takes no more."""

from __future__ import annotations

from datetime import date

import pytest

from ledger.accounting.account import Account
from ledger.accounting.journal import Journal, JournalEntry, Reference
from ledger.accounting.posting import Posting
from ledger.interval import Month
from ledger.quantity import Money
from ledger.refusal import Refused

BANK = Account("bank")
HOST = Account("receivable", ("host",))
DAY = date(2026, 5, 3)


def cny(minor: int, currency: str = "CNY") -> Money:
    return Money(minor, currency)


def entry(*postings: Posting, on: date = DAY, text: str = "a receipt") -> JournalEntry:
    return JournalEntry(on, "receipt", text, Reference(), postings)


def balanced(minor: int = 100, on: date = DAY) -> JournalEntry:
    return entry(Posting(BANK, cny(minor)), Posting(HOST, cny(-minor)), on=on)


@pytest.mark.parametrize(
    ("postings", "code"),
    [
        ((), "empty"),
        ((Posting(BANK, cny(100)),), "unbalanced"),
        ((Posting(BANK, cny(100)), Posting(HOST, cny(-99))), "unbalanced"),
        ((Posting(BANK, cny(100)), Posting(HOST, cny(-100, "EUR"))), "currency"),
        ((Posting(BANK, cny(100)), Posting(Account("memo_contra"), cny(-100))), "memo_mixed"),
    ],
)
def test_an_entry_that_cannot_be_posted_cannot_exist(postings: tuple[Posting, ...], code: str) -> None:
    with pytest.raises(Refused) as refused:
        entry(*postings)
    assert (refused.value.code, refused.value.place) == (code, "postings")


def test_the_difference_is_named() -> None:
    with pytest.raises(Refused, match=r"debits less credits are 0\.01, not 0"):
        entry(Posting(BANK, cny(100)), Posting(HOST, cny(-99)))


@pytest.mark.parametrize(
    ("text", "code"), [(" ", "empty"), ("x" * 201, "text_length"), ("two\nlines", "control_character")]
)
def test_texts_fit_every_export(text: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        entry(Posting(BANK, cny(1)), Posting(HOST, cny(-1)), text=text)
    assert refused.value.code == code
    with pytest.raises(Refused) as refused:
        Reference(document=text)
    assert refused.value.code == code


def test_a_posting_of_nothing_is_refused() -> None:
    with pytest.raises(Refused, match="nothing to post to bank"):
        Posting(BANK, cny(0))


def test_debit_and_credit() -> None:
    assert (Posting(BANK, cny(5)).debit, Posting(BANK, cny(5)).credit) == (cny(5), cny(0))
    assert (Posting(BANK, cny(-5)).debit, Posting(BANK, cny(-5)).credit) == (cny(0), cny(5))


def test_a_closed_month_takes_no_more_entries() -> None:
    journal = Journal().posted([balanced()]).closed_through(Month(2026, 5))
    with pytest.raises(Refused) as refused:
        journal.posted([balanced(on=date(2026, 5, 31))])
    assert refused.value.code == "closed_month"
    journal = journal.closed_through(Month(2026, 4)).posted([balanced(7, on=date(2026, 6, 1))])
    assert journal.balance(BANK, "CNY") == cny(107)
    assert journal.closed_to == date(2026, 6, 1)


def test_balances_are_by_currency() -> None:
    euro = entry(Posting(BANK, cny(9, "EUR")), Posting(HOST, cny(-9, "EUR")))
    journal = Journal().posted([balanced(), euro])
    assert journal.balance(BANK, "EUR") == cny(9, "EUR")
    assert journal.balance(BANK, "CNY") == cny(100)


@pytest.mark.parametrize(
    ("role", "keys", "code"),
    [
        ("cash", (), "account_role"),
        ("bank", ("host",), "account_key"),
        ("receivable", (), "account_key"),
        ("receivable", ("a b",), "id"),
    ],
)
def test_accounts_have_the_keys_of_their_role(role: str, keys: tuple[str, ...], code: str) -> None:
    with pytest.raises(Refused) as refused:
        Account(role, keys)  # type: ignore[arg-type]
    assert refused.value.code == code


def test_party_and_item_of_an_account() -> None:
    memo = Account("memo_saving", ("host", "arbitrage"))
    assert (memo.party, memo.item, memo.is_memo) == ("host", "arbitrage", True)
    assert (BANK.party, BANK.item, BANK.is_memo) == (None, None, False)
