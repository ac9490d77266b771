"""Reads that wait together are one, and none sees less than it asked for."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
from eventsourcing.persistence import Notification

from adapters.shared_reading import SharedReading

WAITING = 20


class Store:
    """Events that can be read; a read of what is `shut` waits until it is opened."""

    def __init__(self) -> None:
        self.events = {name: [_event(name, number) for number in range(1, 6)] for name in "abc"}
        self.reads: list[Mapping[str, int]] = []
        self.opened = threading.Event()
        self.under_way = threading.Semaphore(0)

    def read(self, positions: Mapping[str, int]) -> dict[str, list[Notification]]:
        self.reads.append(dict(positions))
        found = {name: [one for one in self.events[name] if one.id >= positions[name]] for name in positions}
        self.under_way.release()
        assert self.opened.wait(10)
        if "broken" in positions:
            raise ValueError("broken")
        return found


def _event(name: str, sequence: int) -> Notification:
    return Notification(name, sequence, "t", b"", sequence)


@pytest.fixture
def store() -> Store:
    return Store()


def _started(store: Store, reading: SharedReading, pool: ThreadPoolExecutor) -> None:
    """As many reads under way as there may be."""
    for _ in range(2):
        pool.submit(reading, {"c": 6})
        assert store.under_way.acquire(timeout=10)


def _until_waiting(reading: SharedReading, count: int) -> None:
    for _ in range(1000):
        waiting = reading._together._waiting
        if waiting and len(waiting[0].items) == count:
            return
        threading.Event().wait(0.005)
    raise AssertionError("they do not gather")


def test_what_waits_is_read_at_once_and_each_gets_its_part(store: Store) -> None:
    reading = SharedReading(store.read)
    with ThreadPoolExecutor(WAITING + 2) as pool:
        _started(store, reading, pool)
        asked = [{"a": 1 + number % 3} if number % 2 else {"a": 3, "b": 5} for number in range(WAITING)]
        found = [pool.submit(reading, one) for one in asked]
        _until_waiting(reading, WAITING)
        store.opened.set()
        for one, answer in zip(asked, found, strict=True):
            expected = {name: [n for n in range(1, 6) if n >= start] for name, start in one.items()}
            assert {name: [e.id for e in events] for name, events in answer.result(10).items()} == expected
    assert store.reads == [{"c": 6}, {"c": 6}, {"a": 1, "b": 5}]


def test_a_read_does_not_join_one_that_began_before_it(store: Store) -> None:
    reading = SharedReading(store.read)
    with ThreadPoolExecutor(4) as pool:
        _started(store, reading, pool)
        late = pool.submit(reading, {"c": 6})
        _until_waiting(reading, 1)
        store.events["c"].append(_event("c", 6))
        store.opened.set()
        assert [event.id for event in late.result(10)["c"]] == [6]


def test_what_one_asks_for_in_vain_is_not_its_neighbours_fault(store: Store) -> None:
    store.events["broken"] = []
    reading = SharedReading(store.read)
    with ThreadPoolExecutor(8) as pool:
        _started(store, reading, pool)
        found = [pool.submit(reading, {name: 5}) for name in ("a", "broken", "b")]
        _until_waiting(reading, 3)
        store.opened.set()
        assert [event.id for event in found[0].result(10)["a"]] == [5]
        assert [event.id for event in found[2].result(10)["b"]] == [5]
        with pytest.raises(ValueError, match="broken"):
            found[1].result(10)
        assert [event.id for event in pool.submit(reading, {"a": 5}).result(10)["a"]] == [5]
    assert reading._together._running == 0


def test_what_asks_for_many_keeps_nobody_waiting(store: Store) -> None:
    store.events |= {f"m{number}": [] for number in range(101)}
    reading = SharedReading(store.read)
    with ThreadPoolExecutor(3) as pool:
        _started(store, reading, pool)
        many = pool.submit(reading, {f"m{number}": 1 for number in range(101)})
        assert store.under_way.acquire(timeout=10)
        store.opened.set()
        assert len(many.result(10)) == 101
