"""Work that takes seconds to minutes in a process of its own: bounded in time and memory, niced, once."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Final, NamedTuple, TypeVar

from ledger.refusal import Refused

MEMORY_MIB: Final = 4096
_NICE: Final = 10
_START_S: Final = 60.0
"""Importing what the work needs, on a machine that does much else."""
_END_S: Final = 5.0

A = TypeVar("A")
R = TypeVar("R")


class _Refusal(NamedTuple):
    code: str
    reason: str
    place: str


class WorkDied(RuntimeError):
    """The process ended without an answer: our fault, never the input's."""


def in_own_process(work: Callable[[A], R], given: A, seconds: float, *, memory_mib: int = MEMORY_MIB) -> R:
    """What `work`, a function of a module, answers; both arguments and answer are pickled.

    Raises:
        Refused: what the work refuses; `work_stopped` when it takes more time or memory than it may.
        WorkDied: the process ended by itself.
    """
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, work, memory_mib), daemon=True, name="work")
    process.start()
    theirs.close()
    try:
        if not ours.poll(_START_S):
            raise WorkDied(f"its process did not start within {_START_S:g} s")
        ours.recv()
        ours.send(given)
        if not ours.poll(seconds):
            raise _stopped(f"it took more than {seconds:g} s")
        match ours.recv():
            case ("done", answer):
                return answer  # type: ignore[no-any-return]
            case _Refusal() as told:
                raise Refused(told.code, told.reason, place=told.place)
            case _:
                raise _stopped(f"it took more than {memory_mib} MiB of memory")
    except (EOFError, ConnectionError) as gone:
        process.join(_END_S)
        raise WorkDied(f"its process ended with {process.exitcode} ({type(gone).__name__})") from None
    finally:
        ours.close()
        process.kill()
        process.join(_END_S)


def _stopped(why: str) -> Refused:
    return Refused("work_stopped", f"{why}, and was stopped; ask for less, or at the command line")


def _serve(pipe: Connection, work: Callable[[Any], Any], memory_mib: int) -> None:
    """In the process: what is given in, one answer out."""
    os.nice(_NICE)
    size = memory_mib * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    pipe.send("ready")
    try:
        pipe.send(("done", work(pipe.recv())))
    except Refused as refused:
        pipe.send(_Refusal(refused.code, refused.reason, refused.place))
    except MemoryError:
        pipe.send(("memory",))
