"""Numbers of things in messages."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "block"), counted(2_000, "block"), counted(0, "gap")
    ('1 block', '2,000 blocks', '0 gaps')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
