"""Statements with what their files show beside them: when they were recorded, and the parties' names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from adapters.documents.statement_document import StatementDocument
from adapters.postgres.database import Connection
from adapters.queries import registered
from ledger.book import Book
from ledger.party import Party
from ledger.refusal import Refused
from ledger.settlement.statement import Statement


def documents(
    connection: Connection, position: int, statements: Sequence[Statement]
) -> list[StatementDocument]:
    """Each statement as a document; the names are those in force at `position`.

    Raises:
        Refused: `unknown_book` before the book is founded.
    """
    founded = registered.load(connection, "book", Book, position).versions.get("book")
    if not founded:
        raise Refused("unknown_book", "this book is not founded yet", place="book")
    parties = registered.load(connection, "party", Party, position).versions
    names = {name: versions[-1].document.name for name, versions in parties.items()}
    owner = founded[-1].document.owner
    rows = connection.execute(
        "SELECT sequence, recorded_at FROM ledger.envelope WHERE sequence = ANY(%s)",
        [sorted({one.sequence for one in statements})],
    )
    recorded_at: dict[int, datetime] = dict(rows.fetchall())
    return [
        StatementDocument(
            statement=one,
            recorded_at=recorded_at[one.sequence],
            issuer=names.get(owner, owner),
            party_name=names.get(one.party, ""),
        )
        for one in statements
    ]
