"""The Idempotency-Keys that this process has seen lately, across all resources.

An aggregate remembers for good which command ids it accepted and what they asked for; that covers
every retry. This memory adds what one aggregate cannot see: the same key sent for another resource.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

from ledger.refusal import Refused

_KEPT: Final = 50_000


class RecentKeys:
    """Command id -> digest of what it asked for, and the answer where no aggregate keeps it."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, tuple[str, object]] = OrderedDict()
        self._lock = threading.Lock()

    def recall(self, command_id: str, digest: str) -> object:
        """The remembered answer; None for a key not seen here or whose answer was not kept.

        Raises:
            Refused: `command_id_reused` when the key asked for something else.
        """
        with self._lock:
            seen = self._seen.get(command_id)
        if seen is None:
            return None
        if seen[0] != digest:
            raise Refused(
                "command_id_reused", "this Idempotency-Key asked for something else", place="Idempotency-Key"
            )
        return seen[1]

    def remember(self, command_id: str, digest: str, answer: object = None) -> None:
        """Keep an accepted request; a refused one may be corrected under the same key."""
        with self._lock:
            self._seen[command_id] = (digest, answer)
            while len(self._seen) > _KEPT:
                self._seen.popitem(last=False)
