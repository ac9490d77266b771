"""A role of `up`: started again when it ends, ever less often while it keeps ending, and said once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from adapters.embedded.child import Child

PAUSE_S_MAX: Final = 30
_WELL_S: Final = 60.0
"""Who lived so long did not end of how it was started."""


class KeptRole:
    """One role's process. `say` gets a line when it ends otherwise than it did last, and when it runs again
    after it ended more than once."""

    def __init__(
        self,
        start: Callable[[], Child],
        say: Callable[[str], None],
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._start = start
        self._say = say
        self._seconds = seconds
        self._child = start()
        self._since = seconds()
        self._ends = 0
        self._said = ""
        self._again_at: float | None = None

    def look(self) -> None:
        """Start it again where it ended and its pause is over; call it each second, from the main thread."""
        now = self._seconds()
        if self._child.alive:
            if self._ends and now - self._since >= _WELL_S:
                self._well()
            return
        if self._again_at is None:
            if now - self._since >= _WELL_S:
                self._well()
            self._again_at = now + self._pause_s
            self._tell()
            self._ends += 1
        if now >= self._again_at:
            self._child, self._since, self._again_at = self._start(), now, None

    def stop(self) -> None:
        """End it for good."""
        self._child.stop()

    @property
    def _pause_s(self) -> int:
        return min(2**self._ends, PAUSE_S_MAX) if self._ends else 0

    def _tell(self) -> None:
        child = self._child
        how = f"{child.name} ended with {child.process.returncode}: {child.last_words()}"
        if how != self._said:
            more = f", each time later, up to {PAUSE_S_MAX} s, while it ends so" if self._ends else ""
            self._say(f"{how} ({child.log}); starting it again{more}")
        self._said = how

    def _well(self) -> None:
        if self._ends > 1:
            self._say(f"{self._child.name} runs again")
        self._ends, self._said = 0, ""
