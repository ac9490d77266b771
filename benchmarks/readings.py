"""Meter blocks: appended, projected, replayed; against bare binary COPY of the same rows."""

from __future__ import annotations

from typing import Any

import psycopg

from adapters.projections import PROJECTIONS
from adapters.replay import rebuild
from benchmarks.figure import Figure, seconds
from benchmarks.rig import Book, Rig, utc_day_blocks, utc_month_blocks

_PER_MONTH = 2 * 2976
_CHUNK = 1 << 20


def measure(rig: Rig, *, quick: bool) -> list[Figure]:
    """Append by month and by day, first and superseding load, and a rebuild from the first event."""
    meters = 100 if quick else 1000
    book = rig.book()
    book.register_sites(meters, "none")
    book.projector().catch_up()
    months = utc_month_blocks(meters, 1)
    readings = meters * _PER_MONTH
    append = readings / seconds(lambda: book.execute_all(months))
    load = seconds(lambda: book.projector().catch_up())
    bare = bare_copy(book)
    again = utc_month_blocks(meters, 2)
    book.execute_all(again)
    superseding = seconds(lambda: book.projector().catch_up())
    figures = [
        Figure("bulk append, meter-months", append, None, "", "readings/s", append, 1_000_000),
        by_days(rig, 20 if quick else 100),
        _projecting("first load", readings, load, bare, 0.6),
        _projecting("superseding load", readings, superseding, bare, None),
    ]
    rebuilt = seconds(lambda: rebuild(book.log, book.database, PROJECTIONS))
    rate = 2 * readings / rebuilt
    figures.append(Figure("full replay and rebuild", rate, None, "", "readings/s", rate, 1_000_000))
    book.close()
    return figures


def _projecting(what: str, readings: int, taken: float, bare: float, wanted: float | None) -> Figure:
    peer = "bare binary COPY, first load"
    return Figure(
        f"projecting, {what}", readings / taken, readings / bare, peer, "readings/s", bare / taken, wanted
    )


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
