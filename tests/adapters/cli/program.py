"""Commands of `wattledger` in processes of their own, each forked from one that has the program loaded.

To load the program anew costs most commands more than what they do. Which group of commands is loaded, and
what it brings along, each command decides itself, as if it had been started by hand.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from adapters import main as program

ROOT = Path(__file__).parents[3]
_REQUEST_BYTES = 1 << 17


class Command:
    """One that runs; what it prints is kept, so that nobody needs to read along."""

    def __init__(self, arguments: tuple[str, ...], environment: Mapping[str, str]) -> None:
        self.arguments = arguments
        self.returncode: int | None = None
        self._printed = ("", "")
        self._files = [os.memfd_create("out"), os.memfd_create("errors")]
        self._told, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = json.dumps([arguments, dict(environment)]).encode()
        assert len(request) < _REQUEST_BYTES
        with theirs:
            socket.send_fds(_loaded(), [request], [*self._files, theirs.fileno()])
        self.pid = int(self._told.recv(16))

    def poll(self) -> int | None:
        """Its exit code, once it has one."""
        return self._wait(0.0)

    def communicate(self, timeout: float) -> tuple[str, str]:
        """What it printed, when it has ended.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        if self._wait(timeout) is None:
            raise subprocess.TimeoutExpired(self.arguments, timeout)
        return self._printed

    def send_signal(self, number: signal.Signals) -> None:
        """Unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it if it has not ended, and wait for that."""
        self.send_signal(signal.SIGKILL)
        self._wait(10)

    def _wait(self, seconds: float) -> int | None:
        if self.returncode is None:
            self._told.settimeout(seconds)
            try:
                told = self._told.recv(16)
            except (BlockingIOError, TimeoutError):
                return None
            assert told, "its keeper died"
            self.returncode = int(told)
            self._told.close()
            out, errors = map(_taken, self._files)
            self._printed = (out, errors)
        return self.returncode


def _taken(file: int) -> str:
    with open(file, "rb") as printed:
        printed.seek(0)
        return printed.read().decode()


def started(state: Path, *arguments: str, **settings: str) -> Command:
    """A command on a data folder, with no other settings than these."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WATTLEDGER_")}
    environment |= {f"WATTLEDGER_{name.upper()}": value for name, value in settings.items()}
    return Command(arguments, environment | {"WATTLEDGER_STATE": str(state)})


def wattledger(
    state: Path, *arguments: str, timeout: float = 120, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    command = started(state, *arguments, **settings)
    try:
        out, errors = command.communicate(timeout)
    finally:
        command.kill()
    assert command.returncode is not None
    return subprocess.CompletedProcess(arguments, command.returncode, out, errors)


@cache
def _loaded() -> socket.socket:
    """Where commands are asked for, of a process that ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.adapters.cli.program", str(theirs.fileno())],
            cwd=ROOT, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()],
        )  # fmt: skip

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _serve(asked: socket.socket) -> None:
    """Fork for each request until nobody can ask any more; return in each command's process, to run it."""
    while True:
        request, files, *_ = socket.recv_fds(asked, _REQUEST_BYTES, 3)
        if not request:
            os._exit(0)
        if os.fork():
            for file in files:
                os.close(file)
            _reap()
            continue
        asked.close()
        told = socket.socket(fileno=files.pop())
        command = os.fork()
        if not command:
            told.close()
            _become(json.loads(request), files)
            return
        _keep(command, told)


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return


def _keep(command: int, told: socket.socket) -> None:
    """Tell its id, and then how it ended, unless nobody listens any more."""
    with suppress(BrokenPipeError):
        told.sendall(str(command).encode())
    _, status = os.waitpid(command, 0)
    with suppress(BrokenPipeError):
        told.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become(request: tuple[list[str], dict[str, str]], files: list[int]) -> None:
    arguments, environment = request
    for target, file in enumerate(files, 1):
        os.dup2(file, target)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv = [program.__file__, *arguments]


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
    program.main()
