"""The Idempotency-Keys that this process has seen lately, across all resources.

An aggregate remembers for good which command ids it accepted and what they asked for, and a request
that changes many has its answer kept; that covers every retry. This memory adds what one aggregate
cannot see: the same key sent for another resource.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

from ledger.refusal import Refused

KEY: Final = "Idempotency-Key"
KEY_PATTERN: Final = "^[!-~]{1,128}$"
_KEPT: Final = 50_000


class RecentKeys:
    """Command id -> digest of what it asked for."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def recall(self, command_id: str, digest: str) -> None:
        """Refuse a key that was seen here with something else.

        Raises:
            Refused: `command_id_reused`.
        """
        with self._lock:
            seen = self._seen.get(command_id)
        if seen is not None and seen != digest:
            raise reused()

    def remember(self, command_id: str, digest: str) -> None:
        """Keep an accepted request; a refused one may be corrected under the same key."""
        with self._lock:
            self._seen[command_id] = digest
            while len(self._seen) > _KEPT:
                self._seen.popitem(last=False)


def reused() -> Refused:
    return Refused("command_id_reused", "this Idempotency-Key asked for something else", place=KEY)
