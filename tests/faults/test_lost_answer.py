"""The server stored it and its answer never came: asking again gives the one event there is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from adapters.front_door import Wish
from tests.adapters import sample
from tests.faults.relay import Relay
from tests.faults.rig import Rig, Writer


@pytest.fixture
def relay(rig: Rig) -> Iterator[Relay]:
    made = Relay(rig.nats.port)
    yield made
    made.close()


def last_of(writer: Writer) -> int:
    return writer.recorder.max_notification_id() or 0


def register(number: int) -> Wish:
    return Wish(sample.register_party(f"p{number}"), f"register-{number}")


@pytest.mark.fault
@pytest.mark.parametrize(
    ("count", "marker"),
    [(1, b"Nats-Expected-Last-Subject-Sequence"), (5, b"Nats-Batch-Commit")],
    ids=["one message", "a batch"],
)
def test_a_lost_answer_is_read_back_and_never_stored_twice(
    rig: Rig, relay: Relay, count: int, marker: bytes
) -> None:
    witness = rig.writer()
    writer = rig.writer(relay.url)
    writer.insist([Wish(sample.found_book(), "book")])
    wishes = [register(number) for number in range(count)]
    relay.lose_answers_after(marker)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(writer.door.execute_all, wishes, actor="ada")
        assert relay.wait_until_lost(60)
        give_up = time.monotonic() + 60
        while last_of(witness) < 1 + count and time.monotonic() < give_up:
            time.sleep(0.005)
        relay.cut()
        receipts = asking.result(120)
    assert [receipt.sequence for receipt in receipts] == list(range(2, 2 + count))
    again = witness.door.execute_all(wishes, actor="ada")
    assert [(r.sequence, r.version, r.repeated) for r in again] == [
        (r.sequence, r.version, True) for r in receipts
    ]
    assert last_of(witness) == 1 + count
