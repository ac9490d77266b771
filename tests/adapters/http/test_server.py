"""The server as a process: it answers, and a signal ends it so that the caller's cleanup runs."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.stack import NatsServer

ROOT = Path(__file__).parents[3]

PROGRAM = """
import sys
from litestar import Litestar, get
from litestar.response import ServerSentEvent
from adapters.http.server import serve
import asyncio

@get("/")
async def hello() -> str:
    return "hello"

async def endless():
    while True:
        yield "tick"
        await asyncio.sleep(0.05)

@get("/events")
async def events() -> ServerSentEvent:
    return ServerSentEvent(endless())

try:
    serve(Litestar([hello, events], openapi_config=None), "127.0.0.1", int(sys.argv[1]))
finally:
    print("cleaned up", flush=True)
"""


ON_THE_LOOP_OF_NATS = """
import asyncio
import sys
from pathlib import Path
from litestar import Litestar, get
from adapters.http.server import serve
from adapters.nats.client import NatsClient

client = NatsClient(sys.argv[2], seed_file=Path(sys.argv[3]), name="served")

async def asked() -> int:
    return client.epoch

@get("/awaited")
async def awaited() -> int:
    return await client.awaited(asked())

@get("/blocking", sync_to_thread=True)
def blocking() -> int:
    return client.run(asked())

@get("/slow", sync_to_thread=True)
def slow() -> str:
    client.run(asyncio.sleep(1))
    return "to the end"

try:
    serve(Litestar([awaited, blocking, slow], openapi_config=None), "127.0.0.1", int(sys.argv[1]), client)
finally:
    assert client.run(asked()) == 1
    client.close()
    print("cleaned up", flush=True)
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize(("number", "path"), [(signal.SIGTERM, "/events"), (signal.SIGINT, "/")])
def test_a_signal_ends_the_server_and_the_cleanup_runs(number: signal.Signals, path: str) -> None:
    """Also while a client holds a stream open: after the grace of 3 s it is cut."""
    port = free_port()
    command = [sys.executable, "-c", PROGRAM, str(port)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            address = f"http://127.0.0.1:{port}"
            for _ in range(200):
                try:
                    assert httpx.get(f"{address}/").text == "hello"
                    break
                except httpx.ConnectError:
                    time.sleep(0.05)
            with httpx.stream("GET", f"{address}{path}", timeout=20) as stream:
                chunks = stream.iter_raw()
                assert next(chunks) in {b"hello", b"data: tick\r\n\r\n"}
                begun = time.monotonic()
                process.send_signal(number)
                out, errors = process.communicate(timeout=15)
                assert time.monotonic() - begun < (6 if path == "/events" else 2)
            assert (process.returncode, out) == (0, "cleaned up\n"), errors
        finally:
            process.kill()


def test_it_runs_on_the_loop_of_nats_until_a_signal_and_leaves_the_connection(
    nats_server: NatsServer,
) -> None:
    """Who awaits, who blocks in a thread, and who is still at work when the signal comes are answered."""
    port = free_port()
    connection = [nats_server.url, str(nats_server.app_seed)]
    command = [sys.executable, "-c", ON_THE_LOOP_OF_NATS, str(port), *connection]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            address = f"http://127.0.0.1:{port}"
            _until_it_answers(f"{address}/awaited")
            assert [httpx.get(f"{address}/{path}").text for path in ("awaited", "blocking")] == ["1", "1"]
            with ThreadPoolExecutor(1) as asking:
                slow = asking.submit(httpx.get, f"{address}/slow", timeout=20)
                time.sleep(0.5)
                process.send_signal(signal.SIGTERM)
                assert slow.result(20).text == "to the end"
            out, errors = process.communicate(timeout=15)
            assert (process.returncode, out) == (0, "cleaned up\n"), errors
        finally:
            process.kill()


def test_a_taken_port_ends_it_on_the_loop_of_nats_too(nats_server: NatsServer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port, connection = taken.getsockname()[1], [nats_server.url, str(nats_server.app_seed)]
        command = [sys.executable, "-c", ON_THE_LOOP_OF_NATS, str(port), *connection]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode != 0
    assert done.stdout == "cleaned up\n"


def _until_it_answers(address: str) -> None:
    for _ in range(200):
        try:
            httpx.get(address)
        except httpx.ConnectError:
            time.sleep(0.05)
        else:
            return


def test_a_taken_port_is_an_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-c", PROGRAM, str(taken.getsockname()[1])]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode != 0
    assert done.stdout == "cleaned up\n"
