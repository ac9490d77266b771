"""Questions to PostgreSQL for whoever awaits: no thread waits for the answer."""

from __future__ import annotations

import asyncio
import contextlib
import time
import weakref
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final, LiteralString

import psycopg

_WAIT_S: Final = 5.0
"""How long who asks waits for PostgreSQL before it is told that it is away."""
_PAUSE_S: Final = 0.1
_READS_AS_STAFF: Final = (
    "SELECT set_config('app.book', %s, false), set_config('role', 'wattledger_staff', false),"
    " set_config('default_transaction_read_only', 'on', false)"
)

_Open = psycopg.AsyncConnection[tuple[Any, ...]]


class Asking:
    """Connections that ask one question after the other; as many as questions were under way together.

    Each is of one book and reads as its staff to its end, and a question is planned once for each: to say who
    reads, and what, with every question takes three times as long as to answer it.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._resting: defaultdict[str, list[_Open]] = defaultdict(list)
        self._closed = False
        # Who forgets to close it leaves no connection behind.
        weakref.finalize(self, _finish, self._resting)

    async def ask(
        self, book: str, question: LiteralString, values: Sequence[object]
    ) -> list[tuple[Any, ...]]:
        """The rows of a question: one statement, and so one moment.

        Raises:
            psycopg.OperationalError: PostgreSQL was away for 5 s.
        """
        resting = self._resting[book]
        while resting:
            with contextlib.suppress(psycopg.OperationalError):
                # One that was lost while it rested; a question can be asked again.
                return await self._asked(resting.pop(), book, question, values)
        return await self._asked(await self._opened(book), book, question, values)

    async def _asked(
        self, connection: _Open, book: str, question: LiteralString, values: Sequence[object]
    ) -> list[tuple[Any, ...]]:
        try:
            cursor = await connection.execute(question, values, prepare=True)
            found = await cursor.fetchall()
        except BaseException:
            # What failed or was given up may be under way still.
            connection.pgconn.finish()
            raise
        self._resting[book].append(connection)
        if self._closed:
            _finish(self._resting)
        return found

    async def _opened(self, book: str) -> _Open:
        give_up = time.monotonic() + _WAIT_S
        while True:
            try:
                made = await psycopg.AsyncConnection.connect(
                    self._url, autocommit=True, options="-c timezone=UTC", connect_timeout=round(_WAIT_S)
                )
            except psycopg.OperationalError:
                if time.monotonic() + _PAUSE_S > give_up:
                    raise
                await asyncio.sleep(_PAUSE_S)
                continue
            try:
                await made.execute(_READS_AS_STAFF, [book])
            except BaseException:
                made.pgconn.finish()
                raise
            return made

    def close(self) -> None:
        """From any thread."""
        self._closed = True
        _finish(self._resting)


def _finish(resting: dict[str, list[_Open]]) -> None:
    for each in list(resting.values()):
        while each:
            # It is named, because one that is let go before it is closed warns of itself.
            connection = each.pop()
            connection.pgconn.finish()
