"""What a task waits for no longer than so long: that somebody wakes it."""

from __future__ import annotations

import asyncio


class Wake:
    """One task waits at a time. Who woke it before it waited is not forgotten.

    An asyncio.Event within asyncio.timeout cancels the task, and catches that, whenever the time is over:
    three times a second for each device, a tenth of what reading it costs.
    """

    def __init__(self) -> None:
        self._woken = False
        self._waiting: asyncio.Future[None] | None = None

    def set(self) -> None:
        self._woken = True
        if self._waiting is not None:
            done(self._waiting)

    async def within(self, seconds: float) -> bool:
        """Until it is woken, at most so long; whether it was woken. After that it is not woken any more."""
        if not self._woken:
            loop = asyncio.get_running_loop()
            self._waiting = loop.create_future()
            timer = loop.call_later(max(seconds, 0), done, self._waiting)
            try:
                await self._waiting
            finally:
                timer.cancel()
                self._waiting = None
        woken, self._woken = self._woken, False
        return woken


def done(future: asyncio.Future[None]) -> None:
    """Whoever awaits it goes on, unless it was given up."""
    if not future.done():
        future.set_result(None)
