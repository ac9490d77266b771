"""Candidate readings of a file, in columns and in file order."""

from __future__ import annotations

from array import array
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.readings import Register

MISSING: Final = "N"
"""The letter of an interval that the file names without giving a value."""

_MISSING: Final = ord(MISSING)

Ints = npt.NDArray[np.int64]


class Key(msgspec.Struct, frozen=True, order=True):
    """One register of one meter at one interval length."""

    meter: str
    register: Register
    interval_s: int


class Points:
    """Readings in file order: register, start, Wh, quality and row, one machine word each."""

    def __init__(self) -> None:
        self._groups: dict[Key, int] = {}
        self._group, self._start, self._wh = array("q"), array("q"), array("q")
        self._row, self._quality = array("q"), array("B")

    def __len__(self) -> int:
        return len(self._start)

    def group(self, key: Key) -> int:
        """The number under which the readings of this register are added."""
        return self._groups.setdefault(key, len(self._groups))

    def add(self, group: int, start_s: int, wh: int, quality: str, row: int) -> None:
        """One reading; the quality `N` stands for an interval without a value."""
        self._group.append(group)
        self._start.append(start_s)
        self._wh.append(-1 if quality == MISSING else wh)
        self._quality.append(ord(quality))
        self._row.append(row)

    def extend(self, group: Ints, start_s: Ints, wh: Ints, quality: npt.NDArray[np.uint8], row: Ints) -> None:
        """Many readings at once, in file order."""
        for column, values in (
            (self._group, group),
            (self._start, start_s),
            (self._wh, np.where(quality == _MISSING, np.int64(-1), wh)),
            (self._quality, quality),
            (self._row, row),
        ):
            column.frombytes(values.tobytes())

    @property
    def keys(self) -> list[Key]:
        return list(self._groups)

    def columns(self) -> tuple[Ints, Ints, Ints, npt.NDArray[np.uint8], Ints]:
        """Group, start, Wh, quality and row."""
        return (
            np.array(self._group, dtype=np.int64),
            np.array(self._start, dtype=np.int64),
            np.array(self._wh, dtype=np.int64),
            np.array(self._quality, dtype=np.uint8),
            np.array(self._row, dtype=np.int64),
        )
