"""Statements with what their files show beside them: when they were recorded, and the parties' names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from adapters.documents.statement_document import StatementDocument
from adapters.founded import book_at
from adapters.postgres.database import Connection
from adapters.queries import registered
from ledger.party import Party
from ledger.settlement.statement import Statement


def documents(
    connection: Connection, position: int, statements: Sequence[Statement]
) -> list[StatementDocument]:
    """Each statement as a document; the names are those in force at `position`.

    Raises:
        Refused: `unknown_book` before the book is founded.
    """
    names = names_of(connection, position)
    issued_by = issuer(connection, position)
    recorded = recorded_at(connection, [one.sequence for one in statements])
    return [
        StatementDocument(
            statement=one,
            recorded_at=recorded[one.sequence],
            issuer=issued_by,
            party_name=names.get(one.party, ""),
        )
        for one in statements
    ]


def names_of(connection: Connection, position: int) -> dict[str, str]:
    """The parties' names, by id."""
    parties = registered.load(connection, "party", Party, position).versions
    return {name: versions[-1].document.name for name, versions in parties.items()}


def issuer(connection: Connection, position: int) -> str:
    """The name of the book's owner, from whom documents come.

    Raises:
        Refused: `unknown_book` before the book is founded.
    """
    owner = book_at(connection, position).owner
    return names_of(connection, position).get(owner, owner)


def recorded_at(connection: Connection, sequences: Iterable[int]) -> dict[int, datetime]:
    """When each of the events was recorded."""
    rows = connection.execute(
        "SELECT sequence, recorded_at FROM ledger.envelope WHERE sequence = ANY(%s)",
        [sorted(set(sequences))],
    )
    return dict(rows.fetchall())
