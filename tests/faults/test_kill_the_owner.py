"""kill -9 of the process that owns the servers: nothing is left running, and a restart goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

import pytest

from adapters.settings import Settings
from adapters.stack import running
from tests.adapters import sample
from tests.faults.rig import BOOK, Clock

ROUNDS = 3


class Owner:
    """A stack's owning process, read through its output."""

    def __init__(self, folder: Path, first: int) -> None:
        command = [sys.executable, "-m", "tests.faults.stack_process", str(folder), str(first)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._lines: IO[str] = self._process.stdout
        line = self._lines.readline()
        assert line, f"the stack did not start: {self._process.wait()}"
        self.servers = [int(part) for part in line.split()]

    def acknowledged(self, count: int) -> dict[int, int]:
        """Sequences of the next `count` commands, by number."""
        lines = [self._lines.readline().split() for _ in range(count)]
        return {int(number): int(sequence) for number, sequence in lines}

    def kill(self) -> dict[int, int]:
        """kill -9; what it had printed before."""
        self._process.kill()
        self._process.wait()
        rest = [line.split() for line in self._lines.read().splitlines(keepends=True) if line.endswith("\n")]
        self._lines.close()
        return {int(number): int(sequence) for number, sequence in rest}


def lives(process: int) -> bool:
    try:
        return (Path("/proc") / str(process) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def working_in(folder: Path) -> list[str]:
    """Command lines of processes that have the folder as an argument or as their place."""
    found: list[str] = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal() and int(process.name) != os.getpid():
            try:
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                place = str((process / "cwd").readlink())
            except OSError:
                continue
            if str(folder) in command or place.startswith(str(folder)):
                found.append(command)
    return found


@pytest.mark.fault
def test_servers_die_with_their_owner_and_a_restart_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    acknowledged: dict[int, int] = {}
    for _ in range(ROUNDS):
        owner = Owner(folder, len(acknowledged))
        assert len(owner.servers) == 2
        assert working_in(folder), "the servers are found while they run"
        acknowledged |= owner.acknowledged(20)
        acknowledged |= owner.kill()
        give_up = time.monotonic() + 120
        while working_in(folder) and time.monotonic() < give_up:
            time.sleep(0.02)
        assert not any(map(lives, owner.servers))
        assert working_in(folder) == [], "nothing keeps running"

    with running(Settings(state=folder, book=BOOK, stream_max_bytes=1 << 28), Clock()) as stack:
        for number, sequence in acknowledged.items():
            again = stack.door.execute(
                sample.register_party(f"p{number}"), command_id=f"c{number}", actor="ada"
            )
            assert (again.sequence, again.repeated) == (sequence, True)
        stack.projector().catch_up()
    assert working_in(folder) == [], "a clean stop leaves nothing either"


@pytest.mark.fault
@pytest.mark.parametrize("server", [0, 1], ids=["PostgreSQL", "NATS"])
def test_a_restart_waits_for_a_server_that_is_still_shutting_down(tmp_path: Path, server: int) -> None:
    folder = tmp_path / "state"
    owner = Owner(folder, 0)
    acknowledged = owner.acknowledged(20)
    slow = owner.servers[server]
    os.kill(slow, signal.SIGSTOP)
    acknowledged |= owner.kill()
    thawing = threading.Timer(1, os.kill, (slow, signal.SIGCONT))
    thawing.start()
    with running(Settings(state=folder, book=BOOK, stream_max_bytes=1 << 27), Clock()) as stack:
        assert not lives(slow), "two servers never work in one folder"
        assert stack.recorder.max_notification_id() == max(acknowledged.values())
    thawing.join()
