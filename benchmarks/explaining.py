"""Explaining any line of a statement in a book with a year of history."""

from __future__ import annotations

from functools import partial

from adapters.queries.explain import explain, explain_amount
from adapters.settling import settle_month
from benchmarks import portfolio
from benchmarks.figure import Figure, seconds
from benchmarks.rig import PROJECTED_WITHIN_S, Book, Rig

_LIMIT_MS = 200


def measure(rig: Rig, *, quick: bool) -> list[Figure]:
    """The slowest of all lines of a contract's last month, and of its totals."""
    sites = 40 if quick else 200
    book = rig.book()
    portfolio.found_year(book, sites)
    book.projector().catch_up(PROJECTED_WITHIN_S)
    for month in portfolio.YEAR:
        settle_month(book.door, book.database, month, actor="bench")
        book.projector().catch_up(PROJECTED_WITHIN_S)
    slowest = 1000 * max(_each(book))
    book.close()
    name = f"explaining any line or total, {sites} sites x 12 months, the slowest"
    return [Figure(name, slowest, _LIMIT_MS, "limit", "ms", _LIMIT_MS / slowest, 1.0)]


def _each(book: Book) -> list[float]:
    month = str(portfolio.YEAR[-1])
    with book.database.reading(book.log.book) as connection:
        explain(connection, "C1", month, 1)
        count = connection.execute(
            "SELECT jsonb_array_length(result->'lines') FROM ledger.settlement"
            " WHERE contract = 'C1' AND month = %s",
            [month],
        ).fetchall()[0][0]
        taken = [seconds(partial(explain, connection, "C1", month, number)) for number in range(1, count + 1)]
        taken += [
            seconds(partial(explain_amount, connection, "C1", month, "payable", party=party))
            for party in ("host-s1", "operator", "equipment-owner")
        ]
    return taken
