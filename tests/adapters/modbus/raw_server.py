"""A Modbus TCP server whose answer to each request is the test's, byte by byte."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple, cast


class Asked(NamedTuple):
    number: int
    transaction: int
    unit: int
    pdu: bytes

    def framed(self, pdu: bytes) -> bytes:
        """A proper answer."""
        return struct.pack(">HHHB", self.transaction, 0, len(pdu) + 1, self.unit) + pdu

    def done(self) -> bytes:
        """The proper answer: registers that hold their own address, or the echo of a write."""
        function, address, count = struct.unpack_from(">BHH", self.pdu)
        if function in (6, 16):
            return self.framed(self.pdu[:5])
        data = struct.pack(f">{count}H", *range(address, address + count))
        return self.framed(bytes((function, len(data))) + data)


Behave = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


class RawServer:
    """`asked`: every request that came; `endings`: how each connection ended at the other side."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked: list[Asked] = []
        self.endings: list[str] = []
        self.first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the first request is there."""


@asynccontextmanager
async def raw_server(behave: Behave) -> AsyncIterator[RawServer]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(cast("asyncio.Task[None]", asyncio.current_task()))
        try:
            while True:
                transaction, _, length, unit = struct.unpack(">HHHB", await reader.readexactly(7))
                asked = Asked(len(running.asked), transaction, unit, await reader.readexactly(length - 1))
                running.asked.append(asked)
                if not asked.number:
                    running.first.set_result(None)
                await behave(asked, writer)
        except (asyncio.IncompleteReadError, ConnectionResetError, BrokenPipeError) as error:
            running.endings.append(type(error).__name__)
        except asyncio.CancelledError:
            running.endings.append("the test's end")
        finally:
            writer.close()

    tasks: list[asyncio.Task[None]] = []
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    running = RawServer(server.sockets[0].getsockname()[1])
    try:
        yield running
    finally:
        server.close()
        for task in tasks:
            task.cancel()


async def properly(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(asked.done())
