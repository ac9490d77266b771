"""Work in a process of its own: its answer, its refusal, and what becomes of work without end."""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from adapters.planning.bounded_process import WorkDied
from adapters.planning.own_process import in_own_process
from ledger.refusal import Refused
from tests.adapters.planning.loaded_modules import loaded


def doubled(number: int) -> tuple[int, int]:
    return 2 * number, os.getpid()


def refuses(number: int) -> int:
    raise Refused("nameplate", f"{number} is too low", place="storage.power_w")


def sleeps(seconds: float) -> None:
    time.sleep(seconds)


def fills(gigabytes: int) -> int:
    return int(np.ones(gigabytes * 2**27).sum())


def dies(number: int) -> None:
    os.kill(os.getpid(), number)


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split())


def test_what_it_answers_comes_from_another_process() -> None:
    answer, pid = in_own_process(doubled, 21, 30)
    assert (answer, pid == os.getpid()) == (42, False)


def test_it_imports_nothing_of_the_program_that_asks() -> None:
    """Such as the command line, which takes longer to import than a plan to make."""
    assert loaded("pytest")
    assert in_own_process(loaded, "pytest", 30) == []
    own = [
        "adapters",
        "adapters.planning",
        "adapters.planning.bounded_process",
        "adapters.planning.own_process",
    ]
    assert in_own_process(loaded, "adapters", 30) == own


def test_it_is_niced_and_bounded_and_leaves_interrupts_to_its_asker() -> None:
    assert in_own_process(os.nice, 0, 30) == os.nice(0) + 10
    assert in_own_process(resource.getrlimit, resource.RLIMIT_AS, 30, memory_mib=2048) == (2**31, 2**31)
    assert in_own_process(signal.getsignal, signal.SIGINT, 30) == signal.SIG_IGN


def test_what_it_refuses_is_refused_here() -> None:
    with pytest.raises(Refused) as refused:
        in_own_process(refuses, 3, 30)
    assert (refused.value.code, refused.value.place) == ("nameplate", "storage.power_w")
    assert str(refused.value) == "storage.power_w: 3 is too low"


@pytest.mark.parametrize(
    ("work", "given", "seconds", "told"),
    [(sleeps, 3600, 0.2, "it took more than 0.2 s"), (fills, 8, 30, "it took more than 2048 MiB of memory")],
)
def test_what_takes_too_much_is_stopped(
    work: Callable[[float], object], given: float, seconds: float, told: str
) -> None:
    before = children()
    with pytest.raises(Refused, match=told) as refused:
        in_own_process(work, given, seconds, memory_mib=2048)
    assert refused.value.code == "work_stopped"
    assert children() == before


def test_a_process_that_dies_is_our_fault() -> None:
    with pytest.raises(WorkDied, match="ended with -9"):
        in_own_process(dies, signal.SIGKILL, 30)
