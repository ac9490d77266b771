"""A small file that is replaced in place: once it is there, it needs no room of the disk.

It has two slots, and what is written goes to the one that does not hold the newest, with its number and its
digest. A write that ends half way leaves a slot that is nothing, and the newest of before. (A file system
that copies what it writes, such as btrfs, wants room all the same.)
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final

_HEAD: Final = struct.Struct(">QQ32s")
_BLOCK: Final = 4096


class SlotFile:
    """Of at most `most` bytes at a time."""

    def __init__(self, path: Path, most: int) -> None:
        self._path: Final = path
        self._most: Final = most
        self._slot: Final = -(-(_HEAD.size + most) // _BLOCK) * _BLOCK

    def keep_room(self) -> None:
        """Room for both slots is on the disk from then on.

        Raises:
            OSError: the disk does not take it.
        """
        if not self._whole():
            with self._held() as file:
                self._fill(file)

    def read(self) -> bytes:
        """What was written last, and whole; nothing where nothing was."""
        try:
            file = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return b""
        try:
            return max(self._content(file, place) for place in (0, 1))[1]
        finally:
            os.close(file)

    def write(self, content: bytes) -> None:
        """On the disk when this returns.

        Raises:
            OSError: the disk does not take it, or it is longer than `most`.
        """
        if len(content) > self._most:
            raise OSError(errno.EFBIG, f"{len(content)} bytes are more than {self._most}", str(self._path))
        with self._held() as file:
            self._put(file, content)

    def clear(self, content: bytes) -> None:
        """Nothing is in it from then on, unless something else than `content` was written meanwhile.

        Raises:
            OSError: the disk does not take it.
        """
        with self._held() as file:
            if max(self._content(file, place) for place in (0, 1))[1] == content:
                self._put(file, b"")

    def _whole(self) -> bool:
        try:
            return self._path.stat().st_size >= 2 * self._slot
        except FileNotFoundError:
            return False

    @contextmanager
    def _held(self) -> Iterator[int]:
        """The file, made if needed; nobody else writes it meanwhile."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
        finally:
            os.close(file)

    def _put(self, file: int, content: bytes) -> None:
        self._fill(file)
        first, second = (self._content(file, place)[0] for place in (0, 1))
        number, place = max(first, second) + 1, int(first > second)
        slot = _HEAD.pack(number, len(content), _digest(number, content)) + content
        if os.pwrite(file, slot, place * self._slot) < len(slot):
            raise OSError(errno.EIO, "not written whole", str(self._path))
        os.fsync(file)

    def _fill(self, file: int) -> None:
        """Written, not only promised: what is promised may want room again when it is written."""
        while (size := os.fstat(file).st_size) < 2 * self._slot:
            os.pwrite(file, bytes(2 * self._slot - size), size)
            os.fsync(file)

    def _content(self, file: int, place: int) -> tuple[int, bytes]:
        """A slot's number and what it holds; 0 where it holds nothing whole."""
        head = os.pread(file, _HEAD.size, place * self._slot)
        if len(head) < _HEAD.size:
            return 0, b""
        number, length, digest = _HEAD.unpack(head)
        content = os.pread(file, min(length, self._most), place * self._slot + _HEAD.size)
        return (number, content) if _digest(number, content) == digest else (0, b"")


def _digest(number: int, content: bytes) -> bytes:
    return sha256(number.to_bytes(8, "big") + content).digest()
