"""Whether this machine's clock can be trusted: held against one that never goes back."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from dispatch.control.interlock import CLOCK_BLOCKED_MS


class ClockWatch:
    """One for a process: its fleet asks each second, and tells the executors (`Executor.clock_lost`).

    A step of more than half a minute, either way, means that the time before it or after it is wrong, and
    nobody knows which. It is lost until it is set back, or a person who has looked starts the driver anew.
    """

    def __init__(self, clock: Callable[[], datetime], steady_s: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._steady_s = steady_s
        self._began = clock()
        self._steady_began = steady_s()

    @property
    def lost(self) -> bool:
        gone = timedelta(seconds=self._steady_s() - self._steady_began)
        return abs(self._clock() - self._began - gone) > timedelta(milliseconds=CLOCK_BLOCKED_MS)
