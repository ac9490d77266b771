"""The transparency log's tree: a hash an envelope, in tiles that only ever grow."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.continuity import Discontinuity
from adapters.postgres.database import Connection
from adapters.projections.projection import Projected
from adapters.transparency.stored_tree import StoredTree
from ledger.refusal import Refused
from ledger.transparency.entry_bundle import envelope_leaf
from ledger.transparency.merkle import HASH_BYTES
from ledger.transparency.tree import TileGrowth


class Tree:
    """One row a tile; the envelope of sequence s is leaf s - 1."""

    name = "tree"
    tables = ("tree_tile",)

    def project(self, connection: Connection, book: str, batch: Sequence[Projected]) -> None:
        """See `Projection.project`.

        Raises:
            Discontinuity: the stored tiles are not those of the envelopes before this batch.
        """
        leaves = [envelope_leaf(item.payload) for item in batch]
        append(connection, book, batch[0].sequence - 1, leaves)


def append(connection: Connection, book: str, size: int, leaves: Sequence[bytes]) -> None:
    """Let a tree of `size` leaves grow by these leaf hashes.

    Its right edge is read anew for every batch: one query, and nothing to go stale when a transaction is
    taken back or another process projects.

    Raises:
        Discontinuity: as `Tree.project`.
    """
    try:
        _, growth = StoredTree(connection, book, size).frontier().append(leaves)
    except Refused as damaged:
        raise Discontinuity(f"the tree of {size} envelopes is damaged: {damaged}") from damaged
    _insert(connection, book, [part for part in growth if part.offset == 0])
    _lengthen(connection, book, [part for part in growth if part.offset > 0], size)


def _insert(connection: Connection, book: str, new: Sequence[TileGrowth]) -> None:
    if new:
        connection.execute(
            "INSERT INTO ledger.tree_tile SELECT %s, part.level, part.index, part.content"
            " FROM unnest(%s::smallint[], %s::bigint[], %s::bytea[]) AS part (level, index, content)",
            [book, [one.level for one in new], [one.index for one in new], [one.content for one in new]],
        )


def _lengthen(connection: Connection, book: str, grown: Sequence[TileGrowth], size: int) -> None:
    """At most one tile a level."""
    for part in grown:
        changed = connection.execute(
            "UPDATE ledger.tree_tile SET content = content || %s::bytea"
            " WHERE book = %s AND level = %s AND index = %s AND octet_length(content) = %s",
            [part.content, book, part.level, part.index, part.offset * HASH_BYTES],
        )
        if changed.rowcount != 1:
            raise Discontinuity(
                f"the tree's tiles are not those of {size} envelopes; rebuild projection tree"
            )
