"""A bid's segments as columns of whole numbers, so that its sums and checks need no loops."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from ledger.refusal import Refused
from trading.product import WHOLE_MAX

if TYPE_CHECKING:
    from trading.bid import Bid, Curve

Whole = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_COLUMNS: Final = 3
_NUMBERS: Final = b"-0123456789"
_SEGMENT: Final = b"[,,]"
"""A segment's text without its numbers."""
_MARK: Final = b"\0"
"""Stands for a segment; no JSON has it."""
_S_PER_HOUR: Final = 3600


class Table:
    """All segments of a bid: a row each, with its interval and its position in that interval's curve."""

    def __init__(self, curves: tuple[Curve, ...]) -> None:
        """Raises:
        Refused: `quantity_range`."""
        counts = np.fromiter(map(len, curves), dtype=np.int64, count=len(curves))
        values: list[int] = []
        for curve in curves:
            for segment in curve:
                values.extend(segment)
        self._keep(counts, whole_numbers(values, "curves"))

    @classmethod
    def of_text(cls, text: bytes) -> Table | None:
        """Of curves as JSON, without an object for each number; None where they have to be read in full.

        So it is where the text is not just what is written here of some curves, and where a number is too
        large. That `text` is JSON is not looked at again.
        """
        curves = text.translate(None, _NUMBERS).replace(_SEGMENT, _MARK)
        if not (curves.startswith(b"[[") and curves.endswith(b"]]")):
            return None
        written = curves[2:-2].split(b"],[")
        lengths = {curve: (len(curve) + 1) // 2 for curve in set(written)}
        if any(curve != b",".join([_MARK] * length) for curve, length in lengths.items()):
            return None
        if not any(lengths.values()):
            return None
        offered = text.replace(b"[],", b"").replace(b",[]", b"") if b"" in lengths else text
        values: Whole = np.fromstring(offered.translate(None, b"[]"), dtype=np.int64, sep=",")
        counts: Whole = np.array([lengths[curve] for curve in written], dtype=np.int64)
        if len(values) != _COLUMNS * counts.sum() or not _in_range(values):
            return None
        if np.count_nonzero(values < 0) != text.count(b"-"):
            # JSON knows -0.
            return None
        table = cls.__new__(cls)
        table._keep(counts, values)  # noqa: SLF001
        return table

    def _keep(self, counts: Whole, values: Whole) -> None:
        """How many segments each interval has, and the numbers of one segment after the other."""
        self.counts = counts
        columns = np.ascontiguousarray(values.reshape(-1, _COLUMNS).T)
        self.from_w: Whole = columns[0]
        self.to_w: Whole = columns[1]
        self.price_u: Whole = columns[2]
        self._offered = np.flatnonzero(self.counts)
        self._begins: Whole = (np.cumsum(self.counts) - self.counts)[self._offered]

    @cached_property
    def interval(self) -> Whole:
        return np.repeat(np.arange(len(self.counts)), self.counts)

    @cached_property
    def position(self) -> Whole:
        return np.arange(len(self.price_u)) - np.repeat(np.cumsum(self.counts) - self.counts, self.counts)

    @cached_property
    def first(self) -> Flags:
        """Whether a segment is its curve's first."""
        flags = np.zeros(len(self.price_u), dtype=np.bool_)
        flags[self._begins] = True
        return flags

    @cached_property
    def last(self) -> Flags:
        """Whether a segment is its curve's last."""
        flags = np.zeros(len(self.price_u), dtype=np.bool_)
        flags[self._begins + self.counts[self._offered] - 1] = True
        return flags

    def place(self, wrong: Flags) -> str:
        """Where the first segment of `wrong` stands, for a refusal."""
        row = int(wrong.argmax())
        return f"curves[{self.interval[row]}][{self.position[row]}]"

    @cached_property
    def range_w(self) -> tuple[Whole, Whole]:
        """The lowest and highest power of each interval: 0 W where nothing is offered."""
        low = np.zeros(len(self.counts), dtype=np.int64)
        high = np.zeros(len(self.counts), dtype=np.int64)
        if len(self._offered):
            low[self._offered] = np.minimum(np.minimum.reduceat(self.from_w, self._begins), 0)
            high[self._offered] = np.maximum(np.maximum.reduceat(self.to_w, self._begins), 0)
        low.flags.writeable = high.flags.writeable = False
        return low, high


def whole_numbers(values: Sequence[int], place: str) -> Whole:
    """`values` as a column.

    Raises:
        Refused: `quantity_range`, at `place`, for more than WHOLE_MAX in either direction.
    """
    if not values:
        return np.zeros(0, dtype=np.int64)
    column: Whole | None = None
    with suppress(struct.error):
        column = np.frombuffer(struct.pack(f"{len(values)}q", *values), dtype=np.int64)
    if column is None or not _in_range(column):
        raise Refused("quantity_range", f"powers and prices are whole numbers up to {WHOLE_MAX}", place=place)
    return column


def _in_range(column: Whole) -> bool:
    return bool(-WHOLE_MAX <= column.min() <= column.max() <= WHOLE_MAX)


def offered_range_w(bid: Bid) -> tuple[Whole, Whole]:
    """The lowest and highest power that a clearing may ask for in each interval, blocks included.

    Of an exclusive group the largest of each interval counts, a linked block as if it stood alone: the range
    holds every outcome, and may be wider than all of them.
    """
    low, high = bid.table.range_w
    groups: dict[tuple[str, str], tuple[Whole, Whole]] = {}
    for block in bid.blocks:
        own = np.zeros(len(low), dtype=np.int64)
        own[block.first : block.first + len(block.profile_w)] = block.profile_w
        key = ("block", block.id) if block.group is None else ("group", block.group)
        least, most = groups.get(key, (0, 0))
        groups[key] = np.minimum(least, own), np.maximum(most, own)
    for least, most in groups.values():
        # Not in place: the table keeps its own.
        low = low + np.minimum(least, 0)
        high = high + np.maximum(most, 0)
    return low, high


def energy_wh(power_w: Whole, interval_s: int) -> Whole:
    """Wh of each interval at a power in W, cut off toward below."""
    return power_w * interval_s // _S_PER_HOUR
