"""Three NATS servers on loopback that hold each stream three times, and a PostgreSQL beside them.

For trying and testing what runs on three machines in earnest (docs/cluster.md): three nodes on one machine
do not survive that machine. `python -m adapters.embedded.cluster FOLDER` runs it until it is stopped, and
says how Wattledger is pointed at it.
"""

from __future__ import annotations

import os
import secrets
import shlex
import signal
import sys
import sysconfig
import threading
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from http.client import HTTPException
from pathlib import Path
from typing import Final

from adapters.embedded.child import Child, ChildFailed, free_ports, on_free_ports, private_folder, secret_file
from adapters.embedded.jetstream_level import level, seen_by
from adapters.embedded.nats_accounts import NatsAccounts
from adapters.embedded.nats_server import MAX_PAYLOAD
from adapters.embedded.postgres_server import PostgresServer
from adapters.nats.client import NatsClient

NODES: Final = 3
_READY_S: Final = 60.0
_LOOK_S: Final = 1.0
_AGAIN_S: Final = 10.0
"""So that one sees what two of three nodes do meanwhile."""
_LOOK_LEVEL_S: Final = 0.1
_DATABASE: Final = "wattledger"
_CONFIG: Final = """\
listen: "127.0.0.1:{port}"
http: "127.0.0.1:{monitor}"
server_name: "n{number}"
max_payload: {max_payload}
write_deadline: "30s"
jetstream {{ store_dir: "{store}", sync_interval: always }}
cluster {{
  name: "wattledger"
  listen: "127.0.0.1:{route}"
  advertise: "127.0.0.1:{advertised}"
  authorization {{ user: "node", password: "{password}", timeout: 5 }}
  routes: [{routes}]
}}
{accounts}"""


class NatsCluster:
    """Started on free ports, its data and keys under `folder`; each node is a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = private_folder(folder)
        self.accounts = NatsAccounts(folder)
        password = secret_file(folder / "routes", secrets.token_urlsafe(24).encode())
        self._password = password.read_text().strip()
        self.children: list[Child] = []
        self.ports: list[int] = []
        self.route_ports: list[int] = []
        self.monitor_ports: list[int] = []
        on_free_ports(self._begin, self.folder / "server.log")

    def _begin(self) -> None:
        ports = free_ports(3 * NODES)
        self.ports, self.route_ports, self.monitor_ports = ports[:3], ports[3:6], ports[6:]
        try:
            self.start_all()
        except ChildFailed:
            self.stop()
            raise

    def advertised_port(self, number: int) -> int:
        """Where the other nodes reach this one: a test puts a wire between that it can cut."""
        return self.route_ports[number]

    def start_all(self) -> None:
        """Start every node that does not run, and wait until every stream can be written to."""
        for number in range(NODES):
            self.start(number)
        for number in range(NODES):
            self.wait(number)
        self.children[0].wait_until(self.level, _READY_S, pause=_LOOK_LEVEL_S)

    def start(self, number: int) -> None:
        """Start a node, or start it again on its data; does not wait for it."""
        if len(self.children) > number and self.children[number].alive:
            return
        node = private_folder(self.folder / f"n{number}")
        routes = (
            f'"nats-route://node:{self._password}@127.0.0.1:{self.advertised_port(other)}"'
            for other in range(NODES)
            if other != number
        )
        config = secret_file(node / "server.conf", b"")
        config.write_text(
            _CONFIG.format(
                port=self.ports[number],
                monitor=self.monitor_ports[number],
                number=number,
                max_payload=MAX_PAYLOAD,
                store=node / "store",
                route=self.route_ports[number],
                password=self._password,
                advertised=self.advertised_port(number),
                routes=", ".join(routes),
                accounts=self.accounts.config(),
            )
        )
        binary = Path(sysconfig.get_path("scripts")) / "nats-server"
        child = Child(
            f"NATS node {number}",
            [str(binary), "-c", str(config)],
            self.folder / "server.log",
            stop_signal=signal.SIGTERM,
            grace=10,
            lock=node / "lock",
        )
        self.children[number : number + 1] = [child]

    def level(self) -> bool:
        """Whether every stream has a leader, and every node all of it."""
        return level([seen_by(self.monitor_url(number)) for number in range(NODES)])

    def wait(self, number: int) -> None:
        """Until the node has all that the others have; a stream may be without a leader nevertheless."""
        self.children[number].wait_until(lambda: self.healthy(number), _READY_S)

    def healthy(self, number: int) -> bool:
        try:
            with urllib.request.urlopen(f"{self.monitor_url(number)}/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, HTTPException):
            return False

    def kill(self, number: int) -> None:
        """kill -9 of a node."""
        self.children[number].kill()

    def monitor_url(self, number: int) -> str:
        return f"http://127.0.0.1:{self.monitor_ports[number]}"

    @property
    def monitor_urls(self) -> str:
        return ",".join(self.monitor_url(number) for number in range(NODES))

    @property
    def url(self) -> str:
        return ",".join(f"nats://127.0.0.1:{port}" for port in self.ports)

    def operator(self) -> NatsClient:
        """A connection that may create and alter streams."""
        return NatsClient(self.url, seed_file=self.accounts.operator_seed, name="operator")

    def app(self, name: str = "app") -> NatsClient:
        """A connection with the application's rights."""
        return NatsClient(self.url, seed_file=self.accounts.app_seed, name=name)

    def stop(self) -> None:
        """Ask all to stop, then wait for each: one that waited for the others would take its whole grace."""
        for child in self.children:
            if child.alive:
                child.process.send_signal(signal.SIGTERM)
        for child in self.children:
            child.stop()


