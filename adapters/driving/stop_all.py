"""Many devices stopped at once, and each read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from adapters.driving.executor import Executor
from adapters.driving.lowering import Stopped
from adapters.driving.pause import Pause
from adapters.driving.poller import Poller

_AT_ONCE: Final = 50


async def stop_all(
    executors: Sequence[Executor], cause: str, pollers: Sequence[Poller] = ()
) -> tuple[Stopped, ...]:
    """Stop them all, so many at once that none waits for an answer longer than devices take; each is verified
    by reading it, or says why not. `pollers` wait meanwhile."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def stop(one: Executor) -> Stopped:
        async with turns:
            return await one.stop(cause)

    pause = Pause()
    pause.begin([one.telling for one in executors])
    pause.begin(pollers)
    try:
        return tuple(await asyncio.gather(*map(stop, executors)))
    finally:
        pause.end()
