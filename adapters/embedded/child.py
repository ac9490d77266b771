"""A server that runs as our child: started, probed, stopped, and never outliving us."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final

_PR_SET_PDEATHSIG: Final = 1
_PREDECESSOR_SECONDS: Final = 60.0
_PORT_ATTEMPTS: Final = 5
_LIBC: Final = ctypes.CDLL(None)


class ChildFailed(RuntimeError):
    """A child server did not start, or died; its log says why."""


class Child:
    """One server process.

    It has a session of its own, so Ctrl-C reaches only us, and the kernel sends it `stop_signal` if
    we die, even by kill -9 (prctl PR_SET_PDEATHSIG; start it from the main thread). While it or
    anything it started lives, it holds `lock`: a predecessor that is still shutting down after its
    owner's death is waited for, so that two servers never work in one folder.

    Raises:
        ChildFailed: the predecessor did not end in time.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        stop_signal: signal.Signals,
        grace: float,
        lock: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._stop_signal = stop_signal
        self._grace = grace
        self._command = tuple(command)
        self._lock = lock
        self.start()

    def start(self, patience_s: float = _PREDECESSOR_SECONDS) -> None:
        """Start it, or start it again after it was stopped or killed, with the same command.

        Raises:
            ChildFailed: the predecessor did not end in `patience_s`.
        """
        stop_signal = self._stop_signal

        def detach() -> None:
            os.setsid()
            _LIBC.prctl(_PR_SET_PDEATHSIG, int(stop_signal))

        with ExitStack() as files:
            sink = files.enter_context(self.log.open("ab"))
            self._written = sink.tell()
            held = None if self._lock is None else files.enter_context(self._lock.open("ab"))
            if held is not None:
                _wait_for(held, self.name, patience_s)
            self.process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                preexec_fn=detach,
                pass_fds=() if held is None else (held.fileno(),),
            )

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def wait_until(self, ready: Callable[[], bool], seconds: float = 30.0, pause: float = 0.02) -> None:
        """Block until `ready()` is true, asked again after each `pause`.

        Raises:
            ChildFailed: the process ended, or the time ran out.
        """
        give_up = time.monotonic() + seconds
        while not ready():
            if not self.alive:
                raise ChildFailed(f"{self.name} ended with {self.process.returncode}:\n{self._log_tail()}")
            if time.monotonic() > give_up:
                self.stop()
                raise ChildFailed(f"{self.name} was not ready within {seconds} s:\n{self._log_tail()}")
            time.sleep(pause)
        # What answered may have been another process on a port that this one did not get.
        if not self.alive:
            raise ChildFailed(f"{self.name} ended with {self.process.returncode}:\n{self._log_tail()}")

    def last_words(self) -> str:
        """The last line that it wrote before it ended; of other starts' lines none."""
        said = self.log.read_bytes()[self._written :].decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(said) if line.strip()), "it said nothing")

    def _log_tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-8:])

    def stop(self) -> None:
        """Ask it to stop, then insist."""
        if self.alive:
            self.process.send_signal(self._stop_signal)
            try:
                self.process.wait(self._grace)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()

    def kill(self) -> None:
        """kill -9 of the server and whatever it started."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def _wait_for(lock: BinaryIO, name: str, patience_s: float) -> None:
    give_up = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up:
                raise ChildFailed(f"another {name} still works in {Path(lock.name).parent}") from None
            time.sleep(0.02)
        else:
            return


def free_ports(count: int) -> list[int]:
    """Different loopback ports that nobody listens on at this moment."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    return free_ports(1)[0]


def kept_ports(file: Path, count: int) -> list[int]:
    """The ports that `keep_ports` wrote there, so that who knows them finds the server again; free ones where
    that is the first time, or another has one of them now."""
    try:
        kept = [int(word) for word in file.read_text().split()]
    except (FileNotFoundError, ValueError):
        return free_ports(count)
    return kept if len(kept) == count and all(map(_free, kept)) else free_ports(count)


def keep_ports(file: Path, ports: Sequence[int]) -> None:
    """For the next start of the server."""
    partial = file.with_name(file.name + ".new")
    partial.write_text(" ".join(map(str, ports)) + "\n")
    partial.rename(file)


def _free(port: int) -> bool:
    with socket.socket() as probe:
        # What is left of the last server's connections does not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
    return True


def on_free_ports(start: Callable[[], None], log: Path) -> None:
    """Start a server on ports that it chooses anew when another process was quicker to take them.

    Raises:
        ChildFailed: what `start` raises for any other reason, or for the last of several attempts.
    """
    for left in reversed(range(_PORT_ATTEMPTS)):
        written = log.stat().st_size if log.exists() else 0
        try:
            start()
        except ChildFailed:
            with log.open("rb") as said:
                said.seek(written)
                taken = b"already in use" in said.read()
            if not taken or not left:
                raise
        else:
            return


def accepts(port: int) -> bool:
    """Whether something listens on the loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def secret_file(path: Path, content: bytes) -> Path:
    """The file, written on first use: whole or not at all, readable by its owner only."""
    if not path.exists():
        partial = path.with_name(path.name + ".new")
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
    return path


def private_folder(path: Path) -> Path:
    """The folder, made if needed, readable by its owner only."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)
    return path
