"""The network as the faults have it: connections reset or left hanging, answers lost on the way back."""

from __future__ import annotations

import asyncio
from typing import Final, cast

from litestar.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from adapters.reference_market.faults import Faults

LOSE: Final = "reference-market-lose-answer"
"""The header by which a handler says that its answer shall not arrive; it never leaves the process."""

_LOSE_HEADER: Final = (LOSE.encode(), b"1")


class Wire:
    """The open connections of one server, by the client's address."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._transports: dict[tuple[str, int], asyncio.Transport] = {}

    def protocol(self) -> type[H11Protocol]:
        """The connection class that uvicorn is to use."""
        wire = self

        class Connection(H11Protocol):
            _held = b""

            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                outage = wire.faults.outage()
                if outage and outage[0] == "refuse":
                    transport.abort()
                elif self.client is not None:
                    wire._transports[self.client] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                if self.client is not None:
                    wire._transports.pop(self.client, None)
                super().connection_lost(exc)

            def data_received(self, data: bytes) -> None:
                outage = wire.faults.outage()
                if self._held:
                    self._held += data
                elif outage is None:
                    super().data_received(data)
                elif outage[0] == "refuse":
                    self.transport.abort()
                else:
                    self._held = data
                    self.loop.call_later(outage[1], self._release)

            def _release(self) -> None:
                outage = wire.faults.outage()
                if outage is not None:
                    self.loop.call_later(outage[1], self._release)
                    return
                held, self._held = self._held, b""
                if not self.transport.is_closing():
                    super().data_received(held)

        return Connection

    def losing(self, app: ASGIApp) -> ASGIApp:
        """The application, with the answers that are to be lost cut off before their first byte."""

        async def losing(scope: Scope, receive: Receive, send: Send) -> None:
            lost = False

            async def sent(message: Message) -> None:
                nonlocal lost
                if message["type"] == "http.response.start" and _LOSE_HEADER in message["headers"]:
                    lost = True
                    self._cut(scope)
                if not lost:
                    await send(message)

            await app(scope, receive, sent)

        return cast("ASGIApp", losing)

    def _cut(self, scope: Scope) -> None:
        client = scope["client"]
        assert client is not None, "a TCP connection has a client's address"
        self._transports[client[0], client[1]].abort()
