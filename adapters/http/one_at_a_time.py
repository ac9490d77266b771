"""Work that may take gigabytes: one of a kind at a time, and who comes meanwhile is told so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from ledger.refusal import Refused


@contextmanager
def one_at_a_time(held: Lock, what: str, place: str) -> Iterator[None]:
    """Raises:
    Refused: `planner_busy`: waiting would take threads."""
    if not held.acquire(blocking=False):
        raise Refused("planner_busy", f"this API makes another {what} just now; ask again", place=place)
    try:
        yield
    finally:
        held.release()
