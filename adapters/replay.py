"""The whole book folded again from its first event in an empty database, and compared row by row."""

from __future__ import annotations

import hashlib
import itertools
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import msgspec
import psycopg
from psycopg import sql

from adapters import continuity
from adapters.integrity.fault import Fault
from adapters.integrity.origin import origin_of
from adapters.nats.log import Log
from adapters.postgres.database import Connection, Database
from adapters.projections import PROJECTIONS, Projection
from adapters.projector import Projector
from ledger.transparency.merkle import HASH_BYTES
from ledger.transparency.tile import TILE_HEIGHT, TILE_WIDTH

_REPLAY_S: Final = 3600.0
_KEYS_NAMED: Final = 20
_POSITION: Final = "position"


class TableProof(msgspec.Struct, frozen=True):
    """One table compared; `difference` describes the first row that differs, None when none does.

    `sequence` is the first event from which the two tables differ (0: none), and `sha256` the digest of the
    replayed rows as PostgreSQL writes them, in the order of their keys. `differing` counts the rows that only
    one side has, one that differs once; `keys` names the first of them by their primary keys.
    """

    table: str
    rows: int
    difference: str | None
    sequence: int = 0
    sha256: str = ""
    differing: int = 0
    keys: tuple[str, ...] = ()


class Located(msgspec.Struct, frozen=True):
    """The first event of the stream from which on something kept differs."""

    sequence: int
    aggregate: str
    kinds: tuple[str, ...]


class ReplayProof(msgspec.Struct, frozen=True):
    """What a replay up to `position` found."""

    position: int
    tables: tuple[TableProof, ...]
    first: Located | None = None

    @property
    def equal(self) -> bool:
        return all(table.difference is None for table in self.tables)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Each table that differs, placed at the first event from which it does."""
        return tuple(
            Fault("row_altered", f"table {one.table}, sequence {one.sequence}", one.difference)
            for one in self.tables
            if one.difference is not None
        )


def replay(log: Log, database: Database, projections: Sequence[Projection] = PROJECTIONS) -> ReplayProof:
    """Fold the book into an empty database and compare every table byte for byte.

    A difference is located by the sequences that its rows carry: of all rows that only one side has, the
    smallest. A tree tile has none; the place of its first differing hash gives the leaf. Projecting in
    another order gives the same rows; so does another process.

    Raises:
        Discontinuity: the stream is not what was projected.
    """
    with database.owning() as live:
        live.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        check(log, live)
        position = _position(live, log.book)
        with _scratch(database) as other:
            _fold(log, other, position, projections)
            with other.owning() as again:
                tables = tuple(_compared(live, again, log.book, table) for table in _tables(projections))
                first = _located(again, log.book, tables)
    return ReplayProof(position, tables, first)


def compare(log: Log, database: Database) -> ReplayProof:
    """As `replay`, of a stream that was proven right: what `mend` would make anew. Changes nothing."""
    with _remade(log, database) as (position, other):
        return _proof(log.book, position, database, other)


@contextmanager
def _remade(log: Log, database: Database) -> Iterator[tuple[int, Database]]:
    """The rows as the stream gives them, up to where the projections were, in a database of their own."""
    with _scratch(database) as other:
        last = log.client.run(log.last_sequence())
        with database.owning() as live:
            position = _position(live, log.book)
        if not 0 < position <= last:
            position = last
        _fold(log, other, position, PROJECTIONS)
        yield position, other


def _proof(book: str, position: int, database: Database, other: Database) -> ReplayProof:
    with database.owning() as live, other.owning() as again:
        tables = tuple(_compared(live, again, book, table) for table in _tables(PROJECTIONS))
        return ReplayProof(position, (*tables, _positions(live, book)), _located(again, book, tables))


def _positions(live: Connection, book: str) -> TableProof:
    """The positions that are there: each projection has one, and it is an archived envelope's."""
    rows = live.execute(
        "SELECT p.projection, p.sequence = 0 OR e.hash IS NOT DISTINCT FROM p.hash FROM ledger.position AS p"
        " LEFT JOIN ledger.envelope AS e ON e.book = p.book AND e.sequence = p.sequence"
        " WHERE p.book = %s ORDER BY p.projection",
        [book],
    ).fetchall()
    right = {name for name, same in rows if same}
    wrong = [projection.name for projection in PROJECTIONS if rows and projection.name not in right]
    difference = f"of {', '.join(wrong)} it is gone or not the archive's" if wrong else None
    keys = tuple(f"projection {name}" for name in wrong[:_KEYS_NAMED])
    return TableProof(_POSITION, len(rows), difference, differing=len(wrong), keys=keys)


