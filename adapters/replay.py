"""The whole book folded again from its first event in an empty database, and compared row by row."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import msgspec
import psycopg
from psycopg import sql

from adapters import continuity
from adapters.nats.log import Log
from adapters.postgres.database import Connection, Database
from adapters.projections import PROJECTIONS, Projection
from adapters.projector import Projector

_REPLAY_S: Final = 3600.0


class TableProof(msgspec.Struct, frozen=True):
    """One table compared; `difference` describes the first row that differs, None when none does."""

    table: str
    rows: int
    difference: str | None


class ReplayProof(msgspec.Struct, frozen=True):
    """What a replay up to `position` found."""

    position: int
    tables: tuple[TableProof, ...]

    @property
    def equal(self) -> bool:
        return all(table.difference is None for table in self.tables)


def replay(log: Log, database: Database) -> ReplayProof:
    """Fold the book into an empty database and compare every table byte for byte.

    Raises:
        Discontinuity: the stream is not what was projected.
    """
    with database.owning() as live:
        live.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        check(log, live)
        position = _position(live, log.book)
        with _scratch(database) as other:
            _fold(log, other, position)
            with other.owning() as again:
                tables = tuple(_compared(live, again, log.book, table) for table in _tables(PROJECTIONS))
    return ReplayProof(position, tables)


def rebuild(log: Log, database: Database, projections: Sequence[Projection]) -> int:
    """Make the projections anew from the stream and swap them in; answers the position.

    Readers see the old rows until the one transaction that brings the new ones. A stream that lost events is
    not rebuilt from: the rows may be all that is left of them.

    Raises:
        Discontinuity: the stream is not what was archived.
    """
    with database.owning() as live:
        continuity.check(log, *continuity.archived(live, log.book))
    with _scratch(database) as other:
        position = log.client.run(log.last_sequence())
        _fold(log, other, position)
        with database.owning() as live, other.owning() as again:
            for table in _tables(projections):
                _replace(live, again, log.book, table)
            for projection in projections:
                live.execute(
                    "DELETE FROM ledger.position WHERE book = %s AND projection = %s",
                    [log.book, projection.name],
                )
                found = again.execute(
                    "SELECT book, projection, sequence, hash FROM ledger.position WHERE projection = %s",
                    [projection.name],
                ).fetchone()
                if found is not None:
                    live.execute("INSERT INTO ledger.position VALUES (%s, %s, %s, %s)", found)
    return position


def check(log: Log, connection: Connection) -> None:
    """Compare the stream with the archive and with every projection's position.

    Raises:
        Discontinuity: the stream is not what was projected.
    """
    continuity.check(log, *continuity.archived(connection, log.book))
    positions = connection.execute(
        "SELECT DISTINCT sequence, hash FROM ledger.position WHERE book = %s AND projection = ANY(%s)",
        [log.book, [projection.name for projection in PROJECTIONS]],
    ).fetchall()
    for sequence, digest in positions:
        continuity.check(log, sequence, bytes(digest))


def _fold(log: Log, database: Database, position: int) -> None:
    Projector(log, database).catch_up(_REPLAY_S, until=position)


def _tables(projections: Sequence[Projection]) -> list[str]:
    return [table for projection in projections for table in projection.tables]


def _position(connection: Connection, book: str) -> int:
    found = connection.execute(
        "SELECT min(sequence) FROM ledger.position WHERE book = %s AND projection = ANY(%s)",
        [book, [projection.name for projection in PROJECTIONS]],
    ).fetchone()
    return int(found[0] or 0) if found else 0


@contextmanager
def _scratch(database: Database) -> Iterator[Database]:
    """An empty, migrated database on the same server, dropped at the end."""
    name = f"wattledger_scratch_{secrets.token_hex(6)}"
    parts = urlsplit(database.url)
    identifier = sql.Identifier(name)
    with psycopg.connect(database.url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(identifier))
        scratch = Database(urlunsplit(parts._replace(path=f"/{name}")))
        try:
            scratch.migrate()
            yield scratch
        finally:
            scratch.close()
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))


def _compared(live: Connection, again: Connection, book: str, table: str) -> TableProof:
    query = _rows_in_order(live, book, table)
    rows = 0
    with (
        live.cursor().copy(query) as ours,
        again.cursor().copy(query) as theirs,
    ):
        difference = None
        for mine, other in itertools.zip_longest(ours, theirs):
            if difference is None and (mine is None or other is None or bytes(mine) != bytes(other)):
                difference = f"row {rows + 1}: kept {_shown(mine)}, replayed {_shown(other)}"
            rows += mine is not None
    return TableProof(table, rows, difference)


def _shown(row: bytes | bytearray | memoryview | None) -> str:
    return "nothing" if row is None else bytes(row).decode(errors="replace").strip()[:200]


def _rows_in_order(connection: Connection, book: str, table: str) -> sql.Composed:
    keys = connection.execute(
        "SELECT a.attname FROM pg_index AS i"
        " CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)"
        " JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum"
        " WHERE i.indrelid = %s::regclass AND i.indisprimary ORDER BY k.place",
        [f"ledger.{table}"],
    ).fetchall()
    order = sql.SQL(", ").join(sql.Identifier(name) for (name,) in keys)
    return sql.SQL("COPY (SELECT * FROM ledger.{} WHERE book = {} ORDER BY {}) TO STDOUT").format(
        sql.Identifier(table), book, order
    )


def _replace(live: Connection, again: Connection, book: str, table: str) -> None:
    name = sql.Identifier(table)
    live.execute(sql.SQL("DELETE FROM ledger.{} WHERE book = %s").format(name), [book])
    with (
        again.cursor().copy(sql.SQL("COPY ledger.{} TO STDOUT (FORMAT binary)").format(name)) as source,
        live.cursor().copy(sql.SQL("COPY ledger.{} FROM STDIN (FORMAT binary)").format(name)) as target,
    ):
        for chunk in source:
            target.write(chunk)
