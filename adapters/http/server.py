"""Serving the API with uvicorn until a signal comes; the caller's own cleanup follows."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import uvicorn
import uvloop
from litestar import Litestar

_GRACE_S: Final = 3
_KEEP_ALIVE_S: Final = 30
_THREADS: Final = 32
"""Handlers block: a few that wait for a settlement must not keep the others from their turn."""


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


def serve(app: Litestar, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM, or until the process's main program ends.

    Raises:
        OSError: the address cannot be taken.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(server(app, host, port)))


async def _serve(running: Server) -> None:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS, "http"))
    if threading.current_thread() is threading.main_thread():
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, running.stop)
    await running.serve()
