"""One NATS connection on its own event loop thread, usable from any thread.

The rest of the program is ordinary blocking code; only this package knows that nats-py is asyncio.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

import nats
import uvloop
from nats.aio.client import Client
from nats.aio.msg import Msg

T = TypeVar("T")

_PENDING_BYTES: Final = 64 << 20
_CONNECT_SECONDS: Final = 10


class NatsClient:
    """A connection that reconnects for ever; `epoch` counts its connects.

    Whoever appends compares the epoch with the one it verified the stream under, so that no write
    follows a reconnect unverified.

    Raises:
        OSError: the server is not reachable, or refuses the key.
    """

    def __init__(self, url: str, *, seed_file: Path | None, name: str) -> None:
        self.epoch = 0
        self.name = name
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"nats-{name}", daemon=True)
        self._thread.start()
        try:
            self._nc = self.run(self._connect(url, seed_file), _CONNECT_SECONDS)
        except BaseException:
            self._stop_loop()
            raise

    async def _connect(self, url: str, seed_file: Path | None) -> Client:
        last_error: Exception | None = None

        async def on_error(error: Exception) -> None:
            nonlocal last_error
            last_error = error

        try:
            nc = await nats.connect(
                url.split(","),
                name=f"wattledger-{self.name}",
                nkeys_seed=str(seed_file) if seed_file else None,
                connect_timeout=2,
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.2,
                pending_size=_PENDING_BYTES,
                allow_reconnect=True,
                reconnected_cb=self._reconnected,
                error_cb=on_error,
            )
        except (nats.errors.Error, OSError, TimeoutError) as error:
            raise ConnectionError(f"NATS at {url}: {last_error or error}") from error
        self.epoch = 1
        return nc

    async def _reconnected(self) -> None:
        self.epoch += 1

    @property
    def connected(self) -> bool:
        return self._nc.is_connected

    @property
    def max_payload(self) -> int:
        return self._nc.max_payload

    def run(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Do `work` on the connection's loop and wait for its result."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            raise

    async def request(
        self, subject: str, payload: bytes, *, timeout: float, headers: dict[str, str] | None = None
    ) -> Msg:
        return await self._nc.request(subject, payload, timeout=timeout, headers=headers)

    async def publish(
        self, subject: str, payload: bytes, *, headers: dict[str, str] | None = None, reply: str = ""
    ) -> None:
        await self._nc.publish(subject, payload, reply=reply, headers=headers)

    async def listen(self, callback: Callable[[Msg], Awaitable[None]]) -> Inbox:
        """An inbox whose messages go straight to `callback`, without a bound on what waits."""
        inbox = self._nc.new_inbox()
        subscription = await self._nc.subscribe(
            inbox, cb=callback, pending_msgs_limit=-1, pending_bytes_limit=-1
        )
        return Inbox(inbox, subscription.unsubscribe)

    def close(self) -> None:
        self.run(self._nc.close(), _CONNECT_SECONDS)
        self._stop_loop()

    def _stop_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CONNECT_SECONDS)
        if not self._loop.is_running():
            self._loop.close()


class Inbox:
    """A reply address of our own, and how to give it up."""

    def __init__(self, subject: str, close: Callable[[], Awaitable[None]]) -> None:
        self.subject = subject
        self.close = close
