"""Money that is recorded already, as the bank's booking of it would look."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import msgspec

from ledger.accounting.journal import EntryKind, JournalEntry
from ledger.quantity import Money
from ledger.reconciliation.receivable import market_payer


class RecordedCash(msgspec.Struct, frozen=True):
    """`amount` is above zero where our account received it; `payer` is a party, or a market by its stream,
    and None where nobody is recorded. `document` is the payment's id or the document's number, `kind` that of
    its entry."""

    document: str
    on: date
    amount: Money
    payer: str | None
    kind: EntryKind = "receipt"


def recorded_cash(entries: Iterable[JournalEntry], currency: str) -> tuple[RecordedCash, ...]:
    """All that moved through the bank, by document: the parts of one payment together."""
    found: dict[str, RecordedCash] = {}
    for entry in entries:
        document = entry.reference.document
        moved = [one.amount for one in entry.postings if one.account.role == "bank"]
        if document is None or not moved or entry.currency != currency:
            continue
        amount = sum(moved, Money.zero(currency))
        before = found.get(document)
        if before is not None:
            amount += before.amount
        found[document] = RecordedCash(document, entry.value_date, amount, _payer(entry), entry.kind)
    return tuple(one for _, one in sorted(found.items()) if one.amount.minor)


def _payer(entry: JournalEntry) -> str | None:
    for posting in entry.postings:
        if posting.account.role == "market_receivable" and posting.account.item is not None:
            return market_payer(posting.account.item)
    return entry.reference.party
