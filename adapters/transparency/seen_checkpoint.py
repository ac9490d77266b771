"""The newest checkpoint that was ever seen, so that one whose file goes missing is missed.

Files and this row lie in different places: who takes the files away leaves the row.
"""

from __future__ import annotations

from adapters.integrity import compared_row
from adapters.postgres.database import Connection, Database
from ledger.transparency.note import Note


def seen_checkpoint(connection: Connection) -> tuple[int, bytes] | None:
    """Its size and content; None where none was seen."""
    found = connection.execute(
        "SELECT checkpoint_size, checkpoint FROM ledger.compared_stream WHERE checkpoint_size > 0"
    ).fetchone()
    return None if found is None else (found[0], bytes(found[1]))


def note_seen(database: Database, book: str, size: int, note: Note) -> None:
    """Remember a checkpoint, unless a newer one was seen."""
    with database.owning() as connection, compared_row.changing(connection, book):
        connection.execute(
            "INSERT INTO ledger.compared_stream (book, created, checkpoint_size, checkpoint)"
            " VALUES (%s, '', %s, %s) ON CONFLICT (book) DO UPDATE"
            " SET checkpoint_size = excluded.checkpoint_size, checkpoint = excluded.checkpoint"
            " WHERE compared_stream.checkpoint_size < excluded.checkpoint_size",
            [book, size, note.content()],
        )
