"""A real broker: nats-server with its MQTT port, as a process of its own."""

from __future__ import annotations

import signal
import sysconfig
from pathlib import Path
from typing import Final

from adapters.embedded.child import Child, accepts, free_ports, on_free_ports, private_folder

_CONFIG: Final = """\
listen: "127.0.0.1:{port}"
server_name: "broker"
jetstream {{ store_dir: "{store}" }}
mqtt {{ host: "127.0.0.1", port: {mqtt} }}
"""


class Broker:
    def __init__(self, folder: Path) -> None:
        self.folder = private_folder(folder)
        self.port = self._nats = 0
        on_free_ports(self._begin, self.folder / "broker.log")

    def _begin(self) -> None:
        self._nats, self.port = free_ports(2)
        self.start()

    def start(self) -> None:
        config = self.folder / "broker.conf"
        config.write_text(_CONFIG.format(port=self._nats, mqtt=self.port, store=self.folder / "store"))
        self.child = Child(
            "broker",
            [str(Path(sysconfig.get_path("scripts")) / "nats-server"), "-c", str(config)],
            self.folder / "broker.log",
            stop_signal=signal.SIGTERM,
            grace=10,
            lock=self.folder / "lock",
        )
        self.child.wait_until(lambda: accepts(self.port))

    def stop(self) -> None:
        self.child.stop()
