"""What happened at a device, told to the store in its order, whenever the store is there."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from adapters.driving.watched_door import StoreLost, WatchedDoor
from ledger.refusal import Refused

Telling = Callable[[], Awaitable[None]]
"""Its command ids are the same however often it is called."""


class Teller:
    """One device's queue. `refused` gets what the store does not accept: it is not told again; `accepted` is
    called when something is on record."""

    def __init__(
        self,
        door: WatchedDoor,
        refused: Callable[[Refused], None],
        accepted: Callable[[], None] = lambda: None,
    ) -> None:
        self._door = door
        self._refused = refused
        self._accepted = accepted
        self._queue: deque[Telling] = deque()
        self._more = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._may = asyncio.Event()
        self._may.set()

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def tell(self, telling: Telling) -> None:
        """Have it told after all that was to be told before."""
        self._queue.append(telling)
        self._idle.clear()
        self._more.set()

    async def until_told(self) -> None:
        """Wait until all of it is on record."""
        await self._idle.wait()

    def pause(self) -> None:
        """Leave the processor to what is urgent, until `go_on`."""
        self._may.clear()

    def go_on(self) -> None:
        self._may.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            while self._queue:
                await self._may.wait()
                await self._tell(self._queue[0])
                self._queue.popleft()
            self._idle.set()
            self._more.clear()
            await self._more.wait()

    async def _tell(self, telling: Telling) -> None:
        while True:
            try:
                await telling()
            except StoreLost:
                await self._door.until_back()
            except Refused as refused:
                self._refused(refused)
                return
            else:
                self._accepted()
                return
