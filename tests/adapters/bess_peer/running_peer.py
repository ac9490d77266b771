"""The program started as a user starts it, and its control port."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples" / "devices"
PROGRAM = (sys.executable, "-m", "adapters.bess_peer")


class RunningPeer:
    def __init__(self, process: subprocess.Popen[str], ports: list[int], control: int) -> None:
        self.process = process
        self.ports = ports
        self._control = socket.create_connection(("127.0.0.1", control), timeout=10)
        self._lines = self._control.makefile("rb")

    def ask(self, **asked: object) -> dict[str, Any]:
        """One line to the control port, and its answer."""
        self._control.sendall(json.dumps(asked).encode() + b"\n")
        answer: dict[str, Any] = json.loads(self._lines.readline())
        return answer

    def fault(self, kind: str, **given: object) -> None:
        assert self.ask(do="fault", storage=0, fault={"kind": kind} | given) == {"ok": True}

    def clear(self) -> None:
        assert self.ask(do="clear") == {"ok": True}

    def truth(self, storage: int = 0) -> dict[str, Any]:
        told: dict[str, Any] = self.ask(do="tell", storage=storage)["storages"][0]
        return told

    def close(self) -> None:
        self._lines.close()
        self._control.close()


@contextmanager
def peer(profile: str, *arguments: str) -> Iterator[RunningPeer]:
    free = ("--port", "0", "--control", "0")
    process = subprocess.Popen(
        [*PROGRAM, "--profile", str(EXAMPLES / f"{profile}.toml"), *free, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        running = RunningPeer(process, told["ports"], told["control"])
        yield running
        running.close()
    finally:
        process.terminate()
        process.communicate(timeout=10)
    assert process.returncode == 0
