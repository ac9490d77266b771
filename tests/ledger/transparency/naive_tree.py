"""The tree of RFC 9162 by its recursive definitions over whole entries: slow, and nothing of ours in it."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256


def cut(entries: Sequence[bytes]) -> int:
    """2.1.1: k, the largest power of two smaller than n."""
    k = 1
    while 2 * k < len(entries):
        k *= 2
    return k


def mth(entries: Sequence[bytes]) -> bytes:
    """2.1.1: the Merkle Tree Hash."""
    if not entries:
        return sha256().digest()
    if len(entries) == 1:
        return sha256(b"\0" + entries[0]).digest()
    k = cut(entries)
    return sha256(b"\1" + mth(entries[:k]) + mth(entries[k:])).digest()


def path(m: int, entries: Sequence[bytes]) -> list[bytes]:
    """2.1.3.1: the inclusion proof of entry m."""
    if len(entries) == 1:
        return []
    k = cut(entries)
    if m < k:
        return [*path(m, entries[:k]), mth(entries[k:])]
    return [*path(m - k, entries[k:]), mth(entries[:k])]


def proof(m: int, entries: Sequence[bytes]) -> list[bytes]:
    """2.1.4.1: the consistency proof from m entries, 0 < m."""
    return subproof(m, entries, known=True)


def subproof(m: int, entries: Sequence[bytes], *, known: bool) -> list[bytes]:
    if m == len(entries):
        return [] if known else [mth(entries)]
    k = cut(entries)
    if m <= k:
        return [*subproof(m, entries[:k], known=known), mth(entries[k:])]
    return [*subproof(m - k, entries[k:], known=False), mth(entries[:k])]


def subtree(entries: Sequence[bytes], level: int, position: int) -> bytes:
    """The hash of a perfect subtree."""
    part = entries[position << level : (position + 1) << level]
    assert len(part) == 1 << level
    return mth(part)


def numbered(count: int) -> list[bytes]:
    return [f"entry {i}".encode() for i in range(count)]
