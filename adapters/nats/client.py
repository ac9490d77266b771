"""One NATS connection on its own event loop thread, usable from any thread.

The rest of the program is ordinary blocking code; only this package knows that nats-py is asyncio.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any, Final, TypeVar

import nats
import uvloop
from nats.aio.client import Client
from nats.aio.msg import Msg

T = TypeVar("T")

_PENDING_BYTES: Final = 64 << 20
_CONNECT_SECONDS: Final = 10
_PING_SECONDS: Final = 10


class Disconnected(ConnectionError):
    """There is no connection, or it was lost: what was asked may or may not have been done."""


class NatsClient:
    """A connection that reconnects for ever; `epoch` numbers the connections.

    Whoever appends compares the epoch with the one it verified the stream under, so that no write
    follows a reconnect unverified. An epoch ends when its connection is lost, before there can be a next
    one; what was still waiting to be sent on it is dropped and what waited for an answer fails at once.

    Raises:
        OSError: the server is not reachable, or refuses the key.
    """

    def __init__(
        self, url: str, *, seed_file: Path | None, name: str, monitor_url: str | None = None
    ) -> None:
        self.epoch = 1
        self.name = name
        self.monitor_url = monitor_url
        self._asked: dict[str, _Asked] = {}
        self._tokens = itertools.count()
        self._inbox = ""
        self._closing = False
        self._begins = threading.Lock()
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"nats-{name}", daemon=True)
        self._thread.start()
        try:
            self._nc = self.run(self._connect(url, seed_file))
        except BaseException:
            self._stop_loop()
            raise

    async def _connect(self, url: str, seed_file: Path | None) -> Client:
        last_error: Exception | None = None

        async def on_error(error: Exception) -> None:
            nonlocal last_error
            last_error = error

        try:
            connecting = nats.connect(
                url.split(","),
                name=f"wattledger-{self.name}",
                nkeys_seed=str(seed_file) if seed_file else None,
                connect_timeout=2,
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.2,
                pending_size=_PENDING_BYTES,
                allow_reconnect=True,
                ping_interval=_PING_SECONDS,
                disconnected_cb=self._disconnected,
                error_cb=on_error,
            )
            nc = await asyncio.wait_for(connecting, _CONNECT_SECONDS)
        except (nats.errors.Error, OSError, TimeoutError) as error:
            raise ConnectionError(f"NATS at {url}: {last_error or error}") from error
        self._inbox = nc.new_inbox()
        await nc.subscribe(
            f"{self._inbox}.*", cb=self._answered, pending_msgs_limit=-1, pending_bytes_limit=-1
        )
        return nc

    async def _disconnected(self) -> None:
        self.epoch += 1
        # nats-py would send it on the next connection, to a stream that nobody has verified.
        self._drop_unsent()
        for asked in self._asked.values():
            if not asked.done.done():
                asked.done.set_exception(Disconnected("the connection to NATS was lost"))

    def _drop_unsent(self) -> None:
        self._nc._pending.clear()  # noqa: SLF001
        self._nc._pending_data_size = 0  # noqa: SLF001

    async def _answered(self, message: Msg) -> None:
        asked = self._asked.get(message.subject.rpartition(".")[2])
        if asked is None:
            return
        asked.heard_at = self._loop.time()
        if not asked.done.done() and asked.hear(message):
            asked.done.set_result(None)

    @property
    def connected(self) -> bool:
        return self._nc.is_connected

    @property
    def server_id(self) -> str:
        """Which start of which server this connection is to: a server that is started again has a new one."""
        return str(self._nc._server_info["server_id"])  # noqa: SLF001

    @property
    def max_payload(self) -> int:
        return self._nc.max_payload

    def run(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Do `work` on the connection's loop and wait for its result.

        Raises:
            Disconnected: the connection was closed meanwhile, by another thread.
        """
        assert threading.current_thread() is not self._thread, "its own loop would wait for itself"
        future = self.begin(work)
        try:
            return self.result(future, timeout)
        except TimeoutError:
            future.cancel()
            raise

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Have `work` done on the connection's loop, while the caller does something else.

        Raises:
            Disconnected: the connection is closed, or about to be.
        """
        with self._begins:
            if self._closing:
                work.close()
                raise Disconnected("the connection to NATS is closed")
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    @staticmethod
    def result(begun: Future[T], timeout: float | None = None) -> T:
        """Wait for what `begin` answered.

        Raises:
            Disconnected: as `run`.
        """
        try:
            return begun.result(timeout)
        except CancelledError as error:
            raise Disconnected("the connection to NATS was closed") from error

    async def awaited(self, work: Coroutine[Any, Any, T]) -> T:
        """As `run`, for whoever awaits, on this loop or another one.

        Raises:
            Disconnected: as `run`.
        """
        if asyncio.get_running_loop() is self._loop:
            return await work
        begun = self.begin(work)
        try:
            return await asyncio.wrap_future(begun)
        except asyncio.CancelledError as error:
            asking = asyncio.current_task()
            if asking is not None and asking.cancelling():
                raise
            raise Disconnected("the connection to NATS was closed") from error

    async def request(
        self, subject: str, payload: bytes, *, timeout: float, headers: dict[str, str] | None = None
    ) -> Msg:
        """Ask and wait for the one answer.

        Raises:
            Disconnected, TimeoutError: none came.
            NoRespondersError: nobody listens on the subject.
        """
        answers: list[Msg] = []

        def hear(message: Msg) -> bool:
            answers.append(message)
            return True

        await self.converse(subject, payload, hear, timeout=timeout, headers=headers)
        answer = answers[0]
        if answer.headers and answer.headers.get("Status") == "503" and not answer.data:
            raise nats.errors.NoRespondersError
        return answer

    async def converse(
        self,
        subject: str,
        payload: bytes,
        hear: Callable[[Msg], bool],
        *,
        timeout: float,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Ask, and hand every answer to `hear` until it says that it was the last.

        Raises:
            Disconnected, TimeoutError: for `timeout` seconds nothing came, and the last one had not.
        """
        token = str(next(self._tokens))
        asked = self._asked[token] = _Asked(self._loop, hear, timeout)
        try:
            await self.publish(subject, payload, headers=headers, reply=f"{self._inbox}.{token}")
            await asked.done
        finally:
            asked.timer.cancel()
            del self._asked[token]

    async def publish(
        self, subject: str, payload: bytes, *, headers: dict[str, str] | None = None, reply: str = ""
    ) -> None:
        """Send now or not at all.

        Raises:
            Disconnected: there is no connection.
        """
        if not self._nc.is_connected:
            raise Disconnected("NATS is away")
        await self._nc.publish(subject, payload, reply=reply, headers=headers)

    async def listen(self, callback: Callable[[Msg], Awaitable[None]]) -> Inbox:
        """An inbox whose messages go straight to `callback`, without a bound on what waits."""
        inbox = self._nc.new_inbox()
        return await self.hear(inbox, callback)

    async def hear(self, subject: str, callback: Callable[[Msg], Awaitable[None]]) -> Inbox:
        """What is sent on a subject goes straight to `callback`; after a reconnect, too."""
        subscription = await self._nc.subscribe(
            subject, cb=callback, pending_msgs_limit=-1, pending_bytes_limit=-1
        )
        return Inbox(subject, subscription.unsubscribe)

    def close(self) -> None:
        """Whoever still asks, or begins to, is told so: without its loop it would wait for ever."""
        with self._begins:
            if self._closing:
                return
            self._closing = True
            ending = asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        ending.result(_CONNECT_SECONDS)
        self._stop_loop()

    async def _end(self) -> None:
        if not self._nc.is_connected:
            # nats-py would write it to the connection that was lost.
            self._drop_unsent()
        try:
            await self._nc.close()
        except (RuntimeError, OSError):
            # It was lost at this moment: there is nobody left to say goodbye to.
            self._drop_unsent()
        asking = asyncio.all_tasks() - {asyncio.current_task()}
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    def _stop_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CONNECT_SECONDS)
        if not self._loop.is_running():
            self._loop.close()


class _Asked:
    """A request under way. Its timer looks again when something came meanwhile: a timer for each answer, or
    asyncio.wait_for, would cost a twentieth of a durable append."""

    def __init__(self, loop: asyncio.AbstractEventLoop, hear: Callable[[Msg], bool], timeout: float) -> None:
        self.done: asyncio.Future[None] = loop.create_future()
        self.hear = hear
        self.heard_at = loop.time()
        self._loop = loop
        self._timeout = timeout
        self.timer = loop.call_later(timeout, self._look)

    def _look(self) -> None:
        if self.done.done():
            return
        left = self.heard_at + self._timeout - self._loop.time()
        if left > 0:
            self.timer = self._loop.call_later(left, self._look)
        else:
            self.done.set_exception(TimeoutError("NATS did not answer in time"))


class Inbox:
    """A reply address of our own, and how to give it up."""

    def __init__(self, subject: str, close: Callable[[], Awaitable[None]]) -> None:
        self.subject = subject
        self.close = close
