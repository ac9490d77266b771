"""Which of several amounts add up to another."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import comb
from typing import Final

TRIES_MAX: Final = 20_000
"""The most sums that are tried for one booking or one statement."""


def too_many(count: int, parts_max: int) -> bool:
    """Whether the sums of two to `parts_max` of `count` amounts are more than are tried."""
    return sum(comb(count, size) for size in _sizes(count, parts_max)) > TRIES_MAX


def sums(amounts: Sequence[int], total: int, parts_max: int) -> list[tuple[int, ...]] | None:
    """Every choice of two to `parts_max` amounts that sums to the total; None for too many to try."""
    if too_many(len(amounts), parts_max):
        return None
    return [
        chosen
        for size in _sizes(len(amounts), parts_max)
        for chosen in combinations(range(len(amounts)), size)
        if sum(amounts[at] for at in chosen) == total
    ]


def _sizes(count: int, parts_max: int) -> range:
    return range(2, min(parts_max, count) + 1)
