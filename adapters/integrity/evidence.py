"""The content of a damaged stream, kept in a file before anything of it is replaced.

gzip, a JSON object a line: first what it is of, then `sequence` and `payload` of each message that the stream
still gave, then under `archived` the archive rows that did not agree, with the `hash` beside them.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Final

import msgspec

from adapters.embedded.child import private_folder
from adapters.integrity.copies import Copies

_FORMAT: Final = "wattledger.evidence.v1"


class Evidence(msgspec.Struct, frozen=True):
    """Where the evidence is; the same content gives the same name and digest."""

    file: str
    sha256: str


def keep(folder: Path, book: str, copies: Iterable[Copies]) -> Evidence:
    """Write all the stream's messages, and both copies where they differ."""
    return _kept(folder, book, (line for one in copies for line in _lines(one)))


def keep_rows(folder: Path, book: str, found: dict[str, Any]) -> Evidence:
    """Write what a replay found of rows that differ, where the stream itself is right."""
    return _kept(folder, book, [found])


def _kept(folder: Path, book: str, lines: Iterable[dict[str, Any]]) -> Evidence:
    private_folder(folder)
    partial = folder / "evidence.partial"
    with partial.open("wb") as raw:
        with gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as out:
            for line in chain([{"format": _FORMAT, "book": book}], lines):
                out.write(msgspec.json.encode(line) + b"\n")
        raw.flush()
        os.fsync(raw.fileno())
    with partial.open("rb") as written:
        digest = hashlib.file_digest(written, "sha256").hexdigest()
    file = folder / f"evidence-{digest[:16]}.jsonl.gz"
    partial.rename(file)
    file.chmod(0o600)
    sync_folder(folder)
    return Evidence(file.name, digest)


def _lines(one: Copies) -> Iterator[dict[str, Any]]:
    if one.stored is not None:
        yield {"sequence": one.sequence} | _payload(one.stored)
    if one.archived is not None and one.archived != one.stored:
        yield {"archived": one.sequence, "hash": one.digest.hex()} | _payload(one.archived)


def sync_folder(folder: Path) -> None:
    """So that a rename in it outlives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _payload(payload: bytes) -> dict[str, Any]:
    try:
        return {"payload": payload.decode()}
    except UnicodeDecodeError:
        return {"payload_base64": base64.b64encode(payload).decode()}
