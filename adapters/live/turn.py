"""Of all processes that would tell one book's consumer, the one whose turn it is.

The turn is a lock of a PostgreSQL connection of its own: it ends with the process, on whichever machine, and
the next that asks has it. Positions are rows of the same server, so whoever reaches one reaches the other.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from typing import Any, Final

import psycopg

_ASKED_S: Final = 0.5
"""So long an answer holds: a lock that a server's restart took is missed that much later."""
_KEPT_ALIVE: Final = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
"""A machine that is gone loses its turn within half a minute."""
_CONNECT_S: Final = 5
_HOST_MAX: Final = 24
"""PostgreSQL keeps 63 characters of a name."""
_log = logging.getLogger("wattledger.live")


class Turn:
    """One process's turn at `what` of a book. Asked by one thread at a time; `close` gives it back."""

    def __init__(self, url: str, book: str, what: str) -> None:
        self._url = url
        self._what = what
        self._key = f"wattledger tell {book} {what}"
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self.held = False
        self.name = f"wattledger tell on {socket.gethostname()[:_HOST_MAX]}, process {os.getpid()}"
        self._asked_at = -_ASKED_S
        self._waits_for = ""

    def ours(self) -> bool:
        """Whether it is ours now; who else's it is, is logged once.

        Raises:
            psycopg.OperationalError: not to be known now; it is not ours.
        """
        if time.monotonic() - self._asked_at < _ASKED_S:
            return self.held
        try:
            self.held = self._ask()
        except psycopg.OperationalError:
            self.close()
            raise
        self._asked_at = time.monotonic()
        return self.held

    def close(self) -> None:
        """Give it back."""
        self.held = False
        self._asked_at = -_ASKED_S
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _ask(self) -> bool:
        if self._connection is None:
            self._connection = self._connected()
        if self.held:
            self._connection.execute("SELECT 1")
            return True
        taken = self._connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [self._key])
        if taken.fetchone() == (True,):
            if self._waits_for:
                _log.info("%s: our turn now", self._what)
            self._waits_for = ""
            return True
        holder = self._holder(self._connection)
        if holder != self._waits_for:
            _log.warning("%s: %s tells this book; waiting until it ends", self._what, holder)
            self._waits_for = holder
        return False

    def _connected(self) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=_CONNECT_S,
            application_name=self.name,
            options=_KEPT_ALIVE,
        )

    def _holder(self, connection: psycopg.Connection[tuple[Any, ...]]) -> str:
        found = connection.execute(
            "SELECT application_name FROM pg_stat_activity JOIN pg_locks USING (pid)"
            " WHERE locktype = 'advisory' AND granted AND objsubid = 1"
            " AND (classid::bigint << 32 | objid::bigint) = hashtextextended(%s, 0)",
            [self._key],
        ).fetchone()
        return "another process" if found is None else str(found[0])
