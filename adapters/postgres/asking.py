"""Questions to PostgreSQL for whoever awaits: no thread waits for the answer."""

from __future__ import annotations

import asyncio
import contextlib
import time
import weakref
from typing import Any, Final

import psycopg
from psycopg import sql

_WAIT_S: Final = 5.0
"""How long who asks waits for PostgreSQL before it is told that it is away."""
_PAUSE_S: Final = 0.1

_Open = psycopg.AsyncConnection[tuple[Any, ...]]


class Asking:
    """Connections that ask one question after the other; as many as questions were under way together."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._resting: list[_Open] = []
        self._closed = False
        # Who forgets to close it leaves no connection behind.
        weakref.finalize(self, _finish, self._resting)

    async def ask(self, beginning: bytes, question: sql.Composed, answers: int) -> list[tuple[Any, ...]]:
        """The rows of a question, after the `answers` of what begins its transaction.

        Raises:
            psycopg.OperationalError: PostgreSQL was away for 5 s.
        """
        while self._resting:
            with contextlib.suppress(psycopg.OperationalError):
                # One that was lost while it rested; a question can be asked again.
                return await self._asked(self._resting.pop(), beginning, question, answers)
        return await self._asked(await self._opened(), beginning, question, answers)

    async def _asked(
        self, connection: _Open, beginning: bytes, question: sql.Composed, answers: int
    ) -> list[tuple[Any, ...]]:
        try:
            asked = b"; ".join((beginning, question.as_bytes(connection), b"COMMIT"))
            cursor = await connection.execute(asked)
            for _ in range(answers):
                cursor.nextset()
            found = await cursor.fetchall()
        except BaseException:
            # What failed or was given up leaves its transaction behind.
            connection.pgconn.finish()
            raise
        self._resting.append(connection)
        if self._closed:
            _finish(self._resting)
        return found

    async def _opened(self) -> _Open:
        give_up = time.monotonic() + _WAIT_S
        while True:
            try:
                return await psycopg.AsyncConnection.connect(
                    self._url, autocommit=True, options="-c timezone=UTC", connect_timeout=round(_WAIT_S)
                )
            except psycopg.OperationalError:
                if time.monotonic() + _PAUSE_S > give_up:
                    raise
            await asyncio.sleep(_PAUSE_S)

    def close(self) -> None:
        """From any thread."""
        self._closed = True
        _finish(self._resting)


def _finish(resting: list[_Open]) -> None:
    while resting:
        # It is named, because one that is let go before it is closed warns of itself.
        connection = resting.pop()
        connection.pgconn.finish()
