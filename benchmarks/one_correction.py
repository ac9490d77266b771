"""One revised day of one site's meter, from the revision to the recorded correction, in a large portfolio."""

from __future__ import annotations

import statistics
from datetime import timedelta
from functools import partial

import numpy as np

from adapters.front_door import Wish
from adapters.settling import settle_month
from benchmarks import portfolio
from benchmarks.figure import Figure, seconds
from benchmarks.rig import MONTH, PROJECTED_WITHIN_S, Book, Rig
from ledger.meter_import import RecordReadings
from ledger.readings import run_of

_LIMIT_S = 1.0
_CONTRACT = "C1"
_SITE = portfolio.SITES_A_CONTRACT
"""The first site of that contract."""


def measure(rig: Rig, *, quick: bool) -> list[Figure]:
    """All streams of all sites are settled first; the correction is of one contract of twenty sites."""
    sites, rounds = (100, 3) if quick else (1000, 5)
    book = rig.book()
    portfolio.found(book, sites)
    book.projector().catch_up(PROJECTED_WITHIN_S)
    settle_month(book.door, book.database, MONTH, actor="bench")
    book.projector().catch_up(PROJECTED_WITHIN_S)
    taken = statistics.median(seconds(partial(corrected, book, number)) for number in range(rounds))
    book.close()
    name = (
        f"revised meter to recorded correction, 1 of {sites} sites, {portfolio.SITES_A_CONTRACT} a contract"
    )
    return [Figure(name, 1000 * taken, 1000 * _LIMIT_S, "limit", "ms", _LIMIT_S / taken, 1.0)]


def corrected(book: Book, number: int) -> None:
    """Record the revision, project it, and settle the contract that it touches."""
    start = portfolio.SETTLED.start + timedelta(days=10 + number)
    day = np.random.default_rng(100 + number).integers(1_000, 20_000, 96)
    run = run_of(f"M{_SITE}", "charge", start, 900, day, "A")
    revision = RecordReadings(f"M{_SITE}", "2026-08", "revised", (run,))
    book.execute_all([Wish(revision, f"revision-{number}")])
    book.projector().catch_up(PROJECTED_WITHIN_S)
    (done,) = settle_month(book.door, book.database, MONTH, actor="bench", contracts=[_CONTRACT]).runs
    assert (done.recorded, done.run) == (True, number + 2)
    book.projector().catch_up(PROJECTED_WITHIN_S)
