"""What can wait while a stop is under way: it leaves the processor, and the devices, to the stop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final, Protocol

PAUSE_S_MAX: Final = 5.0
"""No longer, whatever becomes of the stop."""


class Pausable(Protocol):
    def pause(self) -> None: ...
    def go_on(self) -> None: ...


class Pause:
    """Of one event loop. Only what belongs to the devices that are stopped is to be paused: a device that is
    not read for three seconds is lost."""

    def __init__(self) -> None:
        self._parts: list[Pausable] = []
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, parts: Iterable[Pausable]) -> None:
        """These too, until all end."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PAUSE_S_MAX, self.end)
        for part in parts:
            part.pause()
            self._parts.append(part)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for part in self._parts:
            part.go_on()
        self._parts.clear()
