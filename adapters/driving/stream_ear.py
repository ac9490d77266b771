"""Told by the stream itself, as it is stored, that something happened to an aggregate: nothing is polled.

A push consumer of our own, without acknowledgements, which beats every second: who hears neither beat nor
event, or has another connection, makes it anew and looks again at what stands.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final

import msgspec
import nats.errors
from nats.aio.msg import Msg

from adapters.nats.client import Inbox, NatsClient
from adapters.nats.question import ONCE_S
from adapters.nats.stream import stream_name
from adapters.nats.wire import subject

BEAT_S: Final = 1
SILENT_S: Final = 3.5
"""After so long without a beat nobody is heard any more."""
_RETRY_S: Final = 0.5
_NS: Final = 10**9


class StreamEar:
    """Of one aggregate of a book, or of all of a kind (`kind.*`). `told` is called on the loop that runs
    this: after every event, and whenever some may have been missed."""

    def __init__(self, client: NatsClient, book: str, aggregate: str, told: Callable[[], None]) -> None:
        self._client = client
        self._book = book
        self._aggregate = aggregate
        self._told = told
        self._heard = 0.0

    @property
    def hears(self) -> bool:
        return time.monotonic() - self._heard < SILENT_S

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            with contextlib.suppress(nats.errors.Error, OSError, TimeoutError):
                await self._listen()
            await asyncio.sleep(_RETRY_S)

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        epoch = self._client.epoch

        async def receive(message: Msg) -> None:
            self._heard = time.monotonic()
            if not (message.headers and "Status" in message.headers):
                loop.call_soon_threadsafe(self._told)

        inbox = await asyncio.to_thread(self._client.run, self._client.listen(receive), ONCE_S + 1)
        try:
            await asyncio.to_thread(self._client.run, self._create(inbox), ONCE_S + 1)
            self._heard = time.monotonic()
            self._told()
            while self.hears and self._client.epoch == epoch:  # noqa: ASYNC110 the connection has no event
                await asyncio.sleep(BEAT_S / 4)
        finally:
            with contextlib.suppress(nats.errors.Error, OSError, TimeoutError):
                await asyncio.to_thread(self._client.run, closed(inbox), ONCE_S + 1)

    async def _create(self, inbox: Inbox) -> None:
        config = {
            "deliver_policy": "new",
            "deliver_subject": inbox.subject,
            "filter_subject": subject(self._book, self._aggregate),
            "ack_policy": "none",
            "mem_storage": True,
            "num_replicas": 1,
            "idle_heartbeat": BEAT_S * _NS,
        }
        name = stream_name(self._book)
        answer = await self._client.request(
            f"$JS.API.CONSUMER.CREATE.{name}",
            msgspec.json.encode({"stream_name": name, "config": config}),
            timeout=ONCE_S,
        )
        body = msgspec.json.decode(answer.data)
        if "error" in body:
            raise OSError(body["error"]["description"])


async def closed(inbox: Inbox) -> None:
    """Give the inbox up, whatever became of the connection."""
    await asyncio.gather(inbox.close(), return_exceptions=True)
