"""As `Together`, for work that is awaited: all that waits on an event loop is done in one turn.

A request then costs no thread of its own to wait in, nor the processor's way there and back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_ITEMS_MAX: Final = 100


class Turns(Generic[T]):
    """`work` is done on all items of a turn, one turn after the other: what comes while the servers are
    waited for shares the next one. Items come from one event loop."""

    def __init__(self, work: Callable[[Sequence[T]], Awaitable[None]]) -> None:
        self._work = work
        self._turning: asyncio.Task[None] | None = None
        self._waiting: list[tuple[T, asyncio.Future[bool]]] = []

    async def __call__(self, item: T) -> None:
        """Have the item worked on.

        A turn of several that ends with an error is taken again by each for itself: the fault of one is not
        its neighbour's.

        Raises:
            What `work` raises.
        """
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._turning is None:
            self._turning = asyncio.get_running_loop().create_task(self._take())
        if not await done:
            await self._work([item])

    async def _take(self) -> None:
        """Turn after turn, while something waits."""
        try:
            while self._waiting:
                turn, self._waiting = self._waiting[:_ITEMS_MAX], self._waiting[_ITEMS_MAX:]
                await self._one(turn)
        finally:
            self._turning = None

    async def _one(self, turn: Sequence[tuple[T, asyncio.Future[bool]]]) -> None:
        worked: BaseException | None = None
        try:
            await self._work([item for item, _ in turn])
        except Exception as error:
            worked = error
        for _, done in turn:
            if done.cancelled():
                continue
            if worked is not None and len(turn) == 1:
                done.set_exception(worked)
            else:
                done.set_result(worked is None)