def settings_of(cluster: NatsCluster, postgres: PostgresServer, database: str = _DATABASE) -> dict[str, str]:
    """The environment that points Wattledger at these servers."""
    return {
        "WATTLEDGER_NATS_URL": cluster.url,
        "WATTLEDGER_NATS_SEED": str(cluster.accounts.app_seed.resolve()),
        "WATTLEDGER_NATS_OPERATOR_SEED": str(cluster.accounts.operator_seed.resolve()),
        "WATTLEDGER_NATS_MONITOR_URL": cluster.monitor_urls,
        "WATTLEDGER_NATS_REPLICAS": str(NODES),
        "WATTLEDGER_POSTGRES_URL": postgres.url(database),
    }


def _environment_file(file: Path, settings: Mapping[str, str]) -> Path:
    """Written for its owner only: it has PostgreSQL's password."""
    file.unlink(missing_ok=True)
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in settings.items()]
    return secret_file(file, "".join(lines).encode())


def main() -> int:
    """Run the cluster until it is stopped; a node that dies starts again. 1 when PostgreSQL dies."""
    folder = Path(sys.argv[1])
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    with ExitStack() as cleanup:
        postgres = PostgresServer(private_folder(folder) / "postgres")
        cleanup.callback(postgres.stop)
        postgres.ensure_database(_DATABASE)
        cluster = NatsCluster(folder)
        cleanup.callback(cluster.stop)
        file = _environment_file(folder / "env", settings_of(cluster, postgres))
        cleanup.callback(file.unlink)
        print(f"three NATS nodes and PostgreSQL run; their data is in {folder.resolve()}")
        print(f"to use them, in another terminal:  . {os.path.relpath(file)}    stop: Ctrl-C", flush=True)
        while not stopping.wait(_LOOK_S):
            if not postgres.child.alive:
                print(f"{postgres.child.name} died; see {postgres.child.log}", file=sys.stderr)
                return 1
            for which, node in enumerate(cluster.children):
                if not node.alive:
                    print(
                        f"{node.name} died (see {node.log}); it starts again in {_AGAIN_S:.0f} s", flush=True
                    )
                    stopping.wait(_AGAIN_S)
                    cluster.start(which)
    return 0


if __name__ == "__main__":
    sys.exit(main())
