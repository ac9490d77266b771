"""The market's memory on disk: one JSON entry a line, on the disk before anything is answered."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

import msgspec

from adapters.reference_market.entry import Entry
from ledger.refusal import Refused

_READ_BYTES: Final = 1 << 20


class Journal:
    """An append-only file of entries, held by one process at a time.

    A last line without its end was never answered and is cut off; any other line that cannot be read
    stops the market.

    Raises:
        Refused: `market_journal_held` by another process, `market_journal` with the line that cannot be read.
    """

    def __init__(self, file: Path) -> None:
        new = not file.exists()
        self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise Refused(
                "market_journal_held", "another process has this journal", place=str(file)
            ) from None
        if new:
            _flush_folder(file.parent)
        data = self._whole()
        self._length = data.rfind(b"\n") + 1
        os.ftruncate(self._descriptor, self._length)
        try:
            self.entries = _entries(data[: self._length])
        except Refused:
            self.close()
            raise

    def append(self, entry: Entry) -> None:
        """Write the entry and wait until it is on the disk; on failure nothing of it remains.

        Raises:
            OSError: the disk does not take it.
        """
        line = memoryview(msgspec.json.encode(entry) + b"\n")
        at = self._length
        try:
            while line:
                written = os.pwrite(self._descriptor, line, at)
                line, at = line[written:], at + written
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self._length)
            raise
        self._length = at

    def close(self) -> None:
        os.close(self._descriptor)

    def _whole(self) -> bytes:
        found = bytearray()
        while part := os.pread(self._descriptor, _READ_BYTES, len(found)):
            found += part
        return bytes(found)


def _entries(data: bytes) -> list[Entry]:
    decoder: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)
    found: list[Entry] = []
    for number, line in enumerate(data.splitlines(), 1):
        try:
            found.append(decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Refused("market_journal", f"cannot be read: {error}", place=f"line {number}") from None
    return found


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
