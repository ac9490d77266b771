"""One row of the table."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class Figure(NamedTuple):
    """`ours` and `peer` in `unit`; `value` is what `wanted` is about (a ratio, or `ours` itself)."""

    what: str
    ours: float
    peer: float | None
    peer_name: str
    unit: str
    value: float
    wanted: float | None

    @property
    def met(self) -> str:
        if self.wanted is None:
            return "shown beside"
        return "yes" if self.value >= self.wanted else "NO"


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def seconds_and(work: Callable[[], T]) -> tuple[float, T]:
    """How long it took, and what it gave."""
    began = time.perf_counter()
    given = work()
    return time.perf_counter() - began, given


def median_ratio(pairs: list[tuple[float, float]]) -> tuple[float, float, float]:
    """(ours, peer, ours / peer) as medians of rates that were measured in turn."""
    ours = statistics.median(one for one, _ in pairs)
    peer = statistics.median(other for _, other in pairs)
    return ours, peer, statistics.median(one / other for one, other in pairs)
