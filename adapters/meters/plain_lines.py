"""The cells of plain ASCII lines as whole columns: eight bytes in one machine word."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

_PAD: Final = 16
_DIGITS_MAX: Final = 8
_KEY_MAX: Final = 64
_ZEROS: Final = np.uint64(0x3030303030303030)
_LOW_BYTES: Final = np.array([2 ** (8 * count) - 1 for count in range(9)], dtype=np.uint64)
_HIGH_BYTES: Final = ~np.array([2 ** (8 * (8 - count)) - 1 for count in range(9)], dtype=np.uint64)


class UnusualError(Exception):
    """The chunk needs the line-by-line reader."""


class PlainLines:
    """The cells of a chunk of plain ASCII lines, all with the same number of columns."""

    def __init__(self, chunk: bytes, delimiter: str, width: int) -> None:
        if not chunk.isascii() or b'"' in chunk or not chunk.endswith(b"\n"):
            raise UnusualError
        self.chunk = chunk
        self.size = len(chunk)
        padded = bytes(_PAD) + chunk + bytes(_PAD)
        self._bytes = np.frombuffer(padded, dtype=np.uint8)[_PAD:-_PAD]
        self._words = np.ndarray((len(padded) - 7,), dtype="<u8", buffer=padded, strides=(1,))
        ends = self._bytes == ord("\n")
        self.count = int(np.count_nonzero(ends))
        found = np.flatnonzero(ends | (self._bytes == ord(delimiter)))
        if len(found) != self.count * width:
            raise UnusualError
        cuts = found.reshape(self.count, width)
        require(self._bytes[cuts[:, -1]] == ord("\n"))
        self._ends = [np.ascontiguousarray(cuts[:, column]) for column in range(width)]
        self._first = np.concatenate((np.zeros(1, dtype=np.int64), self._ends[-1][:-1] + 1))
        returns = chunk.count(b"\r")
        if returns:
            require(self._bytes[self._ends[-1] - 1] == ord("\r"))
            if returns != self.count:
                raise UnusualError
            self._ends[-1] = self._ends[-1] - 1

    def bounds(self, column: int) -> tuple[Ints, Ints]:
        """[start, end) of a column's cells."""
        return (self._ends[column - 1] + 1 if column else self._first), self._ends[column]

    def cell(self, column: int, line: int) -> bytes:
        start, end = self.bounds(column)
        return self.chunk[start[line] : end[line]]

    def positions(self, byte: bytes) -> Ints:
        if byte not in self.chunk:
            return np.empty(0, dtype=np.int64)
        return np.flatnonzero(self._bytes == ord(byte))

    def bytes_at(self, at: Ints) -> npt.NDArray[np.uint8]:
        return self._bytes[at]

    def words_at(self, at: Ints) -> Words:
        """Eight bytes from each position, the first byte lowest."""
        return self._words[at + _PAD].astype(np.uint64, copy=False)

    def digits(self, end: Ints, width: Ints, width_min: int) -> Ints:
        """The number whose `width` digits stand before `end`; no digits are zero."""
        require((width >= width_min) & (width <= _DIGITS_MAX))
        mask = _HIGH_BYTES[width]
        words = (self.words_at(end - 8) & mask) | (_ZEROS & ~mask)
        high = words & np.uint64(0xF0F0F0F0F0F0F0F0)
        low = (words + np.uint64(0x0606060606060606)) & np.uint64(0xF0F0F0F0F0F0F0F0)
        require((high == _ZEROS) & (low == _ZEROS))
        pairs = words & np.uint64(0x0F0F0F0F0F0F0F0F)
        pairs = pairs * np.uint64(10) + (pairs >> np.uint64(8))
        one = (pairs & np.uint64(0x000000FF000000FF)) * np.uint64(0x000F424000000064)
        two = ((pairs >> np.uint64(16)) & np.uint64(0x000000FF000000FF)) * np.uint64(0x0000271000000001)
        return ((one + two) >> np.uint64(32)).astype(np.int64)

    def changed(self, column: int) -> npt.NDArray[np.bool_]:
        """Whether each line but the first has another text there than the line before."""
        start, end = self.bounds(column)
        width = end - start
        widest = int(width.max())
        if widest > _KEY_MAX:
            raise UnusualError
        changed: npt.NDArray[np.bool_] = width[1:] != width[:-1]
        for at in range(0, widest, 8):
            words = self.words_at(start + at) & _LOW_BYTES[np.clip(width - at, 0, 8)]
            changed = changed | (words[1:] != words[:-1])
        return changed


def require(holds: npt.NDArray[np.bool_]) -> None:
    if not holds.all():
        raise UnusualError
