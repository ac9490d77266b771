"""Which entries become vouchers: those in the currency in which the accounts are kept.

The ledger has no exchange rates, so that an entry in another currency has no amount in those accounts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from ledger.accounting.journal import JournalEntry
from ledger.quantity import Money


class LeftOut(NamedTuple):
    """Entries of another currency, and the sum of their debits."""

    number: int
    debits: Money


class Vouchered(NamedTuple):
    """The entries that become vouchers, and by currency what does not."""

    entries: tuple[JournalEntry, ...]
    left_out: tuple[LeftOut, ...]


def in_currency(entries: Iterable[JournalEntry], currency: str) -> Vouchered:
    """The entries without memo entries, which are outside the accounts; of other currencies the sums."""
    kept: list[JournalEntry] = []
    others: dict[str, list[JournalEntry]] = defaultdict(list)
    for entry in entries:
        if not entry.is_memo:
            (kept if entry.currency == currency else others[entry.currency]).append(entry)
    return Vouchered(
        tuple(kept), tuple(LeftOut(len(found), _debits(found)) for _, found in sorted(others.items()))
    )


def _debits(entries: list[JournalEntry]) -> Money:
    zero = Money.zero(entries[0].currency)
    return sum((posting.debit for entry in entries for posting in entry.postings), zero)
