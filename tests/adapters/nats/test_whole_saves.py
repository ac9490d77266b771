"""What was saved together is pulled together, in however many answers the server sends it."""

from __future__ import annotations

import pytest

from adapters.front_door import Wish
from adapters.nats import pull as pulling
from adapters.nats.pull import Pull
from tests.adapters import sample
from tests.adapters.conftest import Bench


@pytest.fixture
def book(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Founded, then three parties in one save, then one; two messages an answer of the server."""
    monkeypatch.setattr(pulling, "_REQUEST_MESSAGES", 2)
    bench.door.record(sample.found_book(), actor="x")
    wishes = [Wish(sample.register_party(name), "three") for name in ("a1", "b1", "c1")]
    bench.door.execute_all(wishes, actor="x")
    bench.door.record(sample.register_party("alone"), actor="x")
    return bench


def saves(book: Bench, count: int) -> list[list[int]]:
    """What comes together, up to the `count`th message."""
    pull, found = Pull(book.client, book.book, 1), list[list[int]]()
    while sum(map(len, found)) < count:
        found.append([item.sequence for item in pull.batch(10)])
        assert found[-1], found
    pull.close()
    return found


def test_no_save_is_parted(book: Bench) -> None:
    borders = {group[-1] for group in saves(book, 5)}
    assert borders <= {1, 4, 5}
