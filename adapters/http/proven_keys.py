"""The keys that this process has proven by their archived events.

A proof is of the grant, which never changes; whether it was revoked since is asked each time.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

from ledger.access import Grant

_KEPT: Final = 10_000


class ProvenKeys:
    """SHA-256 of a key -> what it was granted."""

    def __init__(self) -> None:
        self._grants: OrderedDict[str, Grant] = OrderedDict()
        self._lock = threading.Lock()

    def recall(self, sha256: str) -> Grant | None:
        with self._lock:
            return self._grants.get(sha256)

    def remember(self, sha256: str, grant: Grant) -> None:
        """Keep a grant that was proven; the one proven longest ago is forgotten when there are too many."""
        with self._lock:
            self._grants[sha256] = grant
            while len(self._grants) > _KEPT:
                self._grants.popitem(last=False)
