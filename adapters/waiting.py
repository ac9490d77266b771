"""The same work for who waits in a thread and for who awaits on an event loop: its rules are written once.

Such work is a coroutine that asks what it needs of a `Waiting`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol, TypeVar

from adapters.nats.client import NatsClient

T = TypeVar("T")

_COMPUTES_S: Final = 0.002
"""How long work computes before others have a turn: a look for who else is ready costs some 20 us."""


class Waiting(Protocol):
    """How answers are waited for."""

    async def asked(self, question: Coroutine[Any, Any, T]) -> T:
        """What a question answers that is asked on the loop of the NATS client."""
        ...

    async def worked(self, work: Callable[[], T]) -> T:
        """What work answers that blocks."""
        ...

    async def given_way(self) -> None:
        """Let others have a turn between two pieces of computing."""


class Blocking:
    """In the caller's own thread."""

    def __init__(self, client: NatsClient) -> None:
        self._client = client

    async def asked(self, question: Coroutine[Any, Any, T]) -> T:
        """See `Waiting.asked`."""
        return self._client.run(question)

    async def worked(self, work: Callable[[], T]) -> T:
        """See `Waiting.worked`."""
        return work()

    async def given_way(self) -> None:
        """Threads give way by themselves."""


class Awaiting:
    """On the loop of the NATS client, for one piece of work."""

    def __init__(self) -> None:
        self._gave_way = time.monotonic()

    async def asked(self, question: Coroutine[Any, Any, T]) -> T:
        """See `Waiting.asked`."""
        answer = await question
        self._gave_way = time.monotonic()
        return answer

    async def worked(self, work: Callable[[], T]) -> T:
        """See `Waiting.worked`."""
        return await asyncio.to_thread(work)

    async def given_way(self) -> None:
        """See `Waiting.given_way`."""
        if time.monotonic() - self._gave_way > _COMPUTES_S:
            await asyncio.sleep(0)
            self._gave_way = time.monotonic()


def done(work: Coroutine[Any, Any, T]) -> T:
    """What work answers whose waits are all `Blocking`: it never suspends."""
    try:
        work.send(None)
    except StopIteration as ended:
        answer: T = ended.value
        return answer
    work.close()
    raise AssertionError("it awaited what nobody runs")
