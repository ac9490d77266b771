"""The storages of the driven day: a process of its own, with a port each and one for what goes wrong."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from adapters.embedded.child import Child, private_folder
from ledger.refusal import Refused

_ANSWER_S: Final = 10
_END_S: Final = 10


class _Started(msgspec.Struct, frozen=True):
    ports: list[int]
    control: int


class PeerProcess:
    """Running storages, by their number from 0."""

    def __init__(self, ports: list[int], control: socket.socket) -> None:
        self.ports: Final = tuple(ports)
        self._control = control
        self._lines = control.makefile("rb")

    def ask(self, **asked: object) -> dict[str, Any]:
        """One line to the control port (docs/storage-peer.md), and its answer.

        Raises:
            Refused: what it is refused for.
        """
        self._control.sendall(msgspec.json.encode(asked) + b"\n")
        answer: dict[str, Any] = msgspec.json.decode(self._lines.readline())
        if not answer["ok"]:
            raise Refused("demo_drive", f"{answer['code']}: {answer['message']}", place=answer["place"])
        return answer

    def close(self) -> None:
        self._lines.close()
        self._control.close()


@contextmanager
def peer_process(
    folder: Path, profile: Path, meter: Path, *, count: int, soc: int, ahead_ms: int
) -> Iterator[PeerProcess]:
    """Storages with a meter at the grid and one at their AC side, until the block ends.

    Raises:
        ChildFailed: they do not start; with what they say.
    """
    private_folder(folder)
    log = folder / "storages.log"
    log.write_bytes(b"")
    child = Child(
        "storages",
        [
            *(sys.executable, "-m", "adapters.bess_peer", "--profile", str(profile), "--meter", str(meter)),
            *("--storage-meter", str(meter), "--count", str(count), "--port", "0", "--control", "0"),
            *("--soc", str(soc), f"--ahead-ms={ahead_ms}"),
        ],
        log,
        stop_signal=signal.SIGTERM,
        grace=_END_S,
        lock=folder / "process.lock",
    )
    try:
        child.wait_until(lambda: _started(log) is not None)
        started = _started(log)
        assert started is not None, "it was waited for"
        control = socket.create_connection(("127.0.0.1", started.control), timeout=_ANSWER_S)
        peers = PeerProcess(started.ports, control)
        try:
            yield peers
        finally:
            peers.close()
    finally:
        child.stop()


def _started(log: Path) -> _Started | None:
    line = next((line for line in log.read_bytes().splitlines(keepends=True) if line.endswith(b"}\n")), None)
    return None if line is None else msgspec.json.decode(line, type=_Started)
