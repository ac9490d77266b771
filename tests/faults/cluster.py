"""Three NATS servers on loopback that form one cluster."""

from __future__ import annotations

import json
import sysconfig
import time
import urllib.request
from pathlib import Path
from signal import SIGTERM
from typing import Any, Final

from adapters.embedded.child import Child, free_port
from adapters.nats.client import NatsClient
from adapters.nats.stream import stream_name

_NODES: Final = 3
_CONFIG: Final = """\
listen: "127.0.0.1:{port}"
http: "127.0.0.1:{monitor}"
server_name: "n{number}"
jetstream {{ store_dir: "{store}", sync_interval: always }}
cluster {{ name: "c", listen: "127.0.0.1:{route}", routes: [{routes}] }}
"""


class Cluster:
    """Started on free ports; a node can be killed and started again on its data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = [(free_port(), free_port(), free_port()) for _ in range(_NODES)]
        self.children = [self._start(number) for number in range(_NODES)]
        for number in range(_NODES):
            self.children[number].wait_until(lambda number=number: self._healthy(number))  # type: ignore[misc]

    def _start(self, number: int) -> Child:
        folder = self._folder / f"n{number}"
        folder.mkdir(exist_ok=True)
        port, route, monitor = self._ports[number]
        config = folder / "server.conf"
        routes = ", ".join(f'"nats://127.0.0.1:{other}"' for _, other, _ in self._ports)
        config.write_text(
            _CONFIG.format(
                port=port, monitor=monitor, number=number, store=folder / "store", route=route, routes=routes
            )
        )
        binary = Path(sysconfig.get_path("scripts")) / "nats-server"
        command = [str(binary), "-c", str(config)]
        return Child(f"n{number}", command, folder / "log", stop_signal=SIGTERM, grace=5)

    def _healthy(self, number: int) -> bool:
        try:
            self.monitor(number, "healthz")
        except OSError:
            return False
        return True

    def monitor(self, number: int, path: str) -> dict[str, Any]:
        """A page of the node's monitoring address."""
        with urllib.request.urlopen(f"{self.monitor_url(number)}/{path}", timeout=2) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def monitor_url(self, number: int) -> str:
        return f"http://127.0.0.1:{self._ports[number][2]}"

    @property
    def monitor_urls(self) -> str:
        return ",".join(self.monitor_url(number) for number in range(_NODES))

    @property
    def url(self) -> str:
        return ",".join(f"nats://127.0.0.1:{port}" for port, _, _ in self._ports)

    def connect(self, name: str) -> NatsClient:
        return NatsClient(self.url, seed_file=None, name=name)

    def leader(self, client: NatsClient, book: str) -> int:
        """The number of the node that leads the book's stream."""
        give_up = time.monotonic() + 20
        while True:
            answer = client.run(client.request(f"$JS.API.STREAM.INFO.{stream_name(book)}", b"", timeout=5))
            found = json.loads(answer.data).get("cluster", {}).get("leader")
            if found:
                return int(found.removeprefix("n"))
            assert time.monotonic() < give_up, "no leader was elected"
            time.sleep(0.05)

    def kill(self, number: int) -> None:
        self.children[number].kill()

    def restart(self, number: int) -> None:
        self.children[number] = self._start(number)

    def stop(self) -> None:
        for child in self.children:
            if child.alive:
                child.kill()
