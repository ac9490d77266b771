"""Tasks that end when they are told to, whatever library they await."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def cancellable(work: Awaitable[T]) -> T:
    """What it answers. Python 3.11's asyncio.wait_for loses a cancellation that comes in the moment of the
    answer: where a library uses it, the task would go on for ever.

    Raises:
        asyncio.CancelledError: the task was told to end meanwhile.
    """
    task = asyncio.current_task()
    assert task is not None, "a coroutine runs in one"
    before = task.cancelling()
    answer = await work
    if task.cancelling() > before:
        raise asyncio.CancelledError
    return answer
