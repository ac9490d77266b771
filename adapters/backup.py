"""A book in one file: every payload in order, with what proves that none is missing.

The stream is the truth and PostgreSQL can be made from it, so nothing else is needed. The file is
gzip: a JSON line about the book, then each payload behind its length (8 bytes, big-endian), then the
SHA-256 over all of them.
"""

from __future__ import annotations

import gzip
import hashlib
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from adapters.nats import wire
from adapters.nats.log import BATCH_MESSAGES_MAX, Log
from adapters.nats.pull import Pull
from ledger.refusal import Refused

_LENGTH: Final = struct.Struct(">Q")
_FORMAT: Final = "wattledger.backup.v1"
_IDLE_S: Final = 10.0
_PAYLOAD_BYTES_MAX: Final = 64 << 20
"""NATS takes no larger message."""
_BATCH_BYTES: Final = 8 << 20


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: str
    book: str
    last_sequence: int


def backup(log: Log, file: Path) -> Manifest:
    """Write the book as it is now; the book may go on meanwhile.

    Raises:
        FileExistsError: the file is there already.
        TimeoutError: the stream stopped answering.
    """
    manifest = Manifest(_FORMAT, log.book, log.client.run(log.last_sequence()))
    total = hashlib.sha256()
    partial = file.with_name(file.name + ".partial")
    if file.exists():
        raise FileExistsError(f"{file} exists; backups are never overwritten")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    pull = Pull(log.client, log.book, 1)
    written = 0
    with gzip.open(partial, "wb", compresslevel=6) as out:
        out.write(msgspec.json.encode(manifest) + b"\n")
        while written < manifest.last_sequence:
            pulled = pull.batch(_IDLE_S)
            if not pulled:
                raise TimeoutError(f"the stream stopped answering after {written}")
            for item in pulled:
                if item.sequence <= manifest.last_sequence:
                    out.write(_LENGTH.pack(len(item.payload)) + item.payload)
                    total.update(item.payload)
                    written = item.sequence
        out.write(total.digest())
    pull.close()
    partial.rename(file)
    return manifest


def restore(log: Log, file: Path) -> Manifest:
    """Append a backup's payloads to this book's empty stream, byte for byte on the same sequences.

    The whole file is checked before the first append.

    Raises:
        Refused: `backup` for a damaged or foreign file, `not_empty` when the book has events.
    """
    manifest = _checked(file)
    if manifest.book != log.book:
        raise Refused("backup", f"this is book {manifest.book!r}, not {log.book!r}", place=str(file))
    if log.client.run(log.last_sequence()):
        raise Refused("not_empty", f"book {log.book} has events; restore into an empty one")
    waiting: list[bytes] = []
    size = 0
    for payload in _payloads(file, manifest):
        waiting.append(payload)
        size += len(payload)
        if len(waiting) == BATCH_MESSAGES_MAX or size > _BATCH_BYTES:
            _append(log, waiting)
            waiting, size = [], 0
    if waiting:
        _append(log, waiting)
    return manifest


def _append(log: Log, payloads: list[bytes]) -> None:
    events = [wire.unpack(payload) for payload in payloads]
    assert [wire.pack(log.book, event) for event in events] == payloads, "payloads must survive unchanged"
    log.client.run(log.append(events))


def _checked(file: Path) -> Manifest:
    try:
        with gzip.open(file, "rb") as source:
            manifest = msgspec.json.decode(source.readline(), type=Manifest)
        total = hashlib.sha256()
        stored = bytearray()
        for payload in _payloads(file, manifest, stored):
            total.update(payload)
    except (OSError, EOFError, zlib.error, msgspec.MsgspecError, struct.error) as error:
        raise Refused("backup", f"not a whole backup: {error}", place=str(file)) from error
    if manifest.format != _FORMAT or bytes(stored) != total.digest():
        raise Refused("backup", "the checksum over its events does not match", place=str(file))
    return manifest


def _payloads(file: Path, manifest: Manifest, rest: bytearray | None = None) -> Iterator[bytes]:
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
