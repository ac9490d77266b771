"""What the journal posted from which event, as text."""

from __future__ import annotations

from collections.abc import Collection

from adapters.postgres.database import Connection
from adapters.queries.journal import entries_by_event
from ledger.accounting.journal import JournalEntry
from ledger.accounting.plain_name import plain_name


def posted(connection: Connection, position: int, events: Collection[int]) -> dict[int, tuple[str, ...]]:
    """The journal's entries that each of `events` made, as text; debits above zero.

    Raises:
        Refused: `unknown_book` before it is founded; what the posting rules refuse.
    """
    last = max((one for one in events if one <= position), default=0)
    if not last:
        return {}
    return {
        sequence: tuple(entry_text(entry) for entry in entries)
        for sequence, entries in entries_by_event(connection, last)
        if sequence in events and entries
    }


def entry_text(entry: JournalEntry) -> str:
    """Such as `2026-08-31 recognition: Dr receivable 10.00 CNY; Cr income -10.00 CNY (lines 1, 2)`."""
    sides = [
        f"{plain_name(one.account)} {one.amount:,} {entry.currency}"
        + (f" (lines {', '.join(map(str, one.lines))})" if one.lines else "")
        for one in entry.postings
    ]
    return f"{entry.posted_on} {entry.kind}: {'; '.join(sides)}"
