"""The storages' time: it never goes back, whatever is done to the machine's clock, and may be moved on."""

from __future__ import annotations

import time


class PeerClock:
    """Milliseconds since 1970, `ahead_ms` ahead of the machine's clock (below 0: behind it)."""

    def __init__(self, ahead_ms: int = 0) -> None:
        self._off_ns = time.time_ns() - time.monotonic_ns() + ahead_ms * 1_000_000

    def __call__(self) -> int:
        return (time.monotonic_ns() + self._off_ns) // 1_000_000

    def lapse(self, by_ms: int) -> None:
        """So much time has passed."""
        assert by_ms > 0
        self._off_ns += by_ms * 1_000_000
