"""The next one is fetched while the one before is worked on; what fetching raises comes in its turn."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from adapters.ahead import ahead


def test_all_come_in_order() -> None:
    assert list(ahead(iter([1, 2, 3]))) == [1, 2, 3]
    assert list(ahead(iter(()))) == []


def test_the_next_is_fetched_meanwhile_and_no_more_than_that() -> None:
    fetched = [threading.Event() for _ in range(3)]

    def items() -> Iterator[int]:
        for number, event in enumerate(fetched):
            event.set()
            yield number

    coming = ahead(items())
    assert next(coming) == 0
    assert fetched[1].wait(10), "while the first is worked on"
    assert not fetched[2].wait(0.2), "it would be in memory, too"
    assert list(coming) == [1, 2]


def test_what_fetching_raises_comes_in_its_turn() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("the second")

    coming = ahead(items())
    assert next(coming) == 1
    with pytest.raises(ValueError, match="the second"):
        next(coming)


def test_who_ends_early_leaves_no_thread() -> None:
    before = threading.active_count()
    for item in ahead(iter(range(10))):
        if item == 2:
            break
    assert threading.active_count() == before
