"""A server that is started again when it dies: at once, and ever less often while it keeps dying."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from adapters.embedded.child import Child, ChildFailed

PAUSE_S_MAX: Final = 30.0
_WELL_S: Final = 60.0
"""Who lived so long did not die of how it was started."""
_PATIENCE_S: Final = 2.0


class Revived:
    """One server, on the ports and data that it had. `say` gets a line for each death and each start."""

    def __init__(
        self, server: Child, say: Callable[[str], None], seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._server = server
        self._say = say
        self._seconds = seconds
        self._since = seconds()
        self._pause_s = 0.0
        self._again_at: float | None = None

    def look(self) -> None:
        """Start it again where it died and its pause is over; call it each second, from the main thread."""
        now = self._seconds()
        if self._server.alive:
            return
        if self._again_at is None:
            self._pause_s = 0.0 if now - self._since >= _WELL_S else self._longer()
            self._died(now, f"died with {self._server.process.returncode}")
        assert self._again_at is not None, "it died"
        if now < self._again_at:
            return
        try:
            self._server.start(_PATIENCE_S)
        except ChildFailed as failed:
            self._pause_s = self._longer()
            self._died(now, f"does not start: {failed}")
            return
        self._since, self._again_at = now, None
        self._say(f"{self._server.name} is started again")

    def _died(self, now: float, how: str) -> None:
        self._again_at = now + self._pause_s
        when = f"in {self._pause_s:.0f} s" if self._pause_s else "now"
        name, log = self._server.name, self._server.log
        self._say(f"{name} {how} (see {log}); it starts again {when}, and nothing is recorded until then")

    def _longer(self) -> float:
        return min(max(2 * self._pause_s, 1.0), PAUSE_S_MAX)
