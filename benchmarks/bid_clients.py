"""Clients that send prepared bids over HTTP, in a process of their own: `python -m benchmarks.bid_clients`.

The load comes as JSON on standard input, and what was measured leaves as JSON on standard output. A client
is a connection and some forty lines of asyncio, so that the program measured and not its measure is busy.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from typing import Final, cast

import msgspec
import uvloop

NAME: Final = b"bid-to-be-named"
"""What stands in a body for the bid's id."""
_ANSWER_S: Final = 60.0
_CREATED: Final = b"HTTP/1.1 201 "
_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length: "


class Client(msgspec.Struct, frozen=True):
    """One connection: its key, the bids' ids and their body with `NAME` in it."""

    secret: str
    body: bytes
    names: tuple[str, ...]


class Load(msgspec.Struct, frozen=True):
    """`every_s`: each client plans a bid so often, whether or not the one before was answered, and the
    clients are spread over that time; without it each sends as soon as it was answered."""

    port: int
    clients: tuple[Client, ...]
    every_s: float | None = None


class Measured(msgspec.Struct, frozen=True):
    """Each bid's seconds, from when it was planned to its whole answer; what the clients' process used."""

    took_s: tuple[float, ...]
    elapsed_s: float
    cpu_s: float


def measured(load: Load) -> Measured:
    """What a process of clients measures.

    Raises:
        RuntimeError: a bid was not accepted.
    """
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.bid_clients"],
        input=msgspec.json.encode(load),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    return msgspec.json.decode(done.stdout, type=Measured)


class _Connection(asyncio.Protocol):
    """Sends one request at a time and reads its answer, which has a content-length."""

    def __init__(self) -> None:
        self._received = b""
        self._answered: asyncio.Future[bytes] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(exc or ConnectionError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._received += data
        head = self._received.find(_END)
        if head < 0:
            return
        at = self._received.lower().index(_LENGTH) + len(_LENGTH)
        whole = head + len(_END) + int(self._received[at : self._received.index(b"\r\n", at)])
        if len(self._received) >= whole:
            assert self._answered is not None
            answer, self._received = self._received, b""
            self._answered.set_result(answer)

    async def ask(self, request: bytes) -> None:
        """Raises:
        RuntimeError: the bid was not accepted."""
        assert self._transport is not None
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        answer = await self._answered
        if not answer.startswith(_CREATED):
            raise RuntimeError(answer.decode())


async def _run(load: Load) -> Measured:
    loop = asyncio.get_running_loop()
    opened = [(await loop.create_connection(_Connection, "127.0.0.1", load.port))[1] for _ in load.clients]
    requests = [[_request(one, name) for name in one.names] for one in load.clients]
    began, cpu = time.perf_counter(), time.process_time()
    took: list[float] = []

    async def client(number: int) -> None:
        planned = began
        for count, request in enumerate(requests[number]):
            if load.every_s is None:
                planned = time.perf_counter()
            else:
                planned = began + load.every_s * (count + number / len(requests))
                await asyncio.sleep(planned - time.perf_counter())
            await opened[number].ask(request)
            took.append(time.perf_counter() - planned)

    async with asyncio.timeout(_ANSWER_S), asyncio.TaskGroup() as clients:
        for number in range(len(requests)):
            clients.create_task(client(number))
    return Measured(tuple(took), time.perf_counter() - began, time.process_time() - cpu)


def _request(client: Client, name: str) -> bytes:
    body = client.body.replace(NAME, name.encode(), 1)
    head = (
        "POST /v1/bids HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {client.secret}\r\nIdempotency-Key: {name}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def main() -> None:
    """Send the load that standard input states."""
    load = msgspec.json.decode(sys.stdin.buffer.read(), type=Load)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.stdout.buffer.write(msgspec.json.encode(runner.run(_run(load))))


if __name__ == "__main__":
    main()
