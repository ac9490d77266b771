"""The embedded NATS server: durable on every write, and two identities.

`operator` creates and alters streams. `app` appends, reads and pulls, and may not call
STREAM.UPDATE, DELETE, PURGE, MSG.DELETE, SNAPSHOT or RESTORE: it is allowed by name only what it
needs. Neither protects against the operating-system user who owns the data folder.
"""

from __future__ import annotations

import os
import signal
import sysconfig
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

import nkeys

from adapters.embedded.child import Child, free_ports, on_free_ports, private_folder, secret_file
from adapters.nats.client import NatsClient

_MAX_PAYLOAD: Final = 1 << 20
_APP_MAY_PUBLISH: Final = (
    "*.*.*",
    "$JS.API.INFO",
    "$JS.API.STREAM.INFO.*",
    "$JS.API.STREAM.MSG.GET.*",
    "$JS.API.DIRECT.GET.>",
    "$JS.API.CONSUMER.CREATE.*",
    "$JS.API.CONSUMER.MSG.NEXT.>",
)
_CONFIG: Final = """\
listen: "127.0.0.1:{port}"
http: "127.0.0.1:{monitor}"
server_name: "{name}"
max_payload: {max_payload}
write_deadline: "30s"
jetstream {{ store_dir: "{store}", sync_interval: always }}
accounts {{
  LEDGER: {{
    jetstream: enabled
    users: [
      {{ nkey: "{operator}" }}
      {{ nkey: "{app}", permissions: {{ publish: [{publish}], subscribe: ["_INBOX.>"] }} }}
    ]
  }}
  SYS: {{ users: [] }}
}}
system_account: SYS
"""


class NatsServer:
    """A running NATS server whose data and keys lie under `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = private_folder(folder)
        self.app_seed = _seed(folder / "app.nk")
        self.operator_seed = _seed(folder / "operator.nk")
        self.port = self.monitor_port = 0
        on_free_ports(self._begin, self.folder / "server.log")

    def _begin(self) -> None:
        self.port, self.monitor_port = free_ports(2)
        self.start()

    def start(self) -> None:
        """Start, or start again on the same ports and data after a stop or a kill."""
        config = self.folder / "server.conf"
        config.write_text(
            _CONFIG.format(
                port=self.port,
                monitor=self.monitor_port,
                name="embedded",
                max_payload=_MAX_PAYLOAD,
                store=self.folder / "store",
                operator=_public(self.operator_seed),
                app=_public(self.app_seed),
                publish=", ".join(f'"{subject}"' for subject in _APP_MAY_PUBLISH),
            )
        )
        binary = Path(sysconfig.get_path("scripts")) / "nats-server"
        self.child = Child(
            "NATS",
            [str(binary), "-c", str(config)],
            self.folder / "server.log",
            stop_signal=signal.SIGTERM,
            grace=10,
            lock=self.folder / "lock",
        )
        self.child.wait_until(self._healthy)

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.monitor_url}/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
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


def _seed(path: Path) -> Path:
    """The nkey seed file, made on first use."""
    return secret_file(path, nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER))


def _public(seed: Path) -> str:
    key: bytes = nkeys.from_seed(seed.read_bytes()).public_key
    return key.decode()
