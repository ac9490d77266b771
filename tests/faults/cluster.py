"""The three nodes that `make cluster` starts, and what can happen to one of them."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from signal import SIGCONT, SIGSTOP

from adapters.embedded.cluster import NODES, NatsCluster
from adapters.nats.client import NatsClient
from adapters.nats.stream import stream_name
from tests.faults.route_wires import RouteWires


class Cluster(NatsCluster):
    """As its parent, with wires between the nodes that can be cut."""

    def __init__(self, folder: Path) -> None:
        self.wires = RouteWires()
        super().__init__(folder)

    def advertised_port(self, number: int) -> int:
        return self.wires.port(number, self.route_ports[number])

    def leader(self, client: NatsClient, book: str) -> int:
        """The number of the node that leads the book's stream."""
        give_up = time.monotonic() + 120
        while True:
            answer = client.run(client.request(f"$JS.API.STREAM.INFO.{stream_name(book)}", b"", timeout=5))
            found = json.loads(answer.data).get("cluster", {}).get("leader")
            if found:
                return int(found.removeprefix("n"))
            assert time.monotonic() < give_up, "no leader was elected"
            time.sleep(0.05)

    def freeze(self, number: int) -> None:
        os.kill(self.children[number].process.pid, SIGSTOP)

    def thaw(self, number: int) -> None:
        os.kill(self.children[number].process.pid, SIGCONT)

    def restart(self, number: int) -> None:
        """Start a node again and wait until it is level with the others."""
        self.start(number)
        self.wait(number)

    def wait_all(self) -> None:
        for number in range(NODES):
            self.wait(number)

    def stop(self) -> None:
        for child in self.children:
            if child.alive:
                os.kill(child.process.pid, SIGCONT)
        super().stop()
        self.wires.close()
