"""The stream and the archive side by side, damaged as they may be, sequence by sequence."""

from __future__ import annotations

import asyncio
import functools
import hashlib
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec
from nats.aio.msg import Msg

from adapters.nats import stream
from adapters.nats.client import NatsClient
from adapters.nats.log import Log
from adapters.nats.pull import Pull
from adapters.nats.question import ONCE_S, until_answered
from adapters.postgres.database import Connection
from ledger.transparency.merkle import HASH_BYTES
from ledger.transparency.tile import TILE_WIDTH

_IDLE_S: Final = 1.0
_ROWS: Final = 1000
_SUBJECTS: Final = 5000
_FORGOTTEN_NS: Final = 5_000_000_000
_ACK_TOKENS: Final = 9
"""Tokens of `$JS.ACK.stream.consumer.delivered.sequence.consumer_sequence.time.pending`."""


class Copies(NamedTuple):
    """What is kept under one sequence; None and b"" where nothing is.

    `stored` is the stream's payload, `archived` and `digest` the archive row's payload and hash, `leaf` the
    hash in the stored tree. `subject` is what the stream keeps its message under.
    """

    sequence: int
    stored: bytes | None
    archived: bytes | None
    digest: bytes
    leaf: bytes
    subject: str = ""


def side_by_side(log: Log, connection: Connection) -> Iterator[Copies]:
    """Every sequence from 1 to the last that any copy has; `connection` sees the whole book."""
    leaves = _leaves(connection, log.book)
    rows = _rows(connection, log.book)
    messages = stored_messages(log.client, log.book)
    subjects = stored_subjects(log.client, log.book)
    row, message, kept_under = next(rows, None), next(messages, None), next(subjects, None)
    sequence = 0
    while row is not None or message is not None:
        sequence += 1
        stored = archived = None
        digest, subject = b"", ""
        while kept_under is not None and kept_under[0] < sequence:
            kept_under = next(subjects, None)
        while row is not None and row[0] < sequence:
            # Below 1: no envelope of the stream; the row is not of this book's history.
            row = next(rows, None)
        if row is not None and row[0] == sequence:
            archived, digest = row[1], row[2]
            row = next(rows, None)
        if message is not None and message[0] == sequence:
            stored = message[1]
            message = next(messages, None)
        if kept_under is not None and kept_under[0] == sequence:
            subject = kept_under[1]
        yield Copies(sequence, stored, archived, digest, next(leaves, b""), subject)


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


def stored_subjects(client: NatsClient, book: str) -> Iterator[tuple[int, str]]:
    """What each message that the stream still gives is kept under, with its sequence; none for a stream that
    is not there. No payload is read."""
    try:
        last = stream.state(client, book).last_seq
    except stream.StreamError as error:
        if error.code == stream.NOT_FOUND:
            return
        raise
    due = 1
    while due <= last:
        found = client.run(until_answered(functools.partial(_subjects_from, client, book, due)))
        if not found:
            return
        yield from found
        due = found[-1][0] + 1


async def _subjects_from(client: NatsClient, book: str, start: int) -> list[tuple[int, str]]:
    """The next of them, by a consumer of its own that the server forgets by itself."""
    name = stream.stream_name(book)
    found: list[tuple[int, str]] = []
    ended = asyncio.Event()

    async def hear(message: Msg) -> None:
        if not message.reply:
            ended.set()
            return
        tokens = message.reply.split(".")
        at = -4 if len(tokens) == _ACK_TOKENS else -5
        found.append((int(tokens[at]), message.subject))
        if len(found) == _SUBJECTS or tokens[at + 3] == "0":
            ended.set()

    config = {
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": start,
        "ack_policy": "none",
        "headers_only": True,
        "mem_storage": True,
        "num_replicas": 1,
        "inactive_threshold": _FORGOTTEN_NS,
    }
    inbox = await client.listen(hear)
    try:
        asked = msgspec.json.encode({"stream_name": name, "config": config})
        answer = await client.request(f"$JS.API.CONSUMER.CREATE.{name}", asked, timeout=ONCE_S)
        made = msgspec.json.decode(answer.data)
        if "error" in made:
            raise OSError(made["error"]["description"])
        wanted = msgspec.json.encode({"batch": _SUBJECTS, "expires": int(ONCE_S * 1e9)})
        await client.publish(f"$JS.API.CONSUMER.MSG.NEXT.{name}.{made['name']}", wanted, reply=inbox.subject)
        async with asyncio.timeout(2 * ONCE_S):
            await ended.wait()
    finally:
        await inbox.close()
    return found


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
