"""Work that may take gigabytes: one of a kind at a time. Few wait a moment for it; the others are told so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, Semaphore
from typing import Final

from ledger.refusal import Refused

WAIT_S: Final = 3.0
"""How long one that may wait does: work of tenths of a second is done by then."""
WAITING_MAX: Final = 4
"""Each who waits has a thread, which the API's other routes then lack."""


@contextmanager
def one_at_a_time(held: Lock, what: str, place: str, waiting: Semaphore | None = None) -> Iterator[None]:
    """With `waiting` as many as that lets in wait up to `WAIT_S` for their turn.

    Raises:
        Refused: `planner_busy`.
    """
    if not (held.acquire(blocking=False) or (waiting is not None and _in_turn(held, waiting))):
        raise Refused("planner_busy", f"this API makes another {what} just now; ask again", place=place)
    try:
        yield
    finally:
        held.release()


def _in_turn(held: Lock, waiting: Semaphore) -> bool:
    if not waiting.acquire(blocking=False):
        return False
    try:
        return held.acquire(timeout=WAIT_S)
    finally:
        waiting.release()
