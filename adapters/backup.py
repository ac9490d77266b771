"""A book in one file: every payload in order, with what proves that none is missing.

The stream is the truth and PostgreSQL can be made from it, so nothing else is needed. The file is
gzip: a JSON line about the book, then each payload behind its length (8 bytes, big-endian), then the
SHA-256 over all of them.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from adapters import continuity
from adapters.continuity import Discontinuity
from adapters.integrity.copies import side_by_side
from adapters.integrity.evidence import sync_folder
from adapters.integrity.judgement import Judge, Roots
from adapters.nats import wire
from adapters.nats.log import BATCH_MESSAGES_MAX, Log
from adapters.postgres.database import Connection, Database
from adapters.transparency.seen_checkpoint import seen_checkpoint
from ledger.refusal import Refused
from ledger.transparency.checkpoint import Checkpoint
from ledger.transparency.entry_bundle import envelope_leaf
from ledger.transparency.note import Note

_LENGTH: Final = struct.Struct(">Q")
FORMAT: Final = "wattledger.backup.v1"
_PAYLOAD_BYTES_MAX: Final = 64 << 20
"""NATS takes no larger message."""
_MANIFEST_BYTES_MAX: Final = 1 << 20
_BATCH_BYTES: Final = 8 << 20


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`checkpoint` is the signed note of the log's newest checkpoint when the file was written, or ""."""

    format: str
    book: str
    last_sequence: int
    checkpoint: str = ""


def backup(log: Log, database: Database, file: Path, checkpoint: Note | None = None) -> Manifest:
    """Write the book as it is now; the book may go on meanwhile.

    All that `verify` compares of the envelopes is compared on the way; where a copy is damaged, no file is
    left.

    Raises:
        FileExistsError: the file is there already.
        Refused: `checkpoint_gone` where a newer checkpoint than `checkpoint` was seen.
        Discontinuity: names the first fault of stream, archive, tree, chains or checkpoint.
        StoreUnavailable: the stream stopped answering.
    """
    if file.exists():
        raise FileExistsError(f"{file} exists; backups are never overwritten")
    note = "" if checkpoint is None else checkpoint.content().decode()
    signed = [] if checkpoint is None else [Checkpoint.parse(checkpoint.text)]
    with database.reading(log.book) as connection:
        _check_newest(connection, signed)
    manifest = Manifest(FORMAT, log.book, log.client.run(log.last_sequence()), note)
    continuity.standing_of(log)
    with database.reading(log.book) as connection:
        write(file, manifest, _compared(log, connection, manifest.last_sequence, signed))
    return manifest


def _check_newest(connection: Connection, signed: Sequence[Checkpoint]) -> None:
    """Else a log that was cut back behind what was signed would be written down as whole."""
    seen = seen_checkpoint(connection)
    if seen is not None and seen[0] > max((one.size for one in signed), default=0):
        text = f"the checkpoint of {seen[0]} envelopes was there and is gone; nothing is backed up without it"
        raise Refused("checkpoint_gone", text, place="checkpoint")


def _compared(log: Log, connection: Connection, last: int, signed: Sequence[Checkpoint]) -> Iterator[bytes]:
    """The stream's payloads up to `last`; at their end, whether both copies, the tree, each aggregate's chain
    and the checkpoint agree, as `verify` judges them."""
    judge = Judge(log.book, signed)
    written = 0
    for one in side_by_side(log, connection):
        judge.take(one)
        if one.stored is not None and written == one.sequence - 1 < last:
            yield one.stored
            written = one.sequence
    for fault in judge.judge().faults:
        raise Discontinuity(fault.message, code=fault.code, place=fault.place)
    assert written == last, "a hole is a fault"


def write(file: Path, manifest: Manifest, payloads: Iterable[bytes]) -> None:
    """Write a book's payloads in order: whole or not at all, on the disk when this returns."""
    total = hashlib.sha256()
    partial = file.with_name(file.name + ".partial")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    try:
        with partial.open("wb") as raw:
            with gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw) as out:
                out.write(msgspec.json.encode(manifest) + b"\n")
                for payload in payloads:
                    out.write(_LENGTH.pack(len(payload)) + payload)
                    total.update(payload)
                out.write(total.digest())
            raw.flush()
            os.fsync(raw.fileno())
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    partial.rename(file)
    sync_folder(file.parent)


