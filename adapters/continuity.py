"""Is the stream still the one that was archived? NATS does not tell when it lost its tail.

One flipped bit and a restart truncated a stream without a warning and reused its sequence numbers,
so readers and writers both compare what they know with what the stream holds, after every connect.
"""

from __future__ import annotations

import hashlib
import time
from typing import Final

from adapters.nats.log import Log
from adapters.postgres.database import Connection, Database

_APPLYING_S: Final = 2.0
"""How long a new leader may take to apply what it holds before its end is taken for the stream's end."""


class Discontinuity(RuntimeError):
    """The stream is not a continuation of what was archived; nothing may be read or written on top."""


def check(log: Log, sequence: int, digest: bytes) -> None:
    """Compare the stream with a position (`sequence` 0 is the beginning).

    Raises:
        Discontinuity: the stream ends before the position, or holds another message there.
    """
    if sequence == 0:
        return
    _check_reaches(log, sequence, "archived")
    payload = log.client.run(log.payload_at(sequence))
    if payload is None or hashlib.sha256(payload).digest() != digest:
        raise Discontinuity(f"the stream's message {sequence} is not the one that was archived")


def _check_reaches(log: Log, sequence: int, known: str) -> None:
    give_up = time.monotonic() + _APPLYING_S
    while (last := log.client.run(log.last_sequence())) < sequence:
        if time.monotonic() > give_up:
            raise Discontinuity(f"the stream ends at {last}, but {sequence} was {known}: events were lost")
        time.sleep(0.05)


def archived(connection: Connection, book: str) -> tuple[int, bytes]:
    """(sequence, hash) of the newest archived envelope; (0, b"") for none."""
    found = connection.execute(
        "SELECT sequence, hash FROM ledger.envelope WHERE book = %s ORDER BY sequence DESC LIMIT 1", [book]
    ).fetchone()
    return (found[0], bytes(found[1])) if found else (0, b"")


def guard(log: Log, database: Database) -> None:
    """What a writer runs after every connect, before its first append.

    Raises:
        Discontinuity: as `check`, against the archive and against what was acknowledged to this writer,
            which may not be archived yet.
    """
    _check_reaches(log, log.acknowledged, "acknowledged")
    with database.reading(log.book) as connection:
        sequence, digest = archived(connection, log.book)
    check(log, sequence, digest)
