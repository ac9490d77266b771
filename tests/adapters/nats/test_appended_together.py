"""Many saves are one atomic batch; where one is at fault, only that one is refused."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from eventsourcing.persistence import IntegrityError, StoredEvent

from tests.adapters.conftest import Bench

MANY = 20


def saves(name: str, count: int) -> list[list[StoredEvent]]:
    """Every third has two events."""
    return [
        [
            StoredEvent(f"thing.{name}{at}", version, "t", b"{}")
            for version in range(1, 3 if at % 3 == 0 else 2)
        ]
        for at in range(count)
    ]


def appended(bench: Bench, made: Sequence[Sequence[StoredEvent]]) -> list[list[int] | BaseException]:
    return bench.client.run(bench.log.append_each(made))


def requests(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each message that was answered was of a batch."""
    told: list[bool] = []
    ask = bench.client.request

    async def request(subject: str, payload: bytes, **given: object) -> object:
        told.append("Nats-Batch-Id" in (given.get("headers") or {}))  # type: ignore[operator]
        return await ask(subject, payload, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(bench.client, "request", request)
    return told


def test_many_are_stored_by_two_requests(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, made = requests(bench, monkeypatch), saves("a", MANY)
    count = sum(map(len, made))
    found = appended(bench, made)
    assert [one for save in found for one in save] == list(range(1, count + 1))  # type: ignore[union-attr]
    assert [len(save) for save in found] == [len(save) for save in made]  # type: ignore[arg-type]
    assert asked == [True, True], "what opens the batch, and what commits it"
    stored = bench.recorder.select_notifications(1, 1000)
    assert [str(one.originator_id) for one in stored] == [e.originator_id for save in made for e in save]


def test_few_are_stored_side_by_side(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = requests(bench, monkeypatch)
    appended(bench, [[StoredEvent(f"thing.b{at}", 1, "t", b"{}")] for at in range(5)])
    assert asked == [False] * 5


def test_one_that_is_behind_does_not_take_the_others_along(bench: Bench) -> None:
    appended(bench, [[StoredEvent("thing.c7", 1, "t", b'"of another writer"')]])
    bench.log._positions.clear()
    found = appended(bench, saves("c", MANY))
    assert [at for at, one in enumerate(found) if isinstance(one, BaseException)] == [7]
    assert isinstance(found[7], IntegrityError)
    stored = bench.recorder.select_notifications(1, 1000)
    assert len(stored) == sum(map(len, saves("c", MANY))), "each once"
