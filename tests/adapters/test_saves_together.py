"""Commands that wait are decided and stored side by side: each whole, each on what was stored before it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from eventsourcing.persistence import StoredEvent

from adapters.front_door import Wish
from adapters.nats.log import StoreFull
from adapters.together import Together
from ledger.refusal import Refused
from tests.adapters import sample
from tests.adapters.conftest import Bench

WRITERS = 24


def test_of_many_that_wait_each_is_stored_once_and_in_order(bench: Bench) -> None:
    ready = threading.Barrier(WRITERS)

    def write(number: int) -> list[tuple[str, int, int]]:
        ready.wait(10)
        own, common = sample.register_party(f"p{number}"), sample.register_party("common")
        made = bench.door.execute_all([Wish(own, f"own{number}"), Wish(common, f"c{number}")], actor="ada")
        return [(one.aggregate, one.version, one.sequence) for one in made]

    with ThreadPoolExecutor(WRITERS) as pool:
        made = list(pool.map(write, range(WRITERS)))
    stored = bench.recorder.select_notifications(1, 1000)
    kept = {(str(one.originator_id), one.originator_version, one.id) for one in stored}
    assert kept == {one for save in made for one in save}
    assert sorted(v for save in made for name, v, _ in save if name == "party.common") == list(
        range(1, WRITERS + 1)
    )
    assert all(second[2] == first[2] + 1 for first, second in made), "a save stays together"


def test_a_refusal_among_many_is_its_own(bench: Bench) -> None:
    ready = threading.Barrier(WRITERS)

    def write(number: int) -> str:
        ready.wait(10)
        command = sample.register_meter() if number % 3 == 0 else sample.register_party(f"p{number}")
        try:
            bench.door.execute(command, command_id=f"c{number}", actor="ada")
        except Refused as refused:
            return refused.code
        return "stored"

    with ThreadPoolExecutor(WRITERS) as pool:
        told = list(pool.map(write, range(WRITERS)))
    assert told == ["unknown_site" if number % 3 == 0 else "stored" for number in range(WRITERS)]
    assert bench.recorder.max_notification_id() == told.count("stored")


def test_one_that_finds_no_room_does_not_take_the_others_along(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = bench.log.append

    async def full_for_one(events: Sequence[StoredEvent]) -> list[int]:
        if events[0].originator_id == "party.large":
            raise StoreFull("no room")
        return await append(events)

    monkeypatch.setattr(bench.log, "append", full_for_one)
    ready = threading.Barrier(4)

    def write(name: str) -> str:
        ready.wait(10)
        try:
            bench.door.execute(sample.register_party(name), command_id=name, actor="ada")
        except StoreFull as full:
            return str(full)
        return "stored"

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(write, ["a", "large", "b", "c"])) == ["stored", "no room", "stored", "stored"]


def test_what_is_large_waits_for_nobody_and_a_full_turn_is_followed_by_another() -> None:
    begun, go = threading.Semaphore(0), threading.Event()
    turns: list[list[str]] = []

    def work(items: Sequence[str]) -> None:
        turns.append(list(items))
        begun.release()
        assert go.wait(10)

    together = Together(work)
    with ThreadPoolExecutor(8) as pool:
        for name in ("first", "second"):
            pool.submit(together, name, 1)
            assert begun.acquire(timeout=10)
        waiting = [pool.submit(together, name, 40) for name in ("a", "b", "c")]
        for _ in range(1000):
            if sum(len(turn.items) for turn in together._waiting) == 3:
                break
            threading.Event().wait(0.005)
        large = pool.submit(together, "large", 101)
        assert begun.acquire(timeout=10)
        go.set()
        for one in (*waiting, large):
            one.result(10)
    assert turns[2] == ["large"]
    assert sorted(map(len, turns)) == [1, 1, 1, 1, 2]
    assert together._running == 0
