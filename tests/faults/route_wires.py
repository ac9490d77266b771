"""The wires between a cluster's nodes: a node can be cut off from the others while clients still reach it."""

from __future__ import annotations

import re
import socket
import threading
from typing import Final

from tests.faults.relay import end

_CHUNK: Final = 1 << 16
_WHO: Final = re.compile(rb'"server_name":"n(\d)"')


class RouteWires:
    """A listener for each node, which passes on to it what the others send, and knows who they are.

    A node that is cut off is not told so: its connections stay, and carry nothing, as when a cable is pulled.
    """

    def __init__(self) -> None:
        self._listening: dict[tuple[int, int], socket.socket] = {}
        self._cut: set[int] = set()
        self._open: list[_Wire] = []
        self._lock = threading.Lock()

    def port(self, node: int, behind: int) -> int:
        """Where `node` is reached, which listens on the port `behind`."""
        listening = self._listening.get((node, behind))
        if listening is None:
            listening = self._listening[node, behind] = socket.create_server(("127.0.0.1", 0))
            threading.Thread(target=self._accept, args=(listening, node, behind), daemon=True).start()
        return int(listening.getsockname()[1])

    def _accept(self, listening: socket.socket, node: int, behind: int) -> None:
        while True:
            try:
                near, _ = listening.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", behind))
            except OSError:
                near.close()
                continue
            wire = _Wire(near, far, node)
            with self._lock:
                self._open.append(wire)
            threading.Thread(target=self._pass, args=(wire, near, far), daemon=True).start()
            threading.Thread(target=self._pass, args=(wire, far, near), daemon=True).start()

    def _pass(self, wire: _Wire, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(_CHUNK):
                if source is wire.near and wire.caller is None and (found := _WHO.search(data)):
                    wire.caller = int(found[1])
                if not self._cut & {wire.caller, wire.node}:
                    target.sendall(data)
                else:
                    wire.broken = True
        except OSError:
            pass
        wire.end()

    def cut(self, node: int) -> None:
        """From now on nothing reaches the node or comes from it, but what clients say and hear."""
        self._cut = {node}

    def mend(self) -> None:
        """Connections that lost something end; the nodes make new ones."""
        self._cut = set()
        with self._lock:
            for wire in self._open:
                if wire.broken:
                    wire.end()
            self._open = [wire for wire in self._open if not wire.broken]

    def close(self) -> None:
        for listening in self._listening.values():
            end(listening)
        for wire in self._open:
            wire.end()


class _Wire:
    def __init__(self, near: socket.socket, far: socket.socket, node: int) -> None:
        self.near, self.far, self.node = near, far, node
        self.caller: int | None = None
        self.broken = False

    def end(self) -> None:
        end(self.near)
        end(self.far)
