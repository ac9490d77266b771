"""One trading unit's folders: the market's `in`, `ack` and `out`, and ours of what was sent and taken.

A file appears whole: written aside, on the disk, then renamed; its SHA-256 beside it, `FILE.sha256` in the
form of sha256sum, comes last, and a file without it is not there yet. Nothing that came is deleted before
its copy is on our disk.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Final, Literal

import msgspec

from ledger.refusal import Refused

FILE_BYTES_MAX: Final = 16 << 20


class Sent(msgspec.Struct, frozen=True):
    """A file that was made for the market. `number`: the market's revision, its own for each unit's day.

    `dropped` is False from before the file lies in `in` until it is known to.
    """

    bid: str
    revision: int
    kind: Literal["offer", "withdrawal"]
    product: str
    day: date
    number: int
    name: str
    sha256: str
    dropped: bool = False

    @property
    def stem(self) -> str:
        return self.name.rpartition(".")[0]


class Came(msgspec.Struct, frozen=True):
    """A file of the market, whole; `sha256` is of its bytes."""

    name: str
    data: bytes
    sha256: str


class DropBox:
    """`market` is the unit's folder at the market, `kept` ours for it."""

    def __init__(self, market: Path, kept: Path) -> None:
        self._in, self._ack, self._out = market / "in", market / "ack", market / "out"
        self._sent, self._taken, self._refused = kept / "sent", kept / "taken", kept / "refused"
        self._lock = kept / "lock"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Alone with our folders, whatever other process runs."""
        for folder in (self._sent, self._taken, self._refused):
            folder.mkdir(parents=True, exist_ok=True)
        with self._lock.open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    # Out

    def sent(self) -> list[Sent]:
        """What was made for the market so far, by the market's numbers within each day."""
        notes = (note.read_bytes() for note in self._sent.glob("*.json"))
        return sorted(
            (msgspec.json.decode(note, type=Sent) for note in notes),
            key=lambda one: (one.day, one.product, one.number),
        )

    def keep(self, sent: Sent, data: bytes) -> None:
        """Put on record what will be dropped, before it is."""
        _write(self._sent / sent.name, data)
        self._note(sent)

    def drop(self, sent: Sent) -> Sent:
        """Lay a kept file in `in`; the same one again changes nothing.

        Raises:
            OSError: the folder is not there, or full.
        """
        data = (self._sent / sent.name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == sent.sha256, f"{sent.name} is what was kept"
        _write(self._in / sent.name, data)
        _write(self._in / f"{sent.name}.sha256", f"{sent.sha256}  {sent.name}\n".encode())
        done = msgspec.structs.replace(sent, dropped=True)
        self._note(done)
        return done

    def _note(self, sent: Sent) -> None:
        _write(self._sent / f"{sent.name}.json", msgspec.json.encode(sent))

    # In

    def acknowledgement(self, name: str) -> Came | None:
        """The market's answer of that name; it stays where it is.

        Raises:
            Refused: `file_digest`, `file_too_large`.
        """
        return _whole(self._ack / name)

    def names(self) -> list[str]:
        """The market's files that are there whole."""
        return sorted(
            beside.name.removesuffix(".sha256")
            for beside in self._out.glob("*.sha256")
            if not beside.name.startswith(".") and (self._out / beside.name.removesuffix(".sha256")).is_file()
        )

    def came(self, name: str) -> Came | None:
        """A file of the market.

        Raises:
            Refused: `file_digest`, `file_too_large`.
        """
        return _whole(self._out / name)

    def take(self, came: Came) -> None:
        """Move a file to what was taken; one with the same content is there once."""
        if not any(one.sha256 == came.sha256 for one in self.taken()):
            _write(self._kept_as(came), came.data)
        self._clear(came.name)

    def _kept_as(self, came: Came) -> Path:
        stem, _, ending = came.name.rpartition(".")
        return self._taken / f"{stem}.{came.sha256[:12]}.{ending}"

    def taken(self) -> list[Came]:
        """What was taken, under the market's names, each content once."""
        found: list[Came] = []
        for file in sorted(self._taken.iterdir()) if self._taken.is_dir() else ():
            if file.name.startswith("."):
                continue
            stem, _, ending = file.name.rpartition(".")
            data = file.read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            assert stem.endswith(f".{digest[:12]}"), f"{file} is not what was taken"
            found.append(Came(f"{stem.rpartition('.')[0]}.{ending}", data, digest))
        return found

    def refuse(self, name: str, refused: Refused) -> None:
        """Move a file aside, with why, so that it is not taken for the next one."""
        self._put_aside(name, (self._out / name).read_bytes()[: FILE_BYTES_MAX + 1], refused)
        self._clear(name)

    def reject(self, came: Came, refused: Refused) -> None:
        """Move aside, with why, what was taken before it was seen that it is not good."""
        self._put_aside(came.name, came.data, refused)
        self._kept_as(came).unlink(missing_ok=True)

    def _put_aside(self, name: str, data: bytes, refused: Refused) -> None:
        aside = f"{hashlib.sha256(data).hexdigest()[:12]}.{name}"
        _write(self._refused / f"{aside}.txt", f"{refused.code}: {refused}\n".encode())
        _write(self._refused / aside, data)

    def _clear(self, name: str) -> None:
        (self._out / f"{name}.sha256").unlink(missing_ok=True)
        (self._out / name).unlink(missing_ok=True)


def _whole(file: Path) -> Came | None:
    """The file, when its digest is beside it.

    Raises:
        Refused: `file_digest`, `file_too_large`.
    """
    beside = file.with_name(f"{file.name}.sha256")
    if not beside.is_file() or not file.is_file():
        return None
    with file.open("rb") as opened:
        data = opened.read(FILE_BYTES_MAX + 1)
    if len(data) > FILE_BYTES_MAX:
        raise Refused("file_too_large", f"a file may have {FILE_BYTES_MAX} bytes", place=file.name)
    digest = hashlib.sha256(data).hexdigest()
    if [part.lower() for part in beside.read_bytes().split()[:1]] != [digest.encode()]:
        raise Refused(
            "file_digest", f"its SHA-256 is {digest}, and another stands beside it", place=file.name
        )
    return Came(file.name, data, digest)


def _write(file: Path, data: bytes) -> None:
    """The file whole, or as it was before; on the disk when this returns."""
    part = file.with_name(f".{file.name}.part")
    with part.open("wb") as opened:
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())
    part.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
