"""The server as a process: it answers, and a signal ends it so that the caller's cleanup runs."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

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


def test_a_taken_port_is_an_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-c", PROGRAM, str(taken.getsockname()[1])]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode != 0
    assert done.stdout == "cleaned up\n"
