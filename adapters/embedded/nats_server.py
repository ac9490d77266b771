"""The embedded NATS server: durable on every write, and open to the two identities of `nats_accounts`."""

from __future__ import annotations

import signal
import sysconfig
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Final

from adapters.embedded import unreadable
from adapters.embedded.child import Child, accepts, keep_ports, kept_ports, on_free_ports, private_folder
from adapters.embedded.nats_accounts import NatsAccounts
from adapters.nats.client import NatsClient

MAX_PAYLOAD: Final = 1 << 20
_CONFIG: Final = """\
listen: "127.0.0.1:{port}"
http: "127.0.0.1:{monitor}"
server_name: "{name}"
max_payload: {max_payload}
write_deadline: "30s"
jetstream {{ store_dir: "{store}", sync_interval: always }}
{accounts}"""


class NatsServer:
    """A running NATS server whose data and keys lie under `folder`. It has the same ports each time, while
    nobody else takes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = private_folder(folder)
        self._accounts = NatsAccounts(folder)
        self.app_seed = self._accounts.app_seed
        self.operator_seed = self._accounts.operator_seed
        self.port = self.monitor_port = 0
        on_free_ports(self._begin, self.folder / "server.log")

    def _begin(self) -> None:
        self.port, self.monitor_port = kept_ports(self.folder / "ports", 2)
        self.start()
        keep_ports(self.folder / "ports", (self.port, self.monitor_port))

    def start(self) -> None:
        """Start, or start again on the same ports and data after a stop or a kill.

        Raises:
            Unreadable: it runs without a stream whose files are there, and was stopped.
            ChildFailed: it does not run.
        """
        config = self.folder / "server.conf"
        config.write_text(self._config())
        binary = Path(sysconfig.get_path("scripts")) / "nats-server"
        self.child = Child(
            "NATS",
            [str(binary), "-c", str(config)],
            self.folder / "server.log",
            stop_signal=signal.SIGTERM,
            grace=10,
            lock=self.folder / "lock",
        )
        try:
            self.child.wait_until(self._healthy)
        except unreadable.Unreadable:
            self.child.stop()
            raise

    def _config(self) -> str:
        return _CONFIG.format(
            port=self.port,
            monitor=self.monitor_port,
            name="embedded",
            max_payload=MAX_PAYLOAD,
            store=self.folder / "store",
            accounts=self._accounts.config(),
        )

    def _healthy(self) -> bool:
        # It listens once it has read its streams; before, none is recovered yet.
        listens = accepts(self.port)
        try:
            with urllib.request.urlopen(f"{self.monitor_url}/healthz?details=1", timeout=2) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as unwell:
            if listens:
                unreadable.check(self.folder / "store", unwell.read())
            return False
        except (OSError, HTTPException):
            return False

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def monitor_url(self) -> str:
        return f"http://127.0.0.1:{self.monitor_port}"

    def operator(self) -> NatsClient:
        """A connection that may create and alter streams."""
        return NatsClient(self.url, seed_file=self.operator_seed, name="operator")

    def app(self, name: str = "app") -> NatsClient:
        """A connection with the application's rights."""
        return NatsClient(self.url, seed_file=self.app_seed, name=name)

    def stop(self) -> None:
        self.child.stop()