def mend(log: Log, database: Database, before: Callable[[ReplayProof], None]) -> ReplayProof:
    """Make every table that differs anew from the stream, with the positions; answers what differed.

    `before` is told first, where anything does. Only for a stream that was proven right: it is
    not compared with the archive, which is made anew too. Rows are made up to where the projections were.
    """
    with _remade(log, database) as (position, other):
        proof = _proof(log.book, position, database, other)
        if not proof.equal:
            before(proof)
        with database.owning() as live, other.owning() as again:
            for table in proof.tables:
                if table.difference is not None and table.table != _POSITION:
                    _replace(live, again, log.book, table.table)
            for projection in PROJECTIONS:
                _replace_position(live, again, log.book, projection.name)
    return proof


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
        _fold(log, other, position, PROJECTIONS)
        with database.owning() as live, other.owning() as again:
            for table in _tables(projections):
                _replace(live, again, log.book, table)
            for projection in projections:
                _replace_position(live, again, log.book, projection.name)
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


def _fold(log: Log, database: Database, position: int, projections: Sequence[Projection]) -> None:
    Projector(log, database, projections).catch_up(_REPLAY_S, until=position)


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
    """Both in the order of their keys. A row that only one side has shifts what follows, so that rows are
    matched by what they say and not by where they stand."""
    names = _key_of(live, table)
    query = _rows_in_order(book, table, names)
    columns = _columns(live, table)
    digest = hashlib.sha256()
    rows = 0
    difference = None
    ours_only: dict[bytes, None] = {}
    theirs_only: dict[bytes, None] = {}
    with (
        live.cursor().copy(query) as ours,
        again.cursor().copy(query) as theirs,
    ):
        for mine, other in itertools.zip_longest(ours, theirs):
            rows += mine is not None
            kept = None if mine is None else bytes(mine)
            made = None if other is None else bytes(other)
            digest.update(made or b"")
            if kept == made:
                continue
            if difference is None:
                difference = f"row {rows}: kept {_shown(kept)}, replayed {_shown(made)}"
            _match(kept, ours_only, theirs_only)
            _match(made, theirs_only, ours_only)
    sequence = _first_event(columns, list(ours_only), list(theirs_only))
    kept_as = {_key_text(columns, names, row): row for row in reversed(ours_only)}
    made_as = {_key_text(columns, names, row): row for row in reversed(theirs_only)}
    keys = dict.fromkeys((*reversed(kept_as), *reversed(made_as)))
    if first := next(iter(keys), ""):
        difference = f"{first}: kept {_shown(kept_as.get(first))}, replayed {_shown(made_as.get(first))}"
    return TableProof(
        table, rows, difference, sequence, digest.hexdigest(), len(keys), tuple(keys)[:_KEYS_NAMED]
    )


def _key_text(columns: Sequence[str], names: Sequence[str], row: bytes) -> str:
    """A row's primary key without the book: `meter M1, register charge, start ..., sequence 12`."""
    fields = dict(zip(columns, _fields(row), strict=False))
    return ", ".join(f"{name} {fields[name].decode(errors='replace')}" for name in names if name != "book")


def _match(row: bytes | None, own: dict[bytes, None], others: dict[bytes, None]) -> None:
    if row is None:
        return
    if row in others:
        del others[row]
    else:
        own[row] = None


def _first_event(columns: Sequence[str], kept: Sequence[bytes], made: Sequence[bytes]) -> int:
    """The smallest sequence that a row of one side only says it comes from; 0 without any."""
    if "content" in columns:
        return _first_leaf(columns, kept, made)
    at = columns.index("sequence" if "sequence" in columns else "from_seq")
    closed = columns.index("to_seq") if "to_seq" in columns else None
    found: list[int] = []
    for rows, others in ((kept, made), (made, kept)):
        beside = set() if closed is None else {_without(_fields(row), closed) for row in others}
        for row in rows:
            fields = _fields(row)
            own = int(fields[at])
            if closed is not None and _without(fields, closed) in beside:
                # The row was right when it was made; only the event that closed it tells them apart.
                own = 0 if fields[closed] == b"\\N" else int(fields[closed])
            found.append(own)
    return min((one for one in found if one > 0), default=0)


