"""In which currencies a book's journal, or a party's account in it, is kept: none adds to another."""

from __future__ import annotations

from collections.abc import Iterable

from ledger.accounting.journal import JournalEntry
from ledger.statement.life import Life


def journal_currencies(entries: Iterable[JournalEntry], book: str) -> tuple[str, ...]:
    """Those of the entries, the book's own first; the book's where there are none.

    >>> journal_currencies([], "CNY")
    ('CNY',)
    """
    return _own_first({entry.currency for entry in entries}, book)


def account_currencies(
    entries: Iterable[JournalEntry], lives: Iterable[Life], party: str, book: str
) -> tuple[str, ...]:
    """As `journal_currencies`, of what was posted on the party's accounts and of its statements, `lives`."""
    posted = {
        entry.currency
        for entry in entries
        if any(posting.account.party == party for posting in entry.postings)
    }
    return _own_first(posted | {life.amount.currency for life in lives}, book)


def _own_first(found: set[str], book: str) -> tuple[str, ...]:
    return tuple(sorted(found, key=lambda one: (one != book, one))) or (book,)
