"""The Merkle tree of RFC 9162 over a log's entries: its hashes, its proofs, and checking them.

Leaves are numbered from 0. A perfect subtree is named by its level and position: (level, position) covers the
leaves [position x 2^level, (position + 1) x 2^level), so that (0, i) is leaf i. A proof about a tree of n
leaves reads some 2 x log2(n) of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from ledger.refusal import Refused

HASH_BYTES: Final = 32
SIZE_MAX: Final = 2**63 - 1
"""The most leaves: what a witness that counts in signed 64 bits can follow."""

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
"""The root of the tree without leaves (RFC 9162 2.1.1)."""

_LEAF: Final = b"\x00"
_NODE: Final = b"\x01"


class Node(NamedTuple):
    """The perfect subtree over the leaves [position x 2^level, (position + 1) x 2^level)."""

    level: int
    position: int


HashReader = Callable[[int, int], bytes]
"""Gives the hash of the perfect subtree (level, position), all of whose leaves are in the log."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one entry: SHA-256 of 0x00 and the entry (RFC 9162 2.1.1)."""
    return hashlib.sha256(_LEAF + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash over two subtrees: SHA-256 of 0x01, the left and the right hash (RFC 9162 2.1.1)."""
    return hashlib.sha256(_NODE + left + right).digest()


def checked_hash(value: bytes, place: str) -> bytes:
    """`value`, when it has the length of a SHA-256.

    Raises:
        Refused: `hash_bytes`, naming `place`.
    """
    if len(value) != HASH_BYTES:
        raise Refused("hash_bytes", f"{len(value)} bytes are not the {HASH_BYTES} of a SHA-256", place=place)
    return value


def checked_size(size: int, place: str) -> int:
    """`size`, when a tree can have as many leaves.

    Raises:
        Refused: `log_size`, naming `place`.
    """
    if not 0 <= size <= SIZE_MAX:
        raise Refused("log_size", f"{size} is not 0..{SIZE_MAX} leaves", place=place)
    return size


def perfect_nodes(start: int, end: int) -> list[Node]:
    """The perfect subtrees that make up the leaves [start, end), from left to right.

    `start` is a multiple of the largest power of two that is not above `end - start`, as the ranges of
    RFC 9162 are.

    >>> perfect_nodes(0, 7)
    [Node(level=2, position=0), Node(level=1, position=2), Node(level=0, position=6)]
    """
    nodes = []
    while start < end:
        level = (end - start).bit_length() - 1
        assert start % (1 << level) == 0, "a range of the tree is aligned"
        nodes.append(Node(level, start >> level))
        start += 1 << level
    return nodes


def root_at(size: int, hashes: HashReader) -> bytes:
    """The root of the tree of the first `size` leaves.

    Raises:
        Refused: `log_size`.
    """
    return _range_hash(0, checked_size(size, "size"), hashes)


def inclusion_nodes(index: int, size: int) -> list[Node]:
    """What `inclusion_proof` reads, so that it can be fetched at once.

    Raises:
        Refused: as `inclusion_proof`.
    """
    return [node for start, end in _inclusion_ranges(index, size) for node in perfect_nodes(start, end)]


def inclusion_proof(index: int, size: int, hashes: HashReader) -> tuple[bytes, ...]:
    """The hashes that lead from leaf `index` to the root of the first `size` leaves (RFC 9162 2.1.3.1).

    The leaf's sibling comes first, the root's child last.

    Raises:
        Refused: `log_size`; `log_index` for a leaf that is not in the tree.
    """
    return tuple(_range_hash(start, end, hashes) for start, end in _inclusion_ranges(index, size))


def consistency_nodes(old: int, size: int) -> list[Node]:
    """What `consistency_proof` reads, so that it can be fetched at once.

    Raises:
        Refused: as `consistency_proof`.
    """
    return [node for start, end in _consistency_ranges(old, size) for node in perfect_nodes(start, end)]


def consistency_proof(old: int, size: int, hashes: HashReader) -> tuple[bytes, ...]:
    """The hashes that show the first `old` leaves to begin the tree of `size` leaves (RFC 9162 2.1.4.1).

    Empty for equal sizes, and for the empty tree, which every tree extends.

    Raises:
        Refused: `log_size`, also when `old` is above `size`.
    """
    return tuple(_range_hash(start, end, hashes) for start, end in _consistency_ranges(old, size))


def check_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Accept that the leaf hash `leaf` stands at `index` below `root` (RFC 9162 2.1.3.2).

    Raises:
        Refused: `log_size`; `log_index` for a leaf beyond the tree, as every one is beyond the empty tree;
            `hash_bytes`; `inclusion_proof` when the proof has another length or leads to another root.
    """
    _checked_index(index, size)
    node = checked_hash(leaf, "leaf")
    position, last = index, size - 1
    for at, sibling in enumerate(proof):
        checked_hash(sibling, f"proof {at}")
        if last == 0:
            raise Refused("inclusion_proof", f"{len(proof)} hashes are too many", place=f"proof {at}")
        if position & 1 or position == last:
            node = node_hash(sibling, node)
            position, last = _up_to_right_child(position, last)
        else:
            node = node_hash(node, sibling)
        position, last = position >> 1, last >> 1
    if last:
        raise Refused("inclusion_proof", f"{len(proof)} hashes are too few", place="proof")
    if node != root:
        raise Refused("inclusion_proof", f"leaf {index} of {size} does not lead to the root", place="proof")


def check_consistency(old: int, size: int, proof: Sequence[bytes], old_root: bytes, root: bytes) -> None:
    """Accept that the tree of `old` leaves and `old_root` begins that of `size` and `root`.

    RFC 9162 2.1.4.2. Equal sizes need equal roots and an empty proof. That an empty tree is extended needs
    no proof, so asking is refused.

    Raises:
        Refused: `log_size` when `old` is 0 or above `size`; `hash_bytes`; `consistency_proof` when the
            proof has another length or leads to other roots.
    """
    checked_size(size, "size")
    if not 0 < old <= size:
        raise Refused("log_size", f"{old} is not 1..{size} leaves", place="old size")
    if old == size:
        if proof or old_root != root:
            text = f"two trees of {size} leaves need equal roots and no proof"
            raise Refused("consistency_proof", text, place="proof")
        return
    path = [checked_hash(node, f"proof {at}") for at, node in enumerate(proof)]
    if not path:
        raise Refused("consistency_proof", "a larger tree needs at least one hash", place="proof")
    if old.bit_count() == 1:
        path.insert(0, old_root)
    position, last = old - 1, size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    before = after = path[0]
    for node in path[1:]:
        if last == 0:
            raise Refused("consistency_proof", f"{len(proof)} hashes are too many", place="proof")
        if position & 1 or position == last:
            before, after = node_hash(node, before), node_hash(node, after)
            position, last = _up_to_right_child(position, last)
        else:
            after = node_hash(after, node)
        position, last = position >> 1, last >> 1
    if last:
        raise Refused("consistency_proof", f"{len(proof)} hashes are too few", place="proof")
    if before != old_root:
        raise Refused("consistency_proof", f"not the root of the first {old} leaves", place="old root")
    if after != root:
        raise Refused("consistency_proof", f"not the root of the first {size} leaves", place="root")


def _up_to_right_child(position: int, last: int) -> tuple[int, int]:
    """Skip the levels at which the right border has no sibling."""
    while position and not position & 1:
        position, last = position >> 1, last >> 1
    return position, last


def _range_hash(start: int, end: int, hashes: HashReader) -> bytes:
    """The RFC's MTH over the leaves [start, end), out of perfect subtrees."""
    nodes = perfect_nodes(start, end)
    if not nodes:
        return EMPTY_ROOT
    result = hashes(*nodes[-1])
    for node in reversed(nodes[:-1]):
        result = node_hash(hashes(*node), result)
    return result


def _split(start: int, end: int) -> int:
    """Where the RFC divides [start, end): after the largest power of two below its length."""
    return start + (1 << (end - start - 1).bit_length() - 1)


def _checked_index(index: int, size: int) -> None:
    checked_size(size, "size")
    if not 0 <= index < size:
        raise Refused("log_index", f"{index} is not a leaf of a tree of {size}", place="index")


def _inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """The ranges of leaves whose hashes are the RFC's PATH, the leaf's sibling first."""
    _checked_index(index, size)
    start, end = 0, size
    ranges = []
    while end - start > 1:
        middle = _split(start, end)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    return ranges[::-1]


def _consistency_ranges(old: int, size: int) -> list[tuple[int, int]]:
    """The ranges of leaves whose hashes are the RFC's PROOF, the deepest first."""
    checked_size(size, "size")
    if not 0 <= old <= size:
        raise Refused("log_size", f"{old} is not 0..{size} leaves", place="old size")
    if old == 0:
        return []
    start, end = 0, size
    ranges = []
    while end != old:
        middle = _split(start, end)
        if old <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    if start:
        ranges.append((start, end))
    return ranges[::-1]
