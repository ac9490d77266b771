"""A counterparty's account with the book's owner: every statement, invoice tax, payment and its balance."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from typing import Final

import msgspec

from ledger.accounting.account import Role
from ledger.accounting.journal import EntryKind, JournalEntry, Reference
from ledger.quantity import Money
from ledger.statement.life import Life

STATED: Final[frozenset[Role]] = frozenset({"receivable", "payable", "advance_received", "advance_paid"})
"""The accounts whose sum is what a party was told and did not pay; accruals are not told yet."""


class AccountRow(msgspec.Struct, frozen=True):
    """An entry's effect: above zero the party owes us more. `balance` is after it.

    `value_date` is the document's own day, before `posted_on` where its month was closed.
    """

    posted_on: date
    value_date: date
    kind: EntryKind
    description: str
    reference: Reference
    amount: Money
    balance: Money


class PartyAccount(msgspec.Struct, frozen=True):
    """`opening` and `closing` above zero: the party owes us. Rows are in the order of posting."""

    party: str
    currency: str
    opening: Money
    rows: tuple[AccountRow, ...]
    closing: Money

    def __post_init__(self) -> None:
        assert sum((row.amount for row in self.rows), self.opening) == self.closing


def party_account(
    entries: Iterable[JournalEntry], party: str, currency: str, first: date | None, end: date | None
) -> PartyAccount:
    """The account of a party in one currency, of the days [first, end); all without them.

    An entry that only moves between the party's accounts, such as an advance that is applied, has no row.
    """
    opening = balance = Money.zero(currency)
    rows: list[AccountRow] = []
    for entry in sorted(entries, key=lambda entry: entry.posted_on):
        if entry.currency != currency or (end is not None and entry.posted_on >= end):
            continue
        moved = _moved(entry).get(party, 0)
        if not moved:
            continue
        amount = Money(moved, currency)
        balance += amount
        if first is not None and entry.posted_on < first:
            opening = balance
            continue
        rows.append(
            AccountRow(
                entry.posted_on,
                entry.value_date,
                entry.kind,
                entry.description,
                entry.reference,
                amount,
                balance,
            )
        )
    return PartyAccount(party, currency, opening, tuple(rows), balance)


class ControlDifference(msgspec.Struct, frozen=True):
    """A party's balance in the journal is not what its statements say is open; above zero it owes us."""

    party: str
    journal: Money
    statements: Money


def control_differences(
    entries: Iterable[JournalEntry], lives: Iterable[Life], owner: str, without_owner: Iterable[str]
) -> tuple[ControlDifference, ...]:
    """Where the journal's counterparty accounts and the issued statements disagree; none when all is well.

    `without_owner` are contracts that the owner has no part in, of which nothing is posted.
    """
    booked: dict[tuple[str, str], int] = defaultdict(int)
    for entry in entries:
        for party, minor in _moved(entry).items():
            booked[party, entry.currency] += minor
    stated: dict[tuple[str, str], int] = defaultdict(int)
    foreign = set(without_owner)
    for life in lives:
        if life.issued_on is not None and life.key.party != owner and life.key.contract not in foreign:
            stated[life.key.party, life.amount.currency] -= (life.due - life.settled).minor
    return tuple(
        ControlDifference(party, Money(booked[party, currency], currency), Money(minor, currency))
        for party, currency in sorted({*booked, *stated})
        for minor in (stated[party, currency],)
        if booked[party, currency] != minor
    )


def _moved(entry: JournalEntry) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for posting in entry.postings:
        if posting.account.role in STATED and posting.account.party is not None:
            found[posting.account.party] += posting.amount.minor
    return found
