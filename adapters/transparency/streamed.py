"""That the stored tree is the stream's, leaf by leaf: rows may have been written by somebody else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import nats.errors
from eventsourcing.persistence import OperationalError

from adapters.nats.log import Log
from adapters.nats.pull import Pull
from adapters.transparency.stored_tree import StoredTree
from ledger.refusal import Refused
from ledger.transparency.entry_bundle import envelope_leaf
from ledger.transparency.tile import TILE_WIDTH, HashTile

_IDLE_S: Final = 2.0


def check_streamed(log: Log, tree: StoredTree, before: int) -> None:
    """Accept the tree's leaves behind the first `before`, which were signed, when the stream has just these.

    Raises:
        Refused: `tree_stream` while the stream has not all of them, or does not answer; `tree_leaf` for
            another envelope than the tree's.
    """
    if before >= tree.size:
        return
    try:
        _check(log, tree, before)
    except (OperationalError, nats.errors.Error, OSError) as error:
        raise Refused("tree_stream", f"the stream does not answer: {error}", place="size") from error


def _check(log: Log, tree: StoredTree, before: int) -> None:
    if (last := log.client.run(log.last_sequence())) < tree.size:
        text = f"the tree has {tree.size} leaves, the stream {last} events"
        raise Refused("tree_stream", text, place="size")
    leaves = leaves_behind(tree, before, tree.size)
    due = before + 1
    pull = Pull(log.client, log.book, due)
    try:
        while due <= tree.size:
            pulled = pull.batch(_IDLE_S)
            if not pulled:
                text = (
                    f"of the tree's {tree.size} leaves the stream gave {due - 1}, then none for {_IDLE_S:g} s"
                )
                raise Refused("tree_stream", text, place="size")
            for item in pulled[: tree.size + 1 - due]:
                if item.sequence != due or envelope_leaf(item.payload) != next(leaves):
                    text = f"the stream's envelope {due} is not the tree's leaf"
                    raise Refused("tree_leaf", text, place=f"sequence {due}")
                due += 1
    finally:
        pull.close()


def leaves_behind(tree: StoredTree, before: int, size: int) -> Iterator[bytes]:
    """The stored leaf hashes of the first `size`, behind the first `before`."""
    for index in range(before // TILE_WIDTH, -(-size // TILE_WIDTH)):
        first = index * TILE_WIDTH
        tile = HashTile(0, index, min(TILE_WIDTH, size - first))
        yield from tile.hashes(tree.tile(tile))[max(0, before - first) :]
