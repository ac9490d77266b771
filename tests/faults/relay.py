"""A wire between a client and a server that can lose the server's answers, or be cut."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Final

_CHUNK: Final = 1 << 16


class Relay:
    """Listens on loopback and passes bytes both ways to `port`."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.answers_late_s = 0.0
        self._losing = threading.Event()
        self._marker: bytes | None = None
        self._open: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"nats://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            far = self._reach()
            if far is None:
                near.close()
                continue
            self._open += [near, far]
            threading.Thread(target=self._pass, args=(near, far, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(far, near, True), daemon=True).start()

    def _reach(self) -> socket.socket | None:
        """A connection to the server, which may be coming back."""
        give_up = time.monotonic() + 2
        while time.monotonic() < give_up:
            with contextlib.suppress(OSError):
                return socket.create_connection(("127.0.0.1", self._to))
            time.sleep(0.02)
        return None

    def _pass(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        try:
            while data := source.recv(_CHUNK):
                if not answers and self._marker is not None and self._marker in data:
                    self._losing.set()
                if answers and self._losing.is_set():
                    continue
                if answers and self.answers_late_s:
                    time.sleep(self.answers_late_s)
                target.sendall(data)
        except OSError:
            pass
        for one in (source, target):
            end(one)

    def lose_answers_after(self, marker: bytes) -> None:
        """Once the client has sent `marker`, the server hears but is not heard."""
        self._marker = marker

    def wait_until_lost(self, seconds: float) -> bool:
        return self._losing.wait(seconds)

    def cut(self) -> None:
        """Break every connection; the next ones are whole again."""
        self._marker = None
        self._losing.clear()
        broken, self._open = self._open, []
        for one in broken:
            end(one)

    def close(self) -> None:
        self._listening.close()
        self.cut()


def end(one: socket.socket) -> None:
    """Closing alone would not wake the thread that reads from it."""
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
