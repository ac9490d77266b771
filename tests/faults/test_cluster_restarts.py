"""All three nodes fail at once, again and again under load, on the same data: the stream stays whole."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import nats.errors
import pytest

from adapters.embedded.cluster import NODES, NatsCluster
from adapters.nats import stream

BOOK = "restarts"
_ROUNDS: Final = 5
_WRITERS: Final = 4
_ACKNOWLEDGED: Final = 150
"""Messages between two failures: enough that the nodes' snapshots lie behind what they stored."""
_PATIENCE_S: Final = 90.0


class Load:
    """Writers that publish and count what was acknowledged, each on a connection of its own."""

    def __init__(self, cluster: NatsCluster) -> None:
        self._cluster = cluster
        self._stopping = threading.Event()
        self._counts = [0] * _WRITERS
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in range(_WRITERS)]
        for thread in self._threads:
            thread.start()

    @property
    def acknowledged(self) -> int:
        return sum(self._counts)

    def _write(self, number: int) -> None:
        client = self._cluster.app(f"writer-{number}")
        turn = 0
        while not self._stopping.is_set():
            turn += 1
            try:
                asked = client.request(
                    f"{BOOK}.w{number}.{turn}", b'{"text": "compressible"}' * 30, timeout=1
                )
                answer = msgspec.json.decode(client.run(asked).data)
            except (nats.errors.Error, OSError):
                time.sleep(0.02)
                continue
            self._counts[number] += "seq" in answer
        client.close()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[NatsCluster]:
    made = NatsCluster(tmp_path)
    yield made
    made.stop()


@pytest.mark.fault
def test_nothing_acknowledged_is_lost_however_often_all_nodes_fail(cluster: NatsCluster) -> None:
    operator = cluster.operator()
    stream.create(operator, BOOK, max_bytes=1 << 28, replicas=NODES)
    made = stream.verify(operator, BOOK, cluster.monitor_urls, replicas=NODES)
    weak = stream.weaknesses(made.config | {"compression": "s2"}, BOOK)
    assert weak == ["compression is 's2', must be 'none'"]
    load = Load(cluster)
    try:
        for _ in range(_ROUNDS):
            before, give_up = load.acknowledged, time.monotonic() + _PATIENCE_S
            while load.acknowledged < before + _ACKNOWLEDGED:
                assert time.monotonic() < give_up, "nothing is acknowledged any more"
                time.sleep(0.05)
            for number in range(NODES):
                cluster.kill(number)
            cluster.start_all()
    finally:
        load.stop()
    held = stream.state(operator, BOOK)
    operator.close()
    assert held.whole
    assert held.messages >= load.acknowledged > _ROUNDS * _ACKNOWLEDGED
    blocks = list(cluster.folder.rglob(f"streams/{stream.stream_name(BOOK)}/msgs/*.blk"))
    assert len(blocks) >= NODES
    assert not any(file.read_bytes().startswith(b"cmp") for file in blocks), "no block is compressed"
