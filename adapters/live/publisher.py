"""Tells NATS what happens at the desk, in order and at least once; one at a time makes progress.

Core NATS: who subscribes hears from then on. What was missed is read from the API by its sequence.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import Final

import nats.errors

from adapters.continuity import Discontinuity
from adapters.live.archive import PASSING, LiveArchive
from adapters.live.message import encode
from adapters.live.subject import subject_of
from adapters.live.told_position import NATS, Overtaken, ToldPosition, move_alone, read
from adapters.live.turn import Turn
from adapters.nats.client import Disconnected, NatsClient
from adapters.postgres.database import Database

_IDLE_S: Final = 0.2
_RETRY_S: Final = 0.5
_ANSWER_S: Final = 5.0
_log = logging.getLogger("wattledger.live")


class LivePublisher:
    """Publishes one book's messages under `adapters.live.subject`; begins at the end of the book.

    `halted` says why it stopped by itself.
    """

    def __init__(self, client: NatsClient, database: Database, book: str) -> None:
        self.client = client
        self.database = database
        self.book = book
        self.halted: str | None = None
        self._archive = LiveArchive(database, book)
        self._stop = threading.Event()

    def run(self) -> None:
        """Publish for ever while it is our turn; returns after `stop` or when halted. Either server may come
        and go."""
        turn = Turn(self.database.url, self.book, NATS)
        with contextlib.closing(turn):
            self._run(turn)

    def _run(self, turn: Turn) -> None:
        while not self._stop.is_set():
            try:
                if not turn.ours() or self.step():
                    self._stop.wait(_IDLE_S)
            except (Overtaken, nats.errors.Error, OSError, TimeoutError, *PASSING) as away:
                _log.warning("live on NATS: tried again: %r", away)
                self._stop.wait(_RETRY_S)
            except Discontinuity as lost:
                self.halted = str(lost)
                return

    def stop(self) -> None:
        self._stop.set()

    def step(self) -> bool:
        """Publish a page and move the position; answers whether that was all there is.

        Raises:
            Disconnected, TimeoutError: NATS may not have all of it; it is told again.
            Overtaken: another publisher was faster.
            Discontinuity: the archive is not what was recorded.
        """
        with self.database.reading(self.book) as connection:
            before = read(connection, NATS)
        if before is None:
            begun = ToldPosition(self._archive.position())
            move_alone(self.database, self.book, NATS, None, begun)
            return False
        page = self._archive.after(before.sequence)
        if page.messages:
            epoch = self.client.epoch
            for message in page.messages:
                subject = subject_of(self.book, message)
                self.client.run(
                    self.client.publish(subject, encode(message), headers={"Nats-Msg-Id": message.id})
                )
            self._arrived(epoch)
        if page.reached > before.sequence:
            move_alone(self.database, self.book, NATS, before, ToldPosition(page.reached))
        return page.level

    def _arrived(self, epoch: int) -> None:
        """The server answers in order: what was sent before a question was taken before its answer."""
        self.client.run(self.client.request("$JS.API.INFO", b"", timeout=_ANSWER_S))
        if self.client.epoch != epoch:
            raise Disconnected("the connection was made anew meanwhile")
