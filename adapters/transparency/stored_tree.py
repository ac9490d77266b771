"""A book's tree as its projection stored it: tiles, roots and proofs at any size up to what is there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Self

from adapters.postgres.database import Connection
from ledger.refusal import Refused
from ledger.transparency.merkle import (
    HASH_BYTES,
    Node,
    consistency_nodes,
    consistency_proof,
    inclusion_nodes,
    inclusion_proof,
    perfect_nodes,
    root_at,
)
from ledger.transparency.tile import HashTile, TileHashes, tiles_of
from ledger.transparency.tree import Frontier


def check_event(sequence: int, size: int) -> None:
    """Raises:
    Refused: `log_index` for an event that is not among the first `size`."""
    if not 1 <= sequence <= size:
        allowed = f"the log's events are 1 to {size}" if size else "no event is in a log of none"
        raise Refused("log_index", f"there is no event {sequence}: {allowed}", place="sequence")


_TILES: Final = (
    "SELECT wanted.level, wanted.index, tile.content"
    " FROM unnest(%s::smallint[], %s::bigint[]) AS wanted (level, index)"
    " CROSS JOIN LATERAL (SELECT content FROM ledger.tree_tile WHERE book = %s"
    " AND level = wanted.level AND index = wanted.index LIMIT 1) AS tile"
)
"""LIMIT keeps the planner from reading the whole table, of which it may know nothing yet."""


class StoredTree:
    """The tree over a book's first `size` envelopes, read in one transaction.

    The envelope of sequence s is leaf s - 1. Every proof is one query of some ten tiles.
    """

    def __init__(self, connection: Connection, book: str, size: int) -> None:
        self._connection = connection
        self._book = book
        self.size = size

    @classmethod
    def projected(cls, connection: Connection, book: str) -> Self:
        """As large as the projection has made it."""
        found = connection.execute(
            "SELECT sequence FROM ledger.position WHERE book = %s AND projection = 'tree'", [book]
        ).fetchone()
        return cls(connection, book, int(found[0]) if found else 0)

    def tile(self, tile: HashTile) -> bytes:
        """A tile's content, 32 bytes a hash.

        Raises:
            Refused: `tile_beyond`; `tile_content` when it is stored damaged.
        """
        tile.check_held(self.size)
        content = self._contents([tile])[tile]
        tile.hashes(content)
        return content

    def leaf(self, sequence: int) -> bytes:
        """The leaf hash of the envelope at `sequence`.

        Raises:
            Refused: `tile_beyond`, `tile_content`.
        """
        node = Node(0, sequence - 1)
        return self._hashes([node], self.size)(*node)

    def root(self, size: int) -> bytes:
        """The root over the first `size` envelopes.

        Raises:
            Refused: `log_size`; `tile_content`.
        """
        self._check_size(size, "size")
        return root_at(size, self.peaks(size))

    def peaks(self, size: int) -> TileHashes:
        """The perfect subtrees that make up the first `size` envelopes, at most as many as there are."""
        assert size <= self.size
        return self._hashes(perfect_nodes(0, size), size)

    def inclusion(self, sequence: int, size: int) -> tuple[bytes, ...]:
        """The hashes that lead from the envelope at `sequence` to the root of the first `size`.

        Raises:
            Refused: `log_size`; `log_index` for a sequence that is not among them; `tile_content`.
        """
        self._check_size(size, "size")
        check_event(sequence, size)
        nodes = inclusion_nodes(sequence - 1, size)
        return inclusion_proof(sequence - 1, size, self._hashes(nodes, size))

    def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        """The hashes that show the first `old` envelopes to begin the first `new`.

        Raises:
            Refused: `log_size`, also when `old` is above `new`; `tile_content`.
        """
        self._check_size(new, "new")
        return consistency_proof(old, new, self._hashes(consistency_nodes(old, new), new))

    def frontier(self) -> Frontier:
        """What appending needs.

        Raises:
            Refused: `tile_content`.
        """
        return Frontier.at(self.size, self.peaks(self.size))

    def _check_size(self, size: int, place: str) -> None:
        if not 0 <= size <= self.size:
            raise Refused("log_size", f"{size} is not 0..{self.size} leaves", place=place)

    def _hashes(self, nodes: Iterable[Node], size: int) -> TileHashes:
        return TileHashes(size, self._contents(tiles_of(nodes, size)).__getitem__)

    def _contents(self, tiles: Iterable[HashTile]) -> dict[HashTile, bytes]:
        """The tiles' contents, cut to their widths; empty for one that is not stored."""
        wanted = list(tiles)
        if not wanted:
            return {}
        rows = self._connection.execute(
            _TILES, [[tile.level for tile in wanted], [tile.index for tile in wanted], self._book]
        )
        stored = {(level, index): bytes(content) for level, index, content in rows}
        return {tile: stored.get((tile.level, tile.index), b"")[: tile.width * HASH_BYTES] for tile in wanted}
