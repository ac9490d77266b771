"""What every listener of this process hears: one reader of the archive, and a bounded queue for each.

All of it runs on the server's event loop. Who comes catches up by itself, at its own pace, and is attached
in the moment it is level with the reader: nothing falls between. Who does not read is cut off, with the
reason, and comes back with its last id.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Final

from adapters.continuity import Discontinuity
from adapters.live import frames
from adapters.live.archive import PASSING, LiveArchive, Page
from adapters.live.frames import EndReason
from adapters.live.gate_reminders import GateReminders
from adapters.live.interest import Interest
from adapters.live.message import LiveMessage
from adapters.postgres.database import Database
from ledger.refusal import Refused

POLL_S: Final = 0.2
HEARTBEAT_S: Final = 15.0
_RETRY_S: Final = 1.0
LISTENERS_MAX: Final = 200
WAITING_MAX: Final = 1000
"""Frames that may wait for a listener before it is cut off."""
_MARKETS_S: Final = 300.0

_log = logging.getLogger("wattledger.live")


class _Listener:
    """One connection's queue. `position`: up to where everything it wants is sent or waits here."""

    def __init__(self, interest: Interest, position: int, waiting_max: int) -> None:
        self.interest = interest
        self.position = position
        self.ended: EndReason | None = None
        self.ready = asyncio.Event()
        self._waiting_max = waiting_max
        self._waiting: deque[bytes] = deque()

    def tell(self, messages: list[LiveMessage], reached: int) -> None:
        """Queue what it wants of it and has not had; what is told without a sequence goes to all."""
        if self.ended is not None or not (told := self.framed(messages, reached)):
            return
        waits = bool(self._waiting)
        self._waiting += told
        if waits and len(self._waiting) > self._waiting_max:
            self.end("slow_consumer")
        self.ready.set()

    def framed(self, messages: list[LiveMessage], reached: int) -> list[bytes]:
        """What it wants of it and has not had, as told from now on."""
        before, self.position = self.position, max(self.position, reached)
        return frames.framed(
            one
            for one in messages
            if (one.sequence is None or one.sequence > before) and self.interest.wants(one)
        )

    def take(self) -> bytes:
        """What waits, all at once."""
        taken = b"".join(self._waiting)
        self._waiting.clear()
        self.ready.clear()
        return taken

    def end(self, reason: EndReason) -> None:
        """Say why, and drop what waits where it is too much."""
        if reason == "slow_consumer":
            self._waiting.clear()
        self.ended = self.ended or reason
        self.ready.set()


