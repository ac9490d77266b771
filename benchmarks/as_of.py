"""Statements of a year ago as of then, beside today's, in a book with a year of history."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from adapters.documents.statement_document import StatementDocument
from adapters.documents.statement_proof import StatementProof
from adapters.personal.keys import PersonalKeys
from adapters.personal.people import People
from adapters.postgres.database import Connection
from adapters.queries.as_of import position_at, recorded_at_max
from adapters.queries.documents import documents
from adapters.queries.statements import latest
from adapters.settling import lowest_position, settle_month
from benchmarks import portfolio
from benchmarks.figure import Figure, median_ratio, seconds
from benchmarks.rig import Book, Rig
from ledger.interval import Month

_SLOWER_MAX = 2
_ROUNDS = 15


def measure(rig: Rig, *, quick: bool) -> list[Figure]:
    """A month's statements with the parties' names: of the first month as of an instant at which eleven
    months were still to be settled, and of the last month as of now."""
    sites = 40 if quick else 200
    book = rig.book()
    portfolio.found_year(book, sites)
    book.projector().catch_up()
    first, *later = portfolio.YEAR
    settle_month(book.door, book.database, first, actor="bench")
    book.projector().catch_up()
    with book.database.reading(book.log.book) as connection:
        then = lowest_position(connection)
    for month in later:
        settle_month(book.door, book.database, month, actor="bench")
        book.projector().catch_up()
    pairs = [(seconds(partial(_then, book, then)), seconds(partial(_now, book))) for _ in range(_ROUNDS)]
    book.close()
    ours, peer, slower = median_ratio(pairs)
    name = f"statements as of a year ago, {sites} sites x 12 months"
    return [Figure(name, 1000 * ours, 1000 * peer, "today's", "ms", _SLOWER_MAX / slower, 1.0)]


def _then(book: Book, position: int) -> None:
    """By an instant, which is looked up first."""
    with book.database.reading(book.log.book) as connection:
        instant = recorded_at_max(connection, position)
        found = position_at(connection, instant, lowest_position(connection))
        assert found == position, "another event of the same instant"
        assert _described(book, connection, found, portfolio.YEAR[0])


def _now(book: Book) -> None:
    with book.database.reading(book.log.book) as connection:
        position = lowest_position(connection)
        assert _described(book, connection, position, portfolio.YEAR[-1])


def _described(book: Book, connection: Connection, position: int, month: Month) -> list[StatementDocument]:
    """Without proofs, which are the same under any position."""
    found = latest(connection, position, month=str(month))
    proven = {one.sequence: StatementProof(book=book.log.book, sequence=one.sequence) for one in found}
    people = People(book.door, book.database, PersonalKeys(Path("no keys")), lambda: datetime.now(UTC))
    return documents(connection, position, found, proven, people)
