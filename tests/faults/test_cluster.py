"""A stream on three nodes answers as a stream on one does, also while something happens to its nodes."""

from __future__ import annotations

import functools
import json
import os
import random
import re
import subprocess
import sysconfig
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from eventsourcing.persistence import IntegrityError, StoredEvent

from adapters import replay
from adapters.embedded.child import accepts
from adapters.embedded.cluster import NODES, settings_of
from adapters.front_door import Wish
from adapters.nats import access_stream, stream
from adapters.nats.log import Log
from adapters.nats.stream import stream_name
from tests.adapters import sample
from tests.faults.cluster_happenings import HAPPENINGS
from tests.faults.cluster_rig import WRITERS, ClusterRig, Ridden
from tests.faults.rig import BOOK, patiently
from tests.faults.seeds import seeds

SECONDS_MAX = 60.0
"""For what has no bound of its own: past this it hangs."""
OUTAGE_S_MAX = 30.0
"""Past this it is a failure; what it is stands in benchmarks/RESULTS.md."""


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterRig]:
    made = ClusterRig(tmp_path_factory.mktemp("cluster"))
    yield made
    made.close()


@pytest.mark.fault
def test_a_command_id_has_one_result_on_three_nodes(rig: ClusterRig) -> None:
    """As `test_front_door` has it for one node."""
    stream.verify(rig.witness.client, BOOK, rig.cluster.monitor_urls, replicas=NODES)
    book = [Wish(sample.found_book(), "book")]
    (first,), (again,) = rig.writers[0].insist(book), rig.writers[1].insist(book)
    assert (again.sequence, again.version, again.repeated) == (first.sequence, first.version, True)

    def register(number: int) -> int:
        wish = Wish(sample.register_party("contended"), f"race-{number // 2}")
        return rig.writers[number % 2].insist([wish])[0].sequence

    with ThreadPoolExecutor(8) as pool:
        sequences = list(pool.map(register, range(40)))
    assert sequences[0::2] == sequences[1::2], "each command id has one result"
    assert len(set(sequences)) == 20


@pytest.mark.fault
def test_a_version_is_stored_once_and_a_batch_whole_or_not_at_all(rig: ClusterRig) -> None:
    stream.create(rig.operator, "alone", replicas=NODES, max_bytes=1 << 20)
    log = Log(rig.witness.client, "alone")

    def event(name: str, version: int, state: bytes = b"{}") -> StoredEvent:
        return StoredEvent(f"alone.{name}", version, "test", state)

    assert log.client.run(log.append([event("a", 1), event("b", 1)])) == [1, 2]
    with pytest.raises(IntegrityError):
        log.client.run(log.append([event("a", 1, b"{1}")]))
    with pytest.raises(IntegrityError):
        log.client.run(log.append([event("c", 1), event("b", 1, b"{1}")]))
    fresh = Log(log.client, "alone")
    with pytest.raises(IntegrityError):
        fresh.client.run(fresh.append([event("a", 3)]))
    assert log.client.run(log.last_sequence()) == 2


@pytest.mark.fault
@pytest.mark.parametrize("seed", seeds(1))
@pytest.mark.parametrize("what", HAPPENINGS)
def test_writers_ride_through(rig: ClusterRig, what: str, seed: int) -> None:
    ridden = rig.ride(lambda: HAPPENINGS[what](rig, random.Random(seed)))
    print(f"{what}: {ridden}")
    _check(rig, ridden)
    if what == "bit flipped on a follower":
        _check_every_node(rig)


@pytest.mark.fault
def test_the_first_command_after_a_power_failure_rides_through_the_election(
    rig: ClusterRig, tmp_path: Path
) -> None:
    """All nodes are killed and started; nothing is waited for but that a port accepts."""
    (told,) = rig.writers[0].insist([Wish(sample.register_party("before"), "before")])
    access_stream.create(rig.operator, BOOK, max_bytes=1 << 28, replicas=NODES)
    for number in range(NODES):
        rig.cluster.kill(number)
    for number in range(NODES):
        rig.cluster.start(number)
    rig.cluster.children[0].wait_until(lambda: accepts(rig.cluster.ports[0]))
    assert not rig.cluster.level(), "nobody leads yet"
    environment = settings_of(rig.cluster, rig.postgres, BOOK) | {
        "WATTLEDGER_STATE": str(tmp_path / "state"),
        "WATTLEDGER_BOOK": BOOK,
    }
    with ThreadPoolExecutor(2) as pool:
        status = pool.submit(_wattledger, environment, "status")
        listed = pool.submit(_wattledger, environment, "key", "list")
        client = rig.cluster.app()
        assert client.run(Log(client, BOOK).last_sequence()) >= told.sequence
        client.close()
        assert re.search(r"^stream +[1-9]\d* events", status.result(), re.MULTILINE)
        listed.result()


def _wattledger(environment: Mapping[str, str], *words: str) -> str:
    """What the command prints, which succeeds."""
    command = [f"{sysconfig.get_path('scripts')}/wattledger", *words]
    others = {name: value for name, value in os.environ.items() if not name.startswith("WATTLEDGER_")}
    done = subprocess.run(
        command, env=others | environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    return done.stdout


def _check(rig: ClusterRig, ridden: Ridden) -> None:
    assert ridden.acknowledged > 10 * WRITERS, "the load was a load"
    assert ridden.lost == 0
    assert ridden.doubled == 0
    assert ridden.outage_s < OUTAGE_S_MAX
    last = patiently(lambda: rig.witness.client.run(rig.witness.log.last_sequence()))
    give_up = time.monotonic() + SECONDS_MAX
    while min(position.sequence for position in rig.projector.positions().values()) < last:
        assert rig.projector.halted is None
        assert time.monotonic() < give_up, "the projector does not go on"
        time.sleep(0.1)
    assert replay.replay(rig.witness.log, rig.database).equal


def _check_every_node(rig: ClusterRig) -> None:
    """Each node, made leader, answers every message: what was damaged was fetched from the others."""
    expected = rig.payloads()
    log = rig.witness.log

    def at(sequence: int) -> bytes | None:
        return log.client.run(log.payload_at(sequence))

    for node in range(NODES):
        _lead(rig, node)
        for sequence, payload in enumerate(expected, 1):
            found = patiently(functools.partial(at, sequence))
            assert found == payload, f"node {node} has another message {sequence}"


def _lead(rig: ClusterRig, node: int) -> None:
    subject = f"$JS.API.STREAM.LEADER.STEPDOWN.{stream_name(BOOK)}"
    body = json.dumps({"placement": {"preferred": f"n{node}"}}).encode()
    give_up = time.monotonic() + SECONDS_MAX
    while rig.leader() != node:
        assert time.monotonic() < give_up, f"node {node} does not lead"
        patiently(lambda: rig.operator.run(rig.operator.request(subject, body, timeout=5)))
        time.sleep(0.5)