class Feed:
    """One book's listeners in this process."""

    def __init__(
        self,
        database: Database,
        book: str,
        clock: Callable[[], datetime],
        *,
        heartbeat_s: float = HEARTBEAT_S,
        waiting_max: int = WAITING_MAX,
    ) -> None:
        self._archive = LiveArchive(database, book)
        self._book = book
        self._clock = clock
        self._heartbeat_s = heartbeat_s
        self._waiting_max = waiting_max
        self._listeners: set[_Listener] = set()
        self._coming = 0
        self._position = 0
        self._task: asyncio.Task[None] | None = None
        self._ended: EndReason | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def listeners(self) -> int:
        return len(self._listeners) + self._coming

    async def position(self) -> int:
        """From where a listener begins that names no id.

        Raises:
            Behind, psycopg.OperationalError: not to be known now.
        """
        return await asyncio.to_thread(self._archive.position)

    def end(self) -> None:
        """End every stream: the server stops. From any thread."""
        self._ended = "shutdown"
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end_all)

    def _end_all(self) -> None:
        for listener in self._listeners:
            listener.end("shutdown")

    def check_room(self) -> None:
        """Raises:
        Refused: `live_listeners` when too many listen already."""
        if self.listeners >= LISTENERS_MAX:
            raise Refused("live_listeners", f"{LISTENERS_MAX} listen already; ask again later")

    async def listen(
        self, interest: Interest, after: int, allowed: Callable[[], bool], *, follow: bool = True
    ) -> AsyncIterator[bytes]:
        """The frames for one listener: what follows sequence `after`, then for ever what happens.

        `allowed` is asked at every heartbeat, in a thread. Without `follow` it ends with what there is.
        """
        self._loop = asyncio.get_running_loop()
        listener = _Listener(interest, after, self._waiting_max)
        self._coming += 1
        try:
            yield frames.opening(after)
            async for chunk in self._caught_up(listener):
                yield chunk
        finally:
            self._coming -= 1
        if not follow:
            listener.end("level")
        if listener.ended is None:
            self._attach(listener)
        try:
            async for chunk in self._heard(listener, allowed):
                yield chunk
        finally:
            self._listeners.discard(listener)

    async def _caught_up(self, listener: _Listener) -> AsyncIterator[bytes]:
        """What was told before it came, until it is level with the reader."""
        while listener.ended is None:
            if self._ended is not None:
                listener.end(self._ended)
                return
            try:
                page = await self._page(listener.position)
            except Discontinuity:
                listener.end("discontinuity")
                return
            chunk = b"".join(listener.framed(page.messages, page.reached))
            if chunk:
                yield chunk
            if page.level and listener.position >= self._position:
                return

    def _attach(self, listener: _Listener) -> None:
        """In the same breath as the last look at the position."""
        if self._ended is not None:
            listener.end(self._ended)
            return
        self._listeners.add(listener)
        if self._task is None or self._task.done():
            self._position = listener.position
            self._task = asyncio.get_running_loop().create_task(self._follow())
            self._task.add_done_callback(self._followed)

    def _followed(self, task: asyncio.Task[None]) -> None:
        """The reader ended: with its last listener, with the server, or by our fault."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._doubted(error)

    def _doubted(self, error: BaseException) -> None:
        known = isinstance(error, Discontinuity)
        _log.error("nothing is told live any more: %s", error, exc_info=None if known else error)
        for listener in self._listeners:
            listener.end("discontinuity" if known else "failed")

    async def _heard(self, listener: _Listener, allowed: Callable[[], bool]) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        beat = loop.time() + self._heartbeat_s
        while True:
            if not listener.ready.is_set():
                try:
                    async with asyncio.timeout_at(beat):
                        await listener.ready.wait()
                except TimeoutError:
                    # What came in this moment stands before the position that a heartbeat would name.
                    if not listener.ready.is_set():
                        yield frames.heartbeat(listener.position)
            chunk = listener.take()
            if chunk:
                yield chunk
            if listener.ended is not None:
                yield frames.ending(listener.ended)
                return
            if loop.time() >= beat:
                beat = loop.time() + self._heartbeat_s
                await self._ask(listener, allowed)

    @staticmethod
    async def _ask(listener: _Listener, allowed: Callable[[], bool]) -> None:
        """Whether it may go on; while nobody can tell, nothing is told either."""
        try:
            if not await asyncio.to_thread(allowed):
                listener.end("key_not_in_force")
        except PASSING as away:
            _log.warning("live: asked again: %s", away)

    # ------------------------------------------------------------------ the one reader

    async def _follow(self) -> None:
        """Read on and tell everybody, while anybody listens."""
        reminders, read_at = await self._reminders(self._clock()), asyncio.get_running_loop().time()
        while self._listeners:
            page = await self._page(self._position)
            self._position = page.reached
            told = reminders.due(now := self._clock())
            for listener in self._listeners:
                listener.tell(page.messages, page.reached)
                listener.tell(told, listener.position)
            self._listeners = {one for one in self._listeners if one.ended is None}
            changed = any(one.noun == "market" for one in page.messages)
            if changed or asyncio.get_running_loop().time() - read_at > _MARKETS_S:
                reminders, read_at = await self._reminders(now), asyncio.get_running_loop().time()
            if page.level:
                await asyncio.sleep(POLL_S)

    async def _page(self, after: int) -> Page:
        """What follows; asked again while PostgreSQL is away.

        Raises:
            Discontinuity: the archive cannot be believed.
        """
        while True:
            try:
                return await asyncio.to_thread(self._archive.after, after)
            except PASSING as away:
                _log.warning("live: asked again: %s", away)
                if self._ended is not None:
                    return Page([], after, level=True)
                await asyncio.sleep(_RETRY_S)

    async def _reminders(self, since: datetime) -> GateReminders:
        while True:
            try:
                markets = await asyncio.to_thread(self._archive.markets)
                return GateReminders(self._book, markets, since)
            except PASSING as away:
                _log.warning("live: asked again: %s", away)
                await asyncio.sleep(_RETRY_S)
