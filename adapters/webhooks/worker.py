"""Brings the desk's messages to every webhook: each in order, at least once, each at its own pace.

A message that fails is tried again after growing pauses; then it is a dead letter and the next one's turn.
While a webhook fails, what follows gets one attempt each; the first that is taken ends that. Positions are
rows: a kill after an answer and before its row means that the receiver gets that message twice, under one id.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from adapters.continuity import Discontinuity
from adapters.live.archive import PASSING, LiveArchive
from adapters.live.interest import Interest
from adapters.live.message import LiveMessage
from adapters.live.told_position import Overtaken, ToldPosition, move, read
from adapters.live.turn import Turn
from adapters.postgres.database import Database
from adapters.settling import lowest_position
from adapters.webhooks import dead_letters
from adapters.webhooks.carrier import Carrier
from adapters.webhooks.dead_letters import DeadLetter
from adapters.webhooks.registered_webhooks import Standing, consumer_of, standings
from trading.webhook import Webhook

PAUSES_S: Final = (1.0, 5.0, 30.0, 120.0, 600.0, 3600.0, 3 * 3600.0)
"""After each failed attempt but the last: eight attempts within four and a half hours."""
_IDLE_S: Final = 0.3
_RETRY_S: Final = 1.0
_GRACE_S: Final = 3.0
_log = logging.getLogger("wattledger.webhooks")


class WebhookWorker:
    """One book's webhooks. `halted` says why it stopped by itself."""

    def __init__(
        self,
        database: Database,
        book: str,
        carrier: Carrier,
        clock: Callable[[], datetime],
        *,
        pauses_s: Sequence[float] = PAUSES_S,
    ) -> None:
        self.halted: str | None = None
        self._database = database
        self._book = book
        self._carrier = carrier
        self._clock = clock
        self._pauses_s = tuple(pauses_s)
        self._archive = LiveArchive(database, book)
        self._stop = threading.Event()
        self._turn = Turn(database.url, book, "webhooks")
        self._standings: dict[str, Standing] = {}

    def run(self) -> None:
        """Deliver for ever while it is our turn; returns after `stop` or when halted. PostgreSQL may come and
        go."""
        try:
            asyncio.run(self._run())
        except* Discontinuity as lost:
            self.halted = str(lost.exceptions[0])

    def stop(self) -> None:
        """End once what is under way is answered; after a few seconds it is broken off, and told again."""
        self._stop.set()

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                tasks: dict[str, asyncio.Task[None]] = {}
                while not self._stop.is_set():
                    await self._refresh()
                    for name, one in self._standings.items():
                        if not one.state.stopped and (name not in tasks or tasks[name].done()):
                            tasks[name] = group.create_task(self._serve(name))
                    await asyncio.sleep(_IDLE_S)
                if tasks:
                    _, open_still = await asyncio.wait(tasks.values(), timeout=_GRACE_S)
                    for task in open_still:
                        task.cancel()
        finally:
            await self._carrier.close()
            self._turn.close()

    async def _refresh(self) -> None:
        def read_all() -> dict[str, Standing]:
            if not self._turn.ours():
                return {}
            with self._database.reading(self._book) as connection:
                return standings(connection, lowest_position(connection))

        try:
            self._standings = await asyncio.to_thread(read_all)
        except PASSING as away:
            self._standings = {}
            _log.warning("webhooks: tried again: %s", away)

    async def _serve(self, name: str) -> None:
        while not self._stop.is_set() and (standing := self._standing(name)) is not None:
            try:
                level = await self._step(standing)
            except (Overtaken, *PASSING) as away:
                _log.warning("webhook %s: tried again: %r", name, away)
                await asyncio.sleep(_RETRY_S)
                continue
            if level:
                await asyncio.sleep(_IDLE_S)

    def _standing(self, name: str) -> Standing | None:
        """None for one that is not told by us now."""
        found = self._standings.get(name)
        return None if found is None or found.state.stopped else found

    def _told(self, name: str) -> ToldPosition | None:
        with self._database.reading(self._book) as connection:
            return read(connection, consumer_of(name))

    async def _step(self, standing: Standing) -> bool:
        """Deliver the next message that is due; answers whether there is nothing to do now."""
        state, webhook = standing.state, standing.webhook
        told, now = await asyncio.to_thread(self._told, webhook.id), self._clock()
        if told is None:
            return await self._move(webhook, None, ToldPosition(standing.since))
        if state.replays != told.replay:
            return await self._move(webhook, told, ToldPosition(state.replay_after, replay=state.replays))
        if told.next_at is not None and now < told.next_at:
            return True
        page = await asyncio.to_thread(self._archive.after, told.sequence)
        interest = Interest(webhook.kinds, webhook.markets, webhook.units)
        wanted = [one for one in page.messages if interest.wants(one)]
        first = [one for one in wanted if one.sequence == wanted[0].sequence]
        if len(first) <= told.parts:
            passed = page.reached if len(wanted) == len(first) else wanted[0].sequence
            assert passed is not None, "what is told of the book has a sequence"
            if passed != told.sequence:
                await self._move(webhook, told, msgspec.structs.replace(told, sequence=passed, parts=0))
            return page.level and passed == page.reached
        return await self._carry(webhook, told, first[told.parts], now)

    async def _carry(self, webhook: Webhook, told: ToldPosition, message: LiveMessage, now: datetime) -> bool:
        attempt = await self._carrier.carry(webhook, message)
        _log.info("webhook %s: %s %s %s", webhook.id, message.id, attempt.outcome, attempt.reason)
        after = ToldPosition(told.sequence, told.parts + 1, replay=told.replay)
        if attempt.outcome == "taken":
            return await self._move(webhook, told, after, taken=message)
        attempts = told.attempts + 1
        if attempt.outcome == "failed" and not told.failing and attempts <= len(self._pauses_s):
            waiting = msgspec.structs.replace(
                told,
                attempts=attempts,
                next_at=now + timedelta(seconds=self._pauses_s[attempts - 1]),
                last_error=attempt.reason,
            )
            return await self._move(webhook, told, waiting)
        after = msgspec.structs.replace(after, failing=True, last_error=attempt.reason)
        letter = DeadLetter(
            message.id, message.sequence or 0, message.type, attempts, attempt.reason, self._clock()
        )
        return await self._move(webhook, told, after, dead=letter)

    async def _move(
        self,
        webhook: Webhook,
        old: ToldPosition | None,
        new: ToldPosition,
        *,
        taken: LiveMessage | None = None,
        dead: DeadLetter | None = None,
    ) -> bool:
        """Write where it stands now; answers that there is more to do."""

        def write() -> None:
            with self._database.projecting() as connection:
                move(connection, self._book, consumer_of(webhook.id), old, new)
                if taken is not None:
                    dead_letters.forget(connection, self._book, webhook.id, taken.id)
                if dead is not None:
                    dead_letters.keep(connection, self._book, webhook.id, dead)

        await asyncio.to_thread(write)
        return False
