"""A process of its own for work that may take seconds and gigabytes: niced, bounded in memory, ended at will.

It imports what it is to run and nothing of the program that asks, which takes longer to import than most
plans to make.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

MEMORY_MIB: Final = 4096
_NICE: Final = 10
_START_S: Final = 60.0
"""Importing what the work needs, on a machine that does much else."""
_END_S: Final = 5.0
_READY: Final = "ready"
_PROGRAM: Final = """\
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.path[:] = {path!r}
from {module} import {name} as serve
from adapters.planning.bounded_process import run
run(serve, {pipe}, {memory_mib})
"""
"""An interrupt at the terminal is for the asker, who ends the process."""


class WorkDied(RuntimeError):
    """The process ended without an answer: our fault, never the input's."""


class BoundedProcess:
    """A process that runs `serve`, a function of a module, on the other end of a pipe.

    It starts at once and imports beside its starter; `ready` waits for that. When its starter has ended, it
    ends as it next reads or writes.
    """

    def __init__(self, serve: Callable[[Connection], None], *, memory_mib: int = MEMORY_MIB) -> None:
        self._pipe, theirs = Pipe()
        program = _PROGRAM.format(
            path=sys.path,
            module=serve.__module__,
            name=serve.__name__,
            pipe=theirs.fileno(),
            memory_mib=memory_mib,
        )
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", program], stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()]
            )
        self._is_ready = False

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def lost(self) -> bool:
        """It was ready, and has ended by itself since."""
        return self._is_ready and self._process.poll() is not None

    @property
    def resident_mib(self) -> int:
        """What it holds in memory; 0 when it has ended."""
        if self._process.poll() is not None:
            return 0
        pages = Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * resource.getpagesize() // 2**20

    def ready(self) -> Connection:
        """The pipe to it, when it is there.

        Raises:
            WorkDied: it did not start.
        """
        if not self._is_ready:
            try:
                told = self._pipe.poll(_START_S)
                self._is_ready = told and self._pipe.recv() == _READY
            except (EOFError, ConnectionError) as gone:
                raise WorkDied(f"it did not start; it {self.ended(gone)}") from None
            if not self._is_ready:
                raise WorkDied(f"it did not start within {_START_S:g} s")
        return self._pipe

    def ended(self, gone: Exception) -> str:
        """How a process ended whose pipe is `gone`: its exit code, below 0 the signal that ended it."""
        return f"ended with {self.end(_END_S)} ({type(gone).__name__})"

    def end(self, patience_s: float = 0.0) -> int:
        """Kill it, unless it ends by itself within `patience_s`; its exit code. It may be ended twice."""
        self._pipe.close()
        try:
            return self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def run(serve: Callable[[Connection], None], pipe: int, memory_mib: int) -> None:
    """In the process: say that it is there, and serve."""
    os.nice(_NICE)
    size = memory_mib * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    ours = Connection(pipe)
    ours.send(_READY)
    serve(ours)