def _fields(row: bytes) -> list[bytes]:
    return row.rstrip(b"\n").split(b"\t")


def _without(fields: Sequence[bytes], at: int) -> tuple[bytes, ...]:
    return (*fields[:at], *fields[at + 1 :])


def _first_leaf(columns: Sequence[str], kept: Sequence[bytes], made: Sequence[bytes]) -> int:
    """The sequence of the first envelope whose hash a tile has otherwise, or not at all."""
    level, index, content = (columns.index(name) for name in ("level", "index", "content"))
    tiles: dict[tuple[int, int], list[bytes]] = {}
    for side in (kept, made):
        for row in side:
            fields = _fields(row)
            key = int(fields[level]), int(fields[index])
            tiles.setdefault(key, []).append(bytes.fromhex(fields[content].removeprefix(b"\\\\x").decode()))
    first: list[int] = []
    for (at, number), contents in tiles.items():
        one, other = (*contents, b"")[:2]
        same = next(
            (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
        )
        hash_number = number * TILE_WIDTH + same // HASH_BYTES
        first.append((hash_number << at * TILE_HEIGHT) + 1)
    return min(first, default=0)


def _located(again: Connection, book: str, tables: Sequence[TableProof]) -> Located | None:
    """The event behind the first difference, as the stream has it."""
    first = min((table.sequence for table in tables if table.sequence), default=0)
    if not first:
        return None
    found = again.execute(
        "SELECT payload FROM ledger.envelope WHERE book = %s AND sequence = %s", [book, first]
    ).fetchone()
    origin = origin_of(bytes(found[0])) if found else None
    return Located(first, origin.aggregate, origin.kinds) if origin else Located(first, "", ())


def _shown(row: bytes | None) -> str:
    return "nothing" if row is None else row.decode(errors="replace").strip()[:200]


def _columns(connection: Connection, table: str) -> list[str]:
    found = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
        " ORDER BY attnum",
        [f"ledger.{table}"],
    )
    return [name for (name,) in found]


def _key_of(connection: Connection, table: str) -> list[str]:
    """The columns of a table's primary key, in its order."""
    keys = connection.execute(
        "SELECT a.attname FROM pg_index AS i"
        " CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)"
        " JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum"
        " WHERE i.indrelid = %s::regclass AND i.indisprimary ORDER BY k.place",
        [f"ledger.{table}"],
    ).fetchall()
    return [name for (name,) in keys]


def _rows_in_order(book: str, table: str, keys: Sequence[str]) -> sql.Composed:
    order = sql.SQL(", ").join(map(sql.Identifier, keys))
    return sql.SQL("COPY (SELECT * FROM ledger.{} WHERE book = {} ORDER BY {}) TO STDOUT").format(
        sql.Identifier(table), book, order
    )


def _replace_position(live: Connection, again: Connection, book: str, projection: str) -> None:
    live.execute("DELETE FROM ledger.position WHERE book = %s AND projection = %s", [book, projection])
    found = again.execute(
        "SELECT book, projection, sequence, hash FROM ledger.position WHERE projection = %s", [projection]
    ).fetchone()
    if found is not None:
        live.execute("INSERT INTO ledger.position VALUES (%s, %s, %s, %s)", found)


def _replace(live: Connection, again: Connection, book: str, table: str) -> None:
    name = sql.Identifier(table)
    live.execute(sql.SQL("DELETE FROM ledger.{} WHERE book = %s").format(name), [book])
    with (
        again.cursor().copy(sql.SQL("COPY ledger.{} TO STDOUT (FORMAT binary)").format(name)) as source,
        live.cursor().copy(sql.SQL("COPY ledger.{} FROM STDIN (FORMAT binary)").format(name)) as target,
    ):
        for chunk in source:
            target.write(chunk)
