"""How far a book's access log was numbered, kept where the log is not: in PostgreSQL.

NATS does not tell when it lost its end: it gives the same numbers again. So whoever numbers a read, and
whoever asks whether the log is whole, first compares the stream with this mark.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

import msgspec
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

from adapters.nats.stream import StreamState
from adapters.postgres.database import Database
from ledger.access_record import AccessRecord


class Mark(NamedTuple):
    """`digest` is the SHA-256 of record `last`. `oldest`, recorded at `oldest_at`, is the first that had not
    been forgotten by age when somebody looked. `lost` are the numbers without a record of which it was told.
    """

    last: int
    digest: bytes
    oldest: int
    oldest_at: datetime
    lost: tuple[range, ...] = ()

    def knows_lost(self, numbers: range) -> bool:
        """Whether of all of these it was told that they are lost."""
        return all(any(number in one for one in self.lost) for number in numbers)


class Numbered(NamedTuple):
    """A record that was numbered."""

    sequence: int
    digest: bytes
    at: datetime


def numbered(sequence: int, content: bytes) -> Numbered:
    """The record that is kept as `content` under that number."""
    at = msgspec.json.decode(content, type=AccessRecord).at
    return Numbered(sequence, hashlib.sha256(content).digest(), at)


_NOTE: Final = (
    "INSERT INTO ledger.access_mark AS held (book, last, digest, oldest, oldest_at)"
    " SELECT %s::text, %s::bigint, %s::bytea, %s::bigint, %s::timestamptz"
    " FROM set_config('synchronous_commit', 'off', true)"
    " ON CONFLICT (book) DO UPDATE SET last = excluded.last, digest = excluded.digest"
    " WHERE held.last < excluded.last"
)
"""One message there and back: every read that is recorded waits for it."""


def read(database: Database, book: str) -> Mark | None:
    """The mark; None where no read was noted yet."""
    with database.reading(book) as connection:
        found = connection.execute(
            "SELECT last, digest, oldest, oldest_at, lost FROM ledger.access_mark WHERE book = %s", [book]
        ).fetchone()
    if found is None:
        return None
    last, digest, oldest, oldest_at, lost = found
    return Mark(last, bytes(digest), oldest, oldest_at, tuple(range(one.lower, one.upper) for one in lost))


def note(database: Database, book: str, records: Sequence[Numbered]) -> None:
    """Note the newest of what was numbered. It is not waited for the disk: a mark that a crash takes back
    misses less, and accuses nobody.

    Raises:
        psycopg.OperationalError: it cannot be noted.
    """
    first, last = min(records), max(records)
    with database.pool.connection() as connection:
        connection.execute(_NOTE, [book, last.sequence, last.digest, first.sequence, first.at])


def keep(database: Database, book: str, mark: Mark) -> None:
    """Put `mark` in the place of what was noted: what was found missing is on record, or forgotten by age."""
    lost = Multirange([Range(one.start, one.stop) for one in mark.lost])
    with database.owning() as connection:
        connection.execute("DELETE FROM ledger.access_mark WHERE book = %s", [book])
        connection.execute(
            "INSERT INTO ledger.access_mark (book, last, digest, oldest, oldest_at, lost)"
            " VALUES (%s, %s, %s, %s, %s, %s::int8multirange)",
            [book, mark.last, mark.digest, mark.oldest, mark.oldest_at, lost],
        )


def keep_oldest(database: Database, book: str, oldest: int, at: datetime) -> None:
    """Note that what stood before `oldest` was forgotten by age."""
    with database.owning() as connection:
        connection.execute(
            "UPDATE ledger.access_mark SET oldest = %s, oldest_at = %s WHERE book = %s AND oldest < %s",
            [oldest, at, book, oldest],
        )


def holes(state: StreamState, mark: Mark) -> int:
    """How many numbers between the stream's first and last have no record, and nobody told so."""
    told = sum(
        len(range(max(one.start, state.first_seq), min(one.stop, state.last_seq + 1))) for one in mark.lost
    )
    return state.last_seq - state.first_seq + 1 - state.messages - told
