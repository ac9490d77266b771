"""What every test of driving has."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.driving.journal import Journal
from tests.adapters.conftest import Bench
from tests.adapters.driving.driven import Journals, Store, furnish, now
from tests.adapters.driving.driver_book import DriverBook, driver_book
from tests.adapters.driving.new_day import past_new_day


@pytest.fixture(autouse=True)
def leases() -> None:
    """They are taken at once."""
    past_new_day()


@pytest.fixture
def book(bench: Bench, tmp_path: Path) -> Iterator[DriverBook]:
    with driver_book(bench, tmp_path) as made:
        yield made


@pytest.fixture
def store(bench: Bench) -> Iterator[Store]:
    """A driver's way to the ledger, with device `a` furnished."""
    bench.now = now()
    made = Store(bench.nats.url, bench.nats.app_seed, bench.book, bench.database)
    furnish(made.front, ("a",))
    yield made
    made.client.close()


@pytest.fixture
def journals() -> Iterator[Journals]:
    made: list[Journal] = []

    def make(folder: Path, run: str) -> Journal:
        made.append(Journal(folder, run))
        return made[-1]

    yield make
    for one in made:
        asyncio.run(one.close())
