"""Meter blocks: appended, projected, replayed; against bare binary COPY of the same rows."""

from __future__ import annotations

import statistics
from typing import Any, NamedTuple

import psycopg

from adapters.projections import PROJECTIONS
from adapters.replay import rebuild, replay
from adapters.verify import verify
from benchmarks.figure import Figure, median_ratio, seconds
from benchmarks.rig import Book, Rig, utc_day_blocks, utc_month_blocks

_PER_MONTH = 2 * 2976
_CHUNK = 1 << 20


class Round(NamedTuple):
    """Seconds that one book's month took, step by step."""

    append: float
    load: float
    bare: float
    superseding: float
    rebuilt: float
    verified: float


def measure(rig: Rig, *, quick: bool) -> list[Figure]:
    """Append by month and by day, first and superseding load, and a rebuild from the first event."""
    meters, rounds = (100, 1) if quick else (1000, 3)
    taken = [one_book(rig, meters) for _ in range(rounds)]
    readings = meters * _PER_MONTH
    append = readings / statistics.median(one.append for one in taken)
    rate = 2 * readings / statistics.median(one.rebuilt for one in taken)
    verified = 2 * readings / statistics.median(one.verified for one in taken)
    loads = [(readings / one.load, readings / one.bare) for one in taken]
    superseding = [(readings / one.superseding, readings / one.bare) for one in taken]
    return [
        Figure("bulk append, meter-months", append, None, "", "readings/s", append, 1_000_000),
        by_days(rig, 20 if quick else 100),
        _projecting("first load", loads, 0.6),
        _projecting("superseding load", superseding, None),
        Figure("full replay and rebuild", rate, None, "", "readings/s", rate, 1_000_000),
        Figure(
            "verify: all copies, every row replayed", verified, None, "", "readings/s", verified, 1_000_000
        ),
    ]


def one_book(rig: Rig, meters: int) -> Round:
    """A month appended, projected, and again with other values; then all of it rebuilt and verified."""
    book = rig.book()
    book.register_sites(meters, "none")
    book.projector().catch_up()
    months, again = utc_month_blocks(meters, 1), utc_month_blocks(meters, 2)
    append = seconds(lambda: book.execute_all(months))
    load = seconds(lambda: book.projector().catch_up())
    bare = bare_copy(book)
    book.execute_all(again)
    superseding = seconds(lambda: book.projector().catch_up())
    rebuilt = seconds(lambda: rebuild(book.log, book.database, PROJECTIONS))
    verified = seconds(lambda: _verify(rig, book))
    book.close()
    return Round(append, load, bare, superseding, rebuilt, verified)


def _verify(rig: Rig, book: Book) -> None:
    """What `wattledger verify` does."""
    assert not verify(book.log, book.database, rig.nats.monitor_url).faults
    assert replay(book.log, book.database).equal


def _projecting(what: str, pairs: list[tuple[float, float]], wanted: float | None) -> Figure:
    ours, peer, ratio = median_ratio(pairs)
    name = "bare binary COPY, first load"
    return Figure(f"projecting, {what}", ours, peer, name, "readings/s", ratio, wanted)


def by_days(rig: Rig, meters: int) -> Figure:
    book = rig.book()
    book.register_sites(meters, "none")
    days = list(utc_day_blocks(meters, 31, 3))

    def append() -> None:
        for day in days:
            book.execute_all(day)

    rate = meters * _PER_MONTH / seconds(append)
    book.close()
    return Figure("bulk append, meter-days", rate, None, "", "readings/s", rate, None)


def bare_copy(book: Book) -> float:
    """The projected rows and their archive into empty twins of the tables, with the same indexes."""
    tables = ("meter_run", "envelope")
    with book.database.owning() as connection:
        blobs = {table: _copied(connection, table) for table in tables}
        for table in tables:
            connection.execute(f"CREATE TABLE ledger.twin_{table} (LIKE ledger.{table} INCLUDING ALL)")

    def load() -> None:
        with book.database.owning() as connection:
            connection.execute("SET LOCAL synchronous_commit = off")
            for table, blob in blobs.items():
                with connection.cursor().copy(f"COPY ledger.twin_{table} FROM STDIN (FORMAT binary)") as copy:
                    for start in range(0, len(blob), _CHUNK):
                        copy.write(blob[start : start + _CHUNK])

    taken = seconds(load)
    with book.database.owning() as connection:
        for table in tables:
            connection.execute(f"DROP TABLE ledger.twin_{table}")
    return taken


def _copied(connection: psycopg.Connection[Any], table: str) -> bytes:
    query = f"COPY ledger.{table} TO STDOUT (FORMAT binary)"
    with connection.cursor().copy(query) as copy:
        return b"".join(bytes(chunk) for chunk in copy)
