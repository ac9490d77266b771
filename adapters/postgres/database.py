"""Connections to the book's database, each transaction in the narrowest role that does its work."""

from __future__ import annotations

import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import psycopg
from psycopg import sql
from psycopg_pool import ConnectionPool

_MIGRATIONS: Final = Path(__file__).parents[2] / "migrations"
_MIGRATING: Final = 7_711_532
"""The advisory lock that whoever migrates holds; any number, always the same."""
_POOL_MAX: Final = 16
_WAIT_S: Final = 5.0
"""How long a request waits for PostgreSQL before it is told that it is away."""
_RECONNECT_S: Final = 2.0
"""After how long the pool gives up one attempt to connect; a request that still waits starts the next."""

Connection = psycopg.Connection[tuple[Any, ...]]
Reader = Literal["wattledger_staff", "wattledger_partner"]


class Database:
    """A migrated database."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.pool: ConnectionPool[Connection] = ConnectionPool(
            url,
            min_size=0,
            max_size=_POOL_MAX,
            open=True,
            timeout=_WAIT_S,
            reconnect_timeout=_RECONNECT_S,
            check=ConnectionPool.check_connection,
            kwargs={"options": "-c timezone=UTC"},
        )

    def migrate(self) -> None:
        """Bring the schema up to date; of processes that start together one does, and the others wait.

        Raises:
            RuntimeError: a migration failed; its own message follows.
        """
        try:
            psycopg.connect(self.url).close()
        except psycopg.OperationalError:
            # The database may not be there yet; where nobody answers, this says so.
            self._dbmate("create")
        with psycopg.connect(self.url, autocommit=True) as held:
            held.execute("SELECT pg_advisory_lock(%s)", [_MIGRATING])
            self._dbmate("migrate")

    def _dbmate(self, verb: str) -> None:
        dbmate = Path(sysconfig.get_path("scripts")) / "dbmate"
        command = [
            str(dbmate), "--url", self.url, "--migrations-dir", str(_MIGRATIONS), "--no-dump-schema", verb,
        ]  # fmt: skip
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"migrating failed: {done.stderr.strip()}")

    @contextmanager
    def projecting(self) -> Iterator[Connection]:
        """One transaction that may add rows and move positions.

        It does not wait for the disk: what a crash takes back is projected again from the stream.
        """
        with self.pool.connection() as connection, connection.transaction():
            connection.execute("SET LOCAL ROLE wattledger_projector")
            connection.execute("SET LOCAL synchronous_commit = off")
            yield connection

    @contextmanager
    def owning(self) -> Iterator[Connection]:
        """One transaction that may do anything: rebuilding, comparing, restoring."""
        with self.pool.connection() as connection, connection.transaction():
            yield connection

    @contextmanager
    def reading(
        self, book: str, *, role: Reader = "wattledger_staff", party: str | None = None
    ) -> Iterator[Connection]:
        """One repeatable-read transaction that sees one book, and for a partner its own lines only.

        It is set up by one message: every request of the API reads at least once.
        """
        with self.pool.connection() as connection, connection.transaction():
            connection.execute(
                sql.SQL(
                    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;"
                    " SELECT set_config('app.book', {book}, true), set_config('app.party', {party}, true);"
                    " SET LOCAL ROLE {role}"
                ).format(book=book, party=party or "", role=sql.Identifier(role))
            )
            yield connection

    def close(self) -> None:
        self.pool.close()
