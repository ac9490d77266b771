"""Connections to the book's database, each transaction in the narrowest role that does its work."""

from __future__ import annotations

import subprocess
import sysconfig
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, LiteralString

import psycopg
from psycopg import sql
from psycopg_pool import ConnectionPool

from adapters.postgres.asking import Asking

_MIGRATIONS: Final = Path(__file__).parents[2] / "migrations"
_MIGRATING: Final = 7_711_532
"""The advisory lock that whoever migrates holds; any number, always the same."""
_POOL_MAX: Final = 16
_WAIT_S: Final = 5.0
"""How long a request waits for PostgreSQL before it is told that it is away."""
_RECONNECT_S: Final = 2.0
"""After how long the pool gives up one attempt to connect; a request that still waits starts the next."""

_BEGINNINGS_KEPT: Final = 1000
_PROJECTING: Final = "BEGIN; SET LOCAL ROLE wattledger_projector; SET LOCAL synchronous_commit = off"
_RESTED_S: Final = 0.1
"""A connection that was taken since is not asked whether it still works: a server takes longer to start."""

Connection = psycopg.Connection[tuple[Any, ...]]
Reader = Literal["wattledger_staff", "wattledger_partner"]


class _Pooled(psycopg.Connection[tuple[Any, ...]]):
    """A connection that knows when it was taken last."""

    taken = 0.0


def _check_rested(connection: Connection) -> None:
    assert isinstance(connection, _Pooled)
    now = time.monotonic()
    if now - connection.taken > _RESTED_S:
        ConnectionPool.check_connection(connection)
    connection.taken = now


class Database:
    """A migrated database."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.pool: ConnectionPool[Connection] = ConnectionPool(
            url,
            min_size=0,
            max_size=_POOL_MAX,
            open=True,
            connection_class=_Pooled,
            timeout=_WAIT_S,
            reconnect_timeout=_RECONNECT_S,
            check=_check_rested,
            kwargs={"options": "-c timezone=UTC", "autocommit": True},
        )
        self._asking = Asking(url)

    def migrate(self) -> None:
        """Bring the schema up to date; of processes that start together one does, and the others wait.

        Raises:
            ConnectionError: nobody answers there.
            RuntimeError: a migration failed; its own message follows.
        """
        try:
            held = psycopg.connect(self.url, autocommit=True)
        except psycopg.OperationalError as error:
            # The database may not be there yet; where nobody answers, it cannot be made either.
            try:
                self._dbmate("create")
            except RuntimeError:
                raise ConnectionError(f"PostgreSQL: {error}") from error
            held = psycopg.connect(self.url, autocommit=True)
        with held:
            if _migrations() <= _migrated(held):
                return
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
        with self.pool.connection() as connection:
            connection.execute(_PROJECTING)
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
        with self.pool.connection() as connection:
            connection.execute(_beginning(book, role, party or ""))
            yield connection

    async def ask(
        self, book: str, question: LiteralString, values: Sequence[object]
    ) -> list[tuple[Any, ...]]:
        """What one question of the staff's answers: as `reading`, with one message there and one back.

        Raises:
            psycopg.OperationalError: PostgreSQL was away for 5 s.
        """
        return await self._asking.ask(book, question, values)

    def close(self) -> None:
        self._asking.close()
        self.pool.close()


def _migrations() -> frozenset[str]:
    """By the version that dbmate takes from a file's name."""
    return frozenset(file.name.partition("_")[0] for file in _MIGRATIONS.glob("*.sql"))


def _migrated(connection: Connection) -> frozenset[str]:
    """What dbmate noted; nothing where it never ran."""
    there = connection.execute("SELECT to_regclass('public.schema_migrations')").fetchone()
    if there == (None,):
        return frozenset()
    return frozenset(version for (version,) in connection.execute("SELECT version FROM schema_migrations"))


@lru_cache(_BEGINNINGS_KEPT)
def _beginning(book: str, role: Reader, party: str) -> bytes:
    """Composed once: to quote three words takes as long as many a query."""
    words = sql.SQL(
        "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;"
        " SELECT set_config('app.book', {book}, true), set_config('app.party', {party}, true);"
        " SET LOCAL ROLE {role}"
    ).format(book=book, party=party, role=sql.Identifier(role))
    return words.as_bytes()


@contextmanager
def own_rights(connection: Connection) -> Iterator[None]:
    """Read with the ledger's own rights, to prove what a partner is to be told; nothing read so is shown."""
    found = connection.execute("SELECT current_user").fetchone()
    assert found is not None
    (reader,) = found
    if reader != "wattledger_partner":
        yield
        return
    connection.execute("SET LOCAL ROLE wattledger_staff")
    yield
    # Where it fails the transaction ends, and the role with it.
    connection.execute("SET LOCAL ROLE wattledger_partner")


def reading_party(connection: Connection) -> str | None:
    """The partner as whom a transaction reads; None for who sees the whole book."""
    found = connection.execute("SELECT nullif(current_setting('app.party', true), '')").fetchone()
    assert found is not None
    party: str | None = found[0]
    return party
