"""The driver's door, left alone while a stop is under way: first everything stops, then it is told."""

from __future__ import annotations

import asyncio
from typing import Final

from adapters.awaited_door import AwaitedDoor
from adapters.driving.watched_door import WatchedDoor
from adapters.front_door import Receipt
from ledger.command import Command, TimedCommand

QUIET_S_MAX: Final = 5.0
"""No longer, whatever becomes of the stop: leases are renewed by the same door."""


class QuietDoor(WatchedDoor):
    """As the watched door. What is recorded meanwhile waits; what is asked does not."""

    def __init__(self, door: AwaitedDoor, actor: str) -> None:
        super().__init__(door, actor)
        self._go = asyncio.Event()
        self._go.set()

    def hold(self) -> None:
        """A stop begins."""
        if self._go.is_set():
            self._go.clear()
            asyncio.get_running_loop().call_later(QUIET_S_MAX, self._go.set)

    def go(self) -> None:
        """It has ended."""
        self._go.set()

    async def execute(self, command: Command | TimedCommand, command_id: str) -> Receipt:
        await self._go.wait()
        return await super().execute(command, command_id)
