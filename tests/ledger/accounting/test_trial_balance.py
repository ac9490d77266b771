"""Opening, movement and closing of a period."""

from __future__ import annotations

from datetime import date

import pytest

from ledger.accounting import cash
from ledger.accounting.account import Account
from ledger.accounting.journal import JournalEntry, Reference
from ledger.accounting.posting import Posting
from ledger.accounting.trial_balance import trial_balance
from ledger.quantity import Money
from ledger.refusal import Refused
from tests.ledger.contract_samples import yuan

BANK, HOST = Account("bank"), Account("receivable", ("host",))


def entries() -> list[JournalEntry]:
    """April: interest 100 charged; May: 60 received, 3 charged by the bank; June: 40 received."""
    return [
        cash.late_interest_charged("host", yuan("100.00"), date(2026, 4, 30), "i"),
        cash.receipt("host", yuan("60.00"), date(2026, 5, 1), "r1"),
        cash.bank_charge(yuan("3.00"), date(2026, 5, 31), "b"),
        cash.receipt("host", yuan("40.00"), date(2026, 6, 1), "r2"),
    ]


def test_a_month_opens_with_what_the_one_before_closed() -> None:
    may = trial_balance(entries(), "CNY", date(2026, 5, 1), date(2026, 6, 1))
    shown = {
        str(row.account): (str(row.opening), str(row.debit), str(row.credit), str(row.closing))
        for row in may.rows
    }
    assert shown == {
        "bank": ("0.00", "60.00", "3.00", "57.00"),
        "bank_charges": ("0.00", "3.00", "0.00", "3.00"),
        "late_interest_income": ("-100.00", "0.00", "0.00", "-100.00"),
        "receivable:host": ("100.00", "0.00", "60.00", "40.00"),
    }
    assert (str(may.debit), str(may.credit)) == ("63.00", "63.00")
    june = trial_balance(entries(), "CNY", date(2026, 6, 1), date(2026, 7, 1))
    for row in june.rows:
        assert row.opening == may.closing(row.account)
    assert june.closing(HOST) == yuan("0.00")


def test_order_of_posting_does_not_matter() -> None:
    period = ("CNY", date(2026, 5, 1), date(2026, 6, 1))
    assert trial_balance(entries()[::-1], *period) == trial_balance(entries(), *period)


def test_currencies_stand_apart_and_a_period_has_days() -> None:
    euro = JournalEntry(
        date(2026, 5, 2),
        "opening",
        "Opening balance",
        Reference(),
        (Posting(BANK, Money(500, "EUR")), Posting(Account("opening_equity"), Money(-500, "EUR"))),
    )
    both = [*entries(), euro]
    assert trial_balance(both, "EUR", date(2026, 5, 1), date(2026, 6, 1)).closing(BANK) == Money(500, "EUR")
    assert trial_balance(both, "CNY", date(2026, 5, 1), date(2026, 6, 1)).closing(BANK) == yuan("57.00")
    with pytest.raises(Refused) as refused:
        trial_balance(both, "CNY", date(2026, 5, 1), date(2026, 5, 1))
    assert refused.value.code == "period"
