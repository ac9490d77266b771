"""The awaited door of a driver, which knows whether the store answers: who may not wait asks nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

import nats.errors
import psycopg
import psycopg_pool

from adapters.awaited_door import AwaitedDoor
from adapters.front_door import Receipt, Wish
from adapters.nats.log import StoreFull, StoreUnavailable
from ledger.command import Command, TimedCommand

T = TypeVar("T")

ANSWER_S: Final = 3.0
"""The store that says nothing for so long is lost. The log of a driver's door has a deadline no longer."""
_PROBE_S: Final = 0.5
_PROBED: Final = "book.book"
_AWAY: Final = (
    StoreUnavailable,
    StoreFull,
    nats.errors.Error,
    OSError,
    TimeoutError,
    psycopg.OperationalError,
    psycopg_pool.PoolTimeout,
)


class StoreLost(Exception):
    """The store does not answer. What was asked may be accepted: ask again with the same command id."""


class WatchedDoor:
    """One for all devices of a process. While the store is lost one probe asks for it, and nothing else."""

    def __init__(self, door: AwaitedDoor, actor: str) -> None:
        self._door = door
        self._actor = actor
        self._probing: asyncio.Task[None] | None = None
        self._back = asyncio.Event()
        self._back.set()

    @property
    def lost(self) -> bool:
        return not self._back.is_set()

    async def execute(self, command: Command | TimedCommand, command_id: str) -> Receipt:
        """Accept one command.

        Raises:
            StoreLost; Refused: as `FrontDoor.execute`.
        """
        receipts = await self._asked(self._door.execute_all([Wish(command, command_id)], actor=self._actor))
        return receipts[0]

    async def state(self, aggregate: str) -> object:
        """The aggregate's state now; None when it does not exist.

        Raises:
            StoreLost.
        """
        return await self._asked(self._door.state(aggregate))

    async def until_back(self) -> None:
        """Wait until the store answers."""
        await self._back.wait()

    async def close(self) -> None:
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)

    async def _asked(self, question: Awaitable[T]) -> T:
        if self.lost:
            asyncio.ensure_future(question).cancel()
            raise StoreLost("the store does not answer")
        try:
            async with asyncio.timeout(ANSWER_S):
                return await question
        except _AWAY as error:
            self._back.clear()
            if self._probing is None or self._probing.done():
                self._probing = asyncio.get_running_loop().create_task(self._probe())
            raise StoreLost(f"the store does not answer: {error!r}") from error

    async def _probe(self) -> None:
        while self.lost:
            await asyncio.sleep(_PROBE_S)
            try:
                await self._door.state(_PROBED)
            except _AWAY:
                continue
            self._back.set()
