"""Work that takes seconds to minutes in a process of its own: bounded in time and memory, once."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import NamedTuple, TypeVar

from adapters.planning.bounded_process import MEMORY_MIB, BoundedProcess, WorkDied
from ledger.refusal import Refused

A = TypeVar("A")
R = TypeVar("R")


class _Refusal(NamedTuple):
    code: str
    reason: str
    place: str


def in_own_process(work: Callable[[A], R], given: A, seconds: float, *, memory_mib: int = MEMORY_MIB) -> R:
    """What `work`, a function of a module, answers; both arguments and answer are pickled.

    Raises:
        Refused: what the work refuses; `work_stopped` when it takes more time or memory than it may.
        WorkDied: the process ended by itself.
    """
    process = BoundedProcess(serve, memory_mib=memory_mib)
    try:
        pipe = process.ready()
        pipe.send((work, given))
        if not pipe.poll(seconds):
            raise _stopped(f"it took more than {seconds:g} s")
        match pipe.recv():
            case ("done", answer):
                return answer  # type: ignore[no-any-return]
            case _Refusal() as told:
                raise Refused(told.code, told.reason, place=told.place)
            case _:
                raise _stopped(f"it took more than {memory_mib} MiB of memory")
    except (EOFError, ConnectionError) as gone:
        raise WorkDied(f"its process {process.ended(gone)}") from None
    finally:
        process.end()


def _stopped(why: str) -> Refused:
    return Refused("work_stopped", f"{why}, and was stopped; ask for less, or at the command line")


def serve(pipe: Connection) -> None:
    """In the process: work and what it is given in, one answer out."""
    try:
        work, given = pipe.recv()
        pipe.send(("done", work(given)))
    except Refused as refused:
        pipe.send(_Refusal(refused.code, refused.reason, refused.place))
    except MemoryError:
        pipe.send(("memory",))
