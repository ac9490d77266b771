"""The stream and the archive side by side, damaged as they may be, sequence by sequence."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from adapters.nats import stream
from adapters.nats.client import NatsClient
from adapters.nats.log import Log
from adapters.nats.pull import Pull
from adapters.postgres.database import Connection
from ledger.transparency.merkle import HASH_BYTES
from ledger.transparency.tile import TILE_WIDTH

_IDLE_S: Final = 1.0
_ROWS: Final = 1000


class Copies(NamedTuple):
    """What is kept under one sequence; None and b"" where nothing is.

    `stored` is the stream's payload, `archived` and `digest` the archive row's payload and hash, `leaf` the
    hash in the stored tree.
    """

    sequence: int
    stored: bytes | None
    archived: bytes | None
    digest: bytes
    leaf: bytes


def side_by_side(log: Log, connection: Connection) -> Iterator[Copies]:
    """Every sequence from 1 to the last that any copy has; `connection` sees the whole book."""
    leaves = _leaves(connection, log.book)
    rows = _rows(connection, log.book)
    messages = stored_messages(log.client, log.book)
    row, message = next(rows, None), next(messages, None)
    sequence = 0
    while row is not None or message is not None:
        sequence += 1
        stored = archived = None
        digest = b""
        while row is not None and row[0] < sequence:
            # Below 1: no envelope of the stream; the row is not of this book's history.
            row = next(rows, None)
        if row is not None and row[0] == sequence:
            archived, digest = row[1], row[2]
            row = next(rows, None)
        if message is not None and message[0] == sequence:
            stored = message[1]
            message = next(messages, None)
        yield Copies(sequence, stored, archived, digest, next(leaves, b""))


def stored_messages(client: NatsClient, book: str) -> Iterator[tuple[int, bytes]]:
    """Each message that the stream still gives, with its sequence; none for a stream that is not there.

    Where it gives nothing although it goes on, the hole is stepped over.
    """
    try:
        state = stream.state(client, book)
    except stream.StreamError as error:
        if error.code == stream.NOT_FOUND:
            return
        raise
    log = Log(client, book)
    due = max(state.first_seq, 1)
    while due <= state.last_seq:
        if client.run(log.payload_at(due)) is None:
            due += 1
            continue
        pull = Pull(client, book, due)
        try:
            while due <= state.last_seq and (pulled := pull.batch(_IDLE_S)):
                for item in pulled:
                    if item.sequence <= state.last_seq:
                        yield item.sequence, item.payload
                        due = item.sequence + 1
        finally:
            pull.close()


def _rows(connection: Connection, book: str) -> Iterator[tuple[int, bytes, bytes]]:
    with connection.cursor(name="archive_rows") as cursor:
        cursor.itersize = _ROWS
        cursor.execute(
            "SELECT sequence, payload, hash FROM ledger.envelope WHERE book = %s ORDER BY sequence", [book]
        )
        for sequence, payload, digest in cursor:
            yield sequence, bytes(payload), bytes(digest)


def _leaves(connection: Connection, book: str) -> Iterator[bytes]:
    """The stored tree's leaf hashes from sequence 1 on; b"" where a tile is missing or cut."""
    index = 0
    with connection.cursor(name="tree_leaves") as cursor:
        cursor.itersize = _ROWS
        cursor.execute(
            "SELECT index, content FROM ledger.tree_tile WHERE book = %s AND level = 0 ORDER BY index", [book]
        )
        for at, content in cursor:
            while index < at:
                yield from [b""] * TILE_WIDTH
                index += 1
            hashes = bytes(content)
            for first in range(0, TILE_WIDTH * HASH_BYTES, HASH_BYTES):
                leaf = hashes[first : first + HASH_BYTES]
                yield leaf if len(leaf) == HASH_BYTES else b""
            index += 1


def digest_of(payload: bytes) -> bytes:
    """The archive's hash of an envelope: SHA-256 of its payload."""
    return hashlib.sha256(payload).digest()
