"""A stored tree's root that leads to a signed one: tiles may have been written by somebody else."""

from __future__ import annotations

from typing import Final

from adapters.continuity import Discontinuity
from adapters.postgres.database import Connection
from adapters.transparency.stored_tree import StoredTree
from adapters.transparency.streamed import leaves_behind
from ledger.refusal import Refused
from ledger.transparency.checkpoint import Checkpoint
from ledger.transparency.entry_bundle import envelope_leaf
from ledger.transparency.merkle import check_consistency

_DAMAGED: Final = frozenset({"consistency_proof", "hash_bytes"})


def proven_root(
    connection: Connection, book: str, tree: StoredTree, size: int, signed: Checkpoint | None
) -> bytes:
    """The root of the first `size` envelopes.

    It is proven to begin or to go on from the tree that was `signed`, the first that covers them or the
    newest; what lies behind that is compared with the archive, envelope by envelope.

    Raises:
        Discontinuity: `tree_altered` where it does not; `archive_missing` where the archive ends before.
        Refused: `log_size`; `checkpoint_behind` while the tree has not yet what was signed.
    """
    root = tree.root(size)
    known = 0 if signed is None else signed.size
    if signed is not None and size and known:
        if known > tree.size:
            text = f"{known} envelopes were signed, the tree has {tree.size}"
            raise Refused("checkpoint_behind", text, place="size")
        ends = (known, size) if known < size else (size, known)
        roots = (signed.root, root) if known < size else (root, signed.root)
        path_checked(tree, ends, roots)
    if known < size:
        _check_tail(connection, book, tree, known, size)
    return root


def path_checked(tree: StoredTree, ends: tuple[int, int], roots: tuple[bytes, bytes]) -> tuple[bytes, ...]:
    """The path between the trees of two sizes, which leads to these roots; empty from that of none.

    Raises:
        Discontinuity: `tree_altered` where it leads elsewhere.
        Refused: `log_size`.
    """
    path = tree.consistency(*ends)
    if not ends[0]:
        return path
    try:
        check_consistency(*ends, path, *roots)
    except Refused as refused:
        if refused.code not in _DAMAGED:
            raise
        text = f"it does not lead from {ends[0]} to {ends[1]} envelopes as signed: {refused.reason}"
        raise Discontinuity(text, code="tree_altered", place="table tree_tile") from refused
    return path


def _check_tail(connection: Connection, book: str, tree: StoredTree, before: int, size: int) -> None:
    rows = connection.execute(
        "SELECT sequence, payload FROM ledger.envelope WHERE book = %s AND sequence > %s AND sequence <= %s"
        " ORDER BY sequence",
        [book, before, size],
    )
    for due, leaf in enumerate(leaves_behind(tree, before, size), before + 1):
        row = rows.fetchone()
        if row is None or row[0] != due:
            text = "the archive has no such envelope"
            raise Discontinuity(text, code="archive_missing", place=f"sequence {due}")
        if envelope_leaf(bytes(row[1])) != leaf:
            text = "the archived envelope is not the tree's"
            raise Discontinuity(text, code="tree_altered", place=f"sequence {due}")
