"""A receiver of webhooks on this machine, which answers as it is told and checks every signature."""

from __future__ import annotations

import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook as Verifier

from adapters.live.message import LiveMessage, decode


class Receiver:
    """`answers` are the next statuses, then 200 for ever; `heard` is what was verified and taken."""

    def __init__(self, secret: str = "") -> None:
        self.secret = secret
        self.answers: deque[int] = deque()
        self.heard: list[LiveMessage] = []
        self.attempts: list[str] = []
        self.pause_s = 0.0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.hear(self)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook?for=desk"

    def hear(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["content-length"]))
        headers = dict(handler.headers.items())
        Verifier(self.secret).verify(body, headers)
        message = decode(body)
        assert headers["webhook-id"] == message.id
        assert handler.path == "/hook?for=desk"
        assert handler.headers["host"] == f"127.0.0.1:{self.port}"
        self.attempts.append(message.id)
        time.sleep(self.pause_s)
        status = self.answers.popleft() if self.answers else 200
        if status < 300:
            self.heard.append(message)
        handler.send_response(status)
        if 300 <= status < 400:
            handler.send_header("location", f"http://127.0.0.1:{self.port}/elsewhere")
        handler.send_header("content-length", "0")
        handler.end_headers()

    def wait(self, count: int, timeout: float = 10.0) -> list[LiveMessage]:
        give_up = time.monotonic() + timeout
        while len(self.heard) < count and time.monotonic() < give_up:
            time.sleep(0.01)
        return list(self.heard)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
