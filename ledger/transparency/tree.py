"""The growing right edge of a log's tree: all that appending needs to know of what is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Self

import msgspec

from ledger.refusal import Refused
from ledger.transparency.merkle import (
    EMPTY_ROOT,
    SIZE_MAX,
    HashReader,
    checked_hash,
    checked_size,
    node_hash,
    perfect_nodes,
)
from ledger.transparency.tile import TILE_HEIGHT, TILE_WIDTH


class TileGrowth(msgspec.Struct, frozen=True):
    """Hashes to append to one tile that holds `offset` hashes already.

    A tile only ever grows, so what is stored of it begins every later state of it, and a partial tile is
    cut from the front.
    """

    level: int
    """The tile's level: 0 holds leaf hashes, each further level hashes over 256 of the one below."""
    index: int
    offset: int
    content: bytes
    """Whole hashes, 32 bytes each."""


class Frontier(msgspec.Struct, frozen=True):
    """The perfect subtrees that make up a log of `size` leaves, the largest first (a compact range)."""

    size: int = 0
    nodes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        checked_size(self.size, "size")
        count = self.size.bit_count()
        if len(self.nodes) != count:
            text = f"a log of {self.size} leaves has {count} perfect subtrees, not {len(self.nodes)}"
            raise Refused("frontier", text, place="nodes")
        for at, node in enumerate(self.nodes):
            checked_hash(node, f"nodes {at}")

    @classmethod
    def at(cls, size: int, hashes: HashReader) -> Self:
        """The frontier of the first `size` leaves, out of what is stored.

        Raises:
            Refused: `log_size`; `hash_bytes` for a stored hash of another length.
        """
        return cls(size, tuple(hashes(*node) for node in perfect_nodes(0, checked_size(size, "size"))))

    @property
    def root(self) -> bytes:
        """The root of the tree (RFC 9162 2.1.1)."""
        if not self.nodes:
            return EMPTY_ROOT
        result = self.nodes[-1]
        for node in reversed(self.nodes[:-1]):
            result = node_hash(node, result)
        return result

    def append(self, leaves: Iterable[bytes]) -> tuple[Frontier, tuple[TileGrowth, ...]]:
        """The frontier after these leaf hashes, and what to append to which tiles, the lower levels first.

        One hash of two nodes a leaf on average.

        Raises:
            Refused: `hash_bytes`; `log_size` when the log would be too large.
        """
        new = [checked_hash(leaf, f"leaf {at}") for at, leaf in enumerate(leaves)]
        if self.size + len(new) > SIZE_MAX:
            raise Refused("log_size", f"{len(new)} more than {self.size} leaves are too many", place="leaves")
        stack = list(self.nodes)
        size = self.size
        grown: dict[int, list[bytes]] = {0: new}
        for leaf in new:
            node, position, level = leaf, size, 0
            while position & 1:
                node = node_hash(stack.pop(), node)
                position, level = position >> 1, level + 1
                if level % TILE_HEIGHT == 0:
                    grown.setdefault(level // TILE_HEIGHT, []).append(node)
            stack.append(node)
            size += 1
        growth = tuple(part for level, hashes in sorted(grown.items()) for part in self._tiled(level, hashes))
        return Frontier(size, tuple(stack)), growth

    def _tiled(self, level: int, hashes: list[bytes]) -> Iterator[TileGrowth]:
        """New hashes of one tile level, cut at the tiles' borders."""
        first = self.size >> level * TILE_HEIGHT
        at = 0
        while at < len(hashes):
            index, offset = divmod(first + at, TILE_WIDTH)
            part = hashes[at : at + TILE_WIDTH - offset]
            yield TileGrowth(level, index, offset, b"".join(part))
            at += len(part)
