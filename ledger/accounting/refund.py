"""What moves against a statement: paid back, or given up by who would get it back.

It takes from what was paid in advance, and beyond that the statement asks for it again: a receipt that the
bank returned is receivable once more. Amounts are above zero.
"""

from __future__ import annotations

from datetime import date

from ledger.accounting.account import Account, Role
from ledger.accounting.journal import EntryKind, JournalEntry, Reference
from ledger.accounting.posting import Posting
from ledger.quantity import Money


def refund_paid(party: str, paid: Money, advance: Money, on: date, document: str) -> JournalEntry:
    """The owner pays back; `advance` is what the party paid in advance (credit balance)."""
    text = f"Refund to {party}, {document}"
    return _entry("payment", text, party, paid, advance, Account("bank"), on, document)


def refund_received(party: str, received: Money, advance: Money, on: date, document: str) -> JournalEntry:
    """The party pays back; `advance` is what the owner paid in advance (debit balance)."""
    text = f"Refund from {party}, {document}"
    return _entry("receipt", text, party, -received, -advance, Account("bank"), on, document)


def refund_kept(party: str, kept: Money, advance: Money, on: date, document: str) -> JournalEntry:
    """The owner need not pay back what a party paid in advance (credit balance): it becomes income."""
    text = f"Write-back, {party}, {document}"
    return _entry("write_off", text, party, kept, advance, Account("write_back_income"), on, document)


def refund_given_up(party: str, given_up: Money, advance: Money, on: date, document: str) -> JournalEntry:
    """The owner gives up what it paid in advance (debit balance) and would get back."""
    text = f"Write-off, {party}, {document}"
    return _entry("write_off", text, party, -given_up, -advance, Account("bad_debt"), on, document)


def _entry(
    kind: EntryKind,
    text: str,
    party: str,
    moved: Money,
    advance: Money,
    against: Account,
    on: date,
    document: str,
) -> JournalEntry:
    """`moved` is debited where the party had paid, below zero credited where the owner had."""
    ours = moved.minor > 0
    most = max(advance.minor, 0) if ours else min(advance.minor, 0)
    taken = min(moved.minor, most) if ours else max(moved.minor, most)
    advances: Role = "advance_received" if ours else "advance_paid"
    again: Role = "receivable" if ours else "payable"
    amounts = (
        (Account(advances, (party,)), taken),
        (Account(again, (party,)), moved.minor - taken),
        (against, -moved.minor),
    )
    postings = tuple(Posting(account, Money(minor, moved.currency)) for account, minor in amounts if minor)
    return JournalEntry(on, kind, text, Reference(party=party, document=document), postings)
