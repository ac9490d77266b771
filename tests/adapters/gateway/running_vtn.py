"""Our VTN behind a real port, with a clock that a test moves, and a door in front that can misbehave."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from adapters.gateway.openadr3.vtn import Tokens, VtnClient, vtn_app
from adapters.gateway.openadr3.vtn_session import VtnAccess, VtnSession
from adapters.gateway.openadr3.vtn_store import Caller, VtnStore
from adapters.http.server import Server, server

BASE = "/openadr3/3.1.1"
BL = VtnClient("bl-1", "bl-secret", "bl")
VEN = VtnClient("ven-1", "ven-secret", "ven")
OTHER = VtnClient("ven-2", "other-secret", "ven")
BL_CALLER = Caller("bl-1", "bl")
VEN_CALLER = Caller("ven-1", "ven")


class Clock:
    """The real time, shifted."""

    def __init__(self) -> None:
        self.shift = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.shift


Intercept = Callable[[dict[str, object]], tuple[int, list[tuple[bytes, bytes]], bytes] | None]


class RunningVtn:
    """`intercept` sees each request's scope first and may answer in the VTN's place."""

    def __init__(self, url: str, store: VtnStore, tokens: Tokens, clock: Clock) -> None:
        self.url = url
        self.store = store
        self.tokens = tokens
        self.clock = clock
        self.intercept: Intercept | None = None
        self.requests: list[str] = []

    def access(self, client: VtnClient = VEN, **changes: object) -> VtnAccess:
        fields = {"url": self.url, "client_id": client.client_id, "client_secret": client.client_secret}
        return VtnAccess(**(fields | {"timeout_s": 5.0} | changes))  # type: ignore[arg-type]

    def session(self, client: VtnClient = VEN, **changes: object) -> VtnSession:
        return VtnSession(self.access(client, **changes), Clock(), pause=lambda _: None)


@contextmanager
def running_vtn() -> Iterator[RunningVtn]:
    """A VTN on a free port of this machine."""
    clock = Clock()
    store = VtnStore(clock)
    tokens = Tokens((BL, VEN, OTHER), clock, ttl_s=3600)
    app = vtn_app(store, tokens, BASE)
    vtn = RunningVtn("", store, tokens, clock)

    async def door(scope: dict[str, object], receive: object, send: Callable[..., object]) -> None:
        if scope["type"] == "http":
            vtn.requests.append(f"{scope['method']} {str(scope['path']).removeprefix(BASE)}")
            instead = None if vtn.intercept is None else vtn.intercept(scope)
            if instead is not None:
                status, headers, body = instead
                await send({"type": "http.response.start", "status": status, "headers": headers})  # type: ignore[misc]
                await send({"type": "http.response.body", "body": body})  # type: ignore[misc]
                return
        await app(scope, receive, send)  # type: ignore[arg-type]

    running = server(door, "127.0.0.1", 0)  # type: ignore[arg-type]
    thread = threading.Thread(target=lambda: asyncio.run(running.serve()), daemon=True)
    thread.start()
    _wait(running)
    vtn.url = f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}{BASE}"
    try:
        yield vtn
    finally:
        running.stop()
        thread.join(10)


def _wait(running: Server) -> None:
    until = datetime.now(UTC) + timedelta(seconds=10)
    while not running.started:
        assert datetime.now(UTC) < until, "the VTN does not start"
        threading.Event().wait(0.02)
