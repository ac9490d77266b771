"""One market served until a signal comes: HTTP, and the drop folders when there are any."""

from __future__ import annotations

import asyncio
import signal
import socket
from typing import Final

import uvicorn

from adapters.http.server import Server
from adapters.reference_market.app import create_app
from adapters.reference_market.drop_folder import DropFolder
from adapters.reference_market.faults import Faults
from adapters.reference_market.market import Market
from adapters.reference_market.wire import Wire

_GRACE_S: Final = 1
_LOOK_S: Final = 0.2


async def serve(
    market: Market, faults: Faults, admin_token: str | None, listener: socket.socket, drop: DropFolder | None
) -> None:
    """Answer on a listening socket until SIGINT or SIGTERM.

    Raises:
        OSError: a drop folder cannot be read or written.
    """
    wire = Wire(faults)
    app = wire.losing(create_app(market, faults, admin_token))
    server = Server(
        uvicorn.Config(
            app,
            http=wire.protocol(),
            ws="none",
            access_log=False,
            server_header=False,
            log_level="warning",
            timeout_graceful_shutdown=_GRACE_S,
        )
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.stop)
    async with asyncio.TaskGroup() as group:
        looking = None if drop is None else group.create_task(_look(drop))
        await server.serve(sockets=[listener])
        if looking is not None:
            looking.cancel()


async def _look(drop: DropFolder) -> None:
    while True:
        drop.turn()
        await asyncio.sleep(_LOOK_S)
