"""What markets still have to pay, by stream and origin month, read from the journal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta

from ledger.accounting.journal import JournalEntry
from ledger.interval import Month
from ledger.quantity import Money
from ledger.reconciliation.receivable import MarketKey, Receivable


def market_receivables(entries: Iterable[JournalEntry], currency: str) -> tuple[Receivable, ...]:
    """What is open of each stream and month, by name; a market may pay from the month's first day on.

    Receipts name no month: what was received pays the oldest months first, what was paid back is taken from
    them again.
    """
    owed: dict[str, dict[Month, int]] = defaultdict(lambda: defaultdict(int))
    received: dict[str, int] = defaultdict(int)
    named: dict[tuple[str, Month], set[str]] = defaultdict(set)
    for entry in entries:
        for posting in entry.postings:
            stream = posting.account.item
            if entry.currency != currency or posting.account.role != "market_receivable" or stream is None:
                continue
            month = entry.reference.month
            if entry.kind == "market_receipt" or month is None:
                received[stream] -= posting.amount.minor
                continue
            owed[stream][month] += posting.amount.minor
            if entry.reference.document is not None:
                named[stream, month].add(entry.reference.document)
    found = [
        Receivable(
            MarketKey(stream, str(month)),
            Money(minor, currency),
            month.first_day,
            month.next().first_day - timedelta(days=1),
            tuple(sorted(named[stream, month])),
        )
        for stream, months in owed.items()
        for month, minor in _open(months, received[stream]).items()
        if minor
    ]
    return tuple(sorted(found, key=lambda one: one.name))


def _open(months: dict[Month, int], received: int) -> dict[Month, int]:
    """What is left of each month; what a correction took back of a month is set against the receipts."""
    left = dict(months)
    for month in sorted(months):
        paid = min(received, months[month]) if received > 0 else max(received, min(months[month], 0))
        left[month] -= paid
        received -= paid
    return left
