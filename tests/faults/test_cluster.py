"""A stream on three nodes answers as a stream on one does, also while its leader is killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from eventsourcing.persistence import IntegrityError, StoredEvent

from adapters.front_door import FrontDoor, Receipt, Wish
from adapters.nats import stream, wire
from adapters.nats.client import NatsClient
from adapters.nats.log import Log
from adapters.nats.pull import Pull
from adapters.nats.recorder import JetStreamApplicationRecorder
from tests.adapters import sample
from tests.faults.cluster import Cluster
from tests.faults.rig import BOOK, Clock, patiently

WRITERS = 6


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    operator = made.connect("operator")
    patiently(lambda: stream.create(operator, BOOK, replicas=3, max_bytes=1 << 28))
    operator.close()
    yield made
    made.stop()


class Door:
    """A process's connection to the cluster."""

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self.client: NatsClient = cluster.connect("writer")
        self.log = Log(self.client, BOOK, deadline=10)
        self.recorder = JetStreamApplicationRecorder(self.log)
        self.door = FrontDoor(self.recorder, clock, lambda: None)

    def insist(self, wish: Wish) -> Receipt:
        return patiently(lambda: self.door.execute(wish.command, command_id=wish.command_id, actor="ada"))


@pytest.fixture
def doors(cluster: Cluster) -> Iterator[list[Door]]:
    clock = Clock()
    made = [Door(cluster, clock) for _ in range(3)]
    yield made
    for door in made:
        door.client.close()


@pytest.mark.fault
def test_three_nodes_are_as_safe_as_one(cluster: Cluster, doors: list[Door]) -> None:
    client = doors[0].client
    stream.verify(client, BOOK, cluster.monitor_urls, replicas=3)
    _repeats_and_races(doors)
    _append_alone(doors[0].log)
    acknowledged = _kill_the_leader_under_load(cluster, doors)
    _check(doors[0], acknowledged)


def _repeats_and_races(doors: list[Door]) -> None:
    """As `test_front_door` has it for one node."""
    first = doors[0].insist(Wish(sample.found_book(), "book"))
    again = doors[1].insist(Wish(sample.found_book(), "book"))
    assert (again.sequence, again.version, again.repeated) == (first.sequence, first.version, True)

    def register(number: int) -> int:
        wish = Wish(sample.register_party("contended"), f"race-{number // 2}")
        return doors[number % 2].insist(wish).sequence

    with ThreadPoolExecutor(8) as pool:
        sequences = list(pool.map(register, range(40)))
    assert sequences[0::2] == sequences[1::2], "each command id has one result"
    assert len(set(sequences)) == 20


def _append_alone(log: Log) -> None:
    """The recorder's own answers: a version once, a batch whole or not at all."""
    before = log.client.run(log.last_sequence())

    def event(name: str, version: int, state: bytes = b"{}") -> StoredEvent:
        return StoredEvent(f"alone.{name}", version, "test", state)

    assert log.client.run(log.append([event("a", 1), event("b", 1)])) == [before + 1, before + 2]
    with pytest.raises(IntegrityError):
        log.client.run(log.append([event("a", 1, b"{1}")]))
    with pytest.raises(IntegrityError):
        log.client.run(log.append([event("c", 1), event("b", 1, b"{1}")]))
    fresh = Log(log.client, BOOK)
    with pytest.raises(IntegrityError):
        fresh.client.run(fresh.append([event("a", 3)]))
    assert log.client.run(log.last_sequence()) == before + 2


def _kill_the_leader_under_load(cluster: Cluster, doors: list[Door]) -> list[tuple[str, Receipt]]:
    stopping = threading.Event()
    first_after = [0.0] * WRITERS
    killed_at = float("inf")

    def write(number: int) -> list[tuple[str, Receipt]]:
        found: list[tuple[str, Receipt]] = []
        turn = 0
        while not stopping.is_set():
            turn += 1
            command_id = f"load-{number // 2}-{turn}"
            wish = Wish(sample.register_party(f"party-{turn % 4}"), command_id)
            found.append((command_id, doors[number % 3].insist(wish)))
            if time.monotonic() > killed_at and not first_after[number]:
                first_after[number] = time.monotonic()
        return found

    with ThreadPoolExecutor(WRITERS) as pool:
        writing = [pool.submit(write, number) for number in range(WRITERS)]
        try:
            time.sleep(0.7)
            leader = cluster.leader(doors[0].client, BOOK)
            cluster.kill(leader)
            killed_at = time.monotonic()
            give_up = killed_at + 40
            while not all(first_after) and time.monotonic() < give_up:
                time.sleep(0.05)
            cluster.restart(leader)
            time.sleep(0.5)
        finally:
            stopping.set()
    assert all(first_after), "every writer went on under the next leader"
    return [pair for future in writing for pair in future.result()]


def _check(door: Door, acknowledged: list[tuple[str, Receipt]]) -> None:
    last = door.client.run(door.log.last_sequence())
    pull = Pull(door.client, BOOK, 1)
    versions: dict[str, int] = {}
    stored: dict[str, tuple[str, int, int]] = {}
    sequence = 0
    while sequence < last:
        for item in pull.batch(5):
            sequence = item.sequence
            header = wire.header_of(item.payload)
            assert header.version == versions.get(header.aggregate, 0) + 1
            versions[header.aggregate] = header.version
            if header.topic != "test":
                command = door.door._mapper.to_envelope(header.topic, wire.state_of(item.payload)).command
                assert command not in stored, f"{command} is stored twice"
                stored[command] = (header.aggregate, header.version, sequence)
    pull.close()
    assert len(acknowledged) > 10 * WRITERS
    for command, receipt in acknowledged:
        assert stored[command] == (receipt.aggregate, receipt.version, receipt.sequence)
