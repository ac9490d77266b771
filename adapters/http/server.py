"""Serving the API with uvicorn until a signal comes; the caller's own cleanup follows."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import uvicorn
import uvloop
from litestar import Litestar

from adapters.nats.client import NatsClient

_GRACE_S: Final = 3
_KEEP_ALIVE_S: Final = 30
_THREADS: Final = 32
"""Handlers block: a few that wait for a settlement must not keep the others from their turn."""
_SWITCH_S: Final = 0.0005


class Server(uvicorn.Server):
    """A server that leaves signals to us: uvicorn's own handling raises them again, past our cleanup."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """See `uvicorn.Server`."""
        yield

    def stop(self) -> None:
        """End gracefully, endless streams first; asked a second time, at once."""
        state = getattr(self.config.app, "state", {})
        for end in state.get("endings", ()):
            end()
        self.force_exit = self.should_exit
        self.should_exit = True


def server(app: Litestar, host: str, port: int) -> Server:
    """A server that is not running yet; port 0 takes a free one."""
    return Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            timeout_graceful_shutdown=_GRACE_S,
            timeout_keep_alive=_KEEP_ALIVE_S,
            access_log=False,
            server_header=False,
            log_level="warning",
        )
    )


def serve(app: Litestar, host: str, port: int, client: NatsClient | None = None) -> None:
    """Serve until SIGINT or SIGTERM, or until the process's main program ends.

    With a `client` the API runs on its event loop: a question to NATS then costs no other thread's turn, of
    which a command has several to wait for.

    Raises:
        OSError: the address cannot be taken.
    """
    running = server(app, host, port)
    with _stopped_by_signals(running), _switching_often():
        if client is None:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                ended = runner.run(_serve(running))
        else:
            ended = client.run(_serve(running))
    if ended:
        sys.exit(ended)


async def _serve(running: Server) -> int:
    """The exit code that uvicorn asks for: raised here it would end the loop of a client, too."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_THREADS, "http"))
    try:
        await running.serve()
    except SystemExit as asked:
        return asked.code if isinstance(asked.code, int) else 1
    finally:
        await loop.shutdown_default_executor()
    return 0


@contextlib.contextmanager
def _stopped_by_signals(running: Server) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: running.stop()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _switching_often() -> Iterator[None]:
    """A thread that computes gives way sooner than Python's 5 ms: what is awaited has many short turns."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