def restore(
    log: Log, file: Path, checkpoints: Sequence[Checkpoint] = (), *, beyond: bool = False
) -> Manifest:
    """Append a backup's payloads to this book's empty stream, byte for byte on the same sequences.

    The whole file is checked before the first append, and its tree compared with its own checkpoint and with
    those given, whose signatures the caller has checked. With `beyond` it may end before one of those.

    Raises:
        Refused: `backup` for a damaged or foreign file, `not_empty` when the book has events; `split_view`
            or `checkpoint_ahead` when it is not the book that a checkpoint was signed for.
    """
    manifest = checked(file, checkpoints, beyond=beyond)
    if manifest.book != log.book:
        raise Refused("backup", f"this is book {manifest.book!r}, not {log.book!r}", place=str(file))
    check_empty(log)
    append_all(log, payloads(file, manifest))
    return manifest


def check_empty(log: Log) -> None:
    """Raises:
    Refused: `not_empty`."""
    if log.client.run(log.last_sequence()):
        raise Refused("not_empty", f"book {log.book} has events; restore into an empty one")


def append_all(log: Log, content: Iterable[bytes]) -> None:
    """Append payloads in order, in batches, onto a stream that ends where they begin."""
    waiting: list[bytes] = []
    size = 0
    for payload in content:
        waiting.append(payload)
        size += len(payload)
        if len(waiting) == BATCH_MESSAGES_MAX or size > _BATCH_BYTES:
            _append(log, waiting)
            waiting, size = [], 0
    if waiting:
        _append(log, waiting)


def _append(log: Log, payloads: list[bytes]) -> None:
    events = [wire.unpack(payload) for payload in payloads]
    assert [wire.pack(log.book, event) for event in events] == payloads, "payloads must survive unchanged"
    log.client.run(log.append(events))


def manifest_of(file: Path) -> Manifest:
    """What a backup says of itself, unproven.

    Raises:
        Refused: `backup` for a file that is none.
    """
    try:
        with gzip.open(file, "rb") as source:
            return msgspec.json.decode(source.readline(_MANIFEST_BYTES_MAX), type=Manifest)
    except (OSError, EOFError, zlib.error, msgspec.MsgspecError) as error:
        raise Refused("backup", f"not a whole backup: {error}", place=str(file)) from error


def checked(file: Path, checkpoints: Sequence[Checkpoint] = (), *, beyond: bool = False) -> Manifest:
    """What a backup says of itself, once all of it was read and holds.

    Raises:
        Refused: as `restore`, but for what it says of the book.
    """
    manifest = manifest_of(file)
    try:
        own = [Checkpoint.parse(Note.parse(manifest.checkpoint.encode()).text)] if manifest.checkpoint else []
        roots = Roots(sorted([*own, *checkpoints], key=lambda one: one.size))
        total = hashlib.sha256()
        stored = bytearray()
        for payload in payloads(file, manifest, stored):
            total.update(payload)
            roots.add(envelope_leaf(payload))
    except (OSError, EOFError, zlib.error, msgspec.MsgspecError, struct.error, Refused) as error:
        raise Refused("backup", f"not a whole backup: {error}", place=str(file)) from error
    if manifest.format != FORMAT or bytes(stored) != total.digest():
        raise Refused("backup", "the checksum over its events does not match", place=str(file))
    for one in roots.split:
        text = f"its first {one.size} envelopes have another root than the checkpoint of {one.origin}"
        raise Refused("split_view", text, place=str(file))
    for one in () if beyond else roots.ahead:
        text = f"the checkpoint of {one.origin} counts {one.size} envelopes, this file has fewer"
        raise Refused("checkpoint_ahead", text, place=str(file))
    return manifest


def payloads(file: Path, manifest: Manifest, rest: bytearray | None = None) -> Iterator[bytes]:
    """Each payload; what follows the last goes to `rest`."""
    with gzip.open(file, "rb") as source:
        source.readline()
        for _ in range(manifest.last_sequence):
            (length,) = _LENGTH.unpack(source.read(_LENGTH.size))
            if length > _PAYLOAD_BYTES_MAX:
                raise EOFError(f"an event of {length} bytes cannot be")
            payload = source.read(length)
            if len(payload) != length:
                raise EOFError("the file ends inside an event")
            yield payload
        if rest is not None:
            rest += source.read()
