"""How far each consumer of the live messages was told: a row of its own, so that a kill tells again at most.

It is no projection: it says nothing of events, and a book that is projected anew keeps it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from adapters.postgres.database import Connection, Database

NATS: Final = "nats"


class ToldPosition(msgspec.Struct, frozen=True):
    """Told is all up to and with `sequence`, and the first `parts` messages of the next that is told.

    `attempts` at the message after have failed, `next_at` is when to try again, `failing` whether the one
    before was given up. `replay`: how many requests for a replay were followed.
    """

    sequence: int
    parts: int = 0
    attempts: int = 0
    next_at: datetime | None = None
    failing: bool = False
    last_error: str = ""
    replay: int = 0


class Overtaken(Exception):
    """The row is not what it was read as: another process tells the same consumer, and goes on."""


def read(connection: Connection, consumer: str) -> ToldPosition | None:
    """Where one consumer stands; None for one that was told nothing yet."""
    return read_all(connection).get(consumer)


def read_all(connection: Connection) -> dict[str, ToldPosition]:
    """Every consumer's."""
    rows = connection.execute(
        "SELECT consumer, sequence, parts, attempts, next_at, failing, last_error, replay"
        " FROM ledger.told_position"
    )
    return {name: ToldPosition(*fields) for name, *fields in rows}


def move(
    connection: Connection, book: str, consumer: str, old: ToldPosition | None, new: ToldPosition
) -> None:
    """From `old`, which it must stand at, to `new`.

    Raises:
        Overtaken: it stands elsewhere.
    """
    values = msgspec.structs.astuple(new)
    if old is None:
        moved = connection.execute(
            "INSERT INTO ledger.told_position VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            [book, consumer, *values],
        )
    else:
        moved = connection.execute(
            "UPDATE ledger.told_position SET sequence = %s, parts = %s, attempts = %s, next_at = %s,"
            " failing = %s, last_error = %s, replay = %s"
            " WHERE book = %s AND consumer = %s AND sequence = %s AND parts = %s AND replay = %s"
            " AND attempts = %s",
            [*values, book, consumer, old.sequence, old.parts, old.replay, old.attempts],
        )
    if moved.rowcount != 1:
        raise Overtaken


def move_alone(
    database: Database, book: str, consumer: str, old: ToldPosition | None, new: ToldPosition
) -> None:
    """`move` in a transaction of its own."""
    with database.projecting() as connection:
        move(connection, book, consumer, old, new)
