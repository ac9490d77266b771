"""A book's API on a real port, and a listener of server-sent events written from their specification."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx
import msgspec

from adapters.http.server import Server, server
from tests.adapters.http.conftest import Api


class Event(NamedTuple):
    """One dispatched event. `last_id` is the id that the listener would come back with."""

    type: str
    data: dict[str, Any]
    last_id: str


class Listening:
    """An open stream: WHATWG HTML 9.2.6, as far as a server of ours goes."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.last_id = ""
        self.comments: list[str] = []
        self._lines = response.iter_lines()

    def events(self) -> Iterator[Event]:
        """Until the stream ends."""
        kind, data = "", list[str]()
        for line in self._lines:
            if not line:
                if data:
                    yield Event(kind or "message", msgspec.json.decode("\n".join(data)), self.last_id)
                kind, data = "", []
                continue
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            match field:
                case "":
                    self.comments.append(value)
                case "event":
                    kind = value
                case "data":
                    data.append(value)
                case "id":
                    self.last_id = value

    def take(self, count: int) -> list[Event]:
        found = self.events()
        return [next(found) for _ in range(count)]


class RunningServer:
    """The API served by uvicorn in a thread of its own."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.app = api.app()
        self.server: Server = server(self.app, "127.0.0.1", 0)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        give_up = time.monotonic() + 10
        while not self.server.started:
            assert time.monotonic() < give_up
            time.sleep(0.01)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self.server.serve())

    @contextmanager
    def listening(
        self, role: str = "market_desk", *, last_id: str | None = None, **parameters: object
    ) -> Iterator[Listening]:
        """A stream from now on, or after `last_id`."""
        headers = {"Authorization": f"Bearer {self.api.secret(role)}"}  # type: ignore[arg-type]
        if last_id is not None:
            headers["Last-Event-ID"] = last_id
        with httpx.stream(
            "GET",
            f"{self.url}/v1/live",
            headers=headers,
            params=parameters,
            timeout=20,  # type: ignore[arg-type]
        ) as response:
            assert response.status_code == 200, response.read()
            assert response.headers["content-type"].startswith("text/event-stream")
            yield Listening(response)

    def stop(self) -> float:
        """Stop gracefully; answers after how many seconds it had ended."""
        begun = time.monotonic()
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self.server.stop)
            self._thread.join(20)
        assert not self._thread.is_alive()
        return time.monotonic() - begun
