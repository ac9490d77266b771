"""kill -9 of any process in any order: owner, servers, projector, writers. Nothing is lost or doubled."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGKILL

import pytest

from adapters import replay
from adapters.mapper import EnvelopeMapper
from adapters.nats import wire
from adapters.nats.log import Log
from adapters.nats.pull import Pull
from adapters.stack import running
from tests.faults.peer_process import log_of, settings_of, told
from tests.faults.rig import BOOK, Clock
from tests.faults.seeds import seeds
from tests.faults.test_kill_the_owner import working_in

ROLES = ("write", "project", "write", "write")
KILLS = 10
_PAUSE_S = (0.2, 2.0)


class Peers:
    """The processes; one that ended is started again when it is looked at."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._processes = [self._start(number) for number in range(len(ROLES))]

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        command = [
            sys.executable, "-m", "tests.faults.peer_process", str(self.folder), ROLES[number], str(number)
        ]  # fmt: skip
        with (self.folder.parent / f"peer-{number}.err").open("ab") as errors:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=errors)

    def look(self) -> None:
        for number, process in enumerate(self._processes):
            if process.poll() is not None:
                errors = self.folder.parent / f"peer-{number}.err"
                assert process.returncode != 3, errors.read_text()
                self._processes[number] = self._start(number)

    def run(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.look()
            time.sleep(0.05)

    def kill(self, victim: str) -> None:
        """A peer by its number, or a server of whoever owns them now."""
        if victim.isdecimal():
            self._processes[int(victim)].kill()
            self._processes[int(victim)].wait()
            return
        for number, process in enumerate(self._processes):
            owned = [words for words in told(log_of(self.folder, number)) if words[:1] == ["owns"]]
            if owned and len(owned[-1]) == 3 and process.poll() is None:
                with suppress(ProcessLookupError):
                    os.kill(int(owned[-1][1 if victim == "PostgreSQL" else 2]), SIGKILL)

    def acknowledged(self) -> list[tuple[str, str, int, int]]:
        return [
            (words[1], words[2], int(words[3]), int(words[4]))
            for number in range(len(ROLES))
            for words in told(log_of(self.folder, number))
            if words[:1] == ["told"]
        ]

    def end(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        give_up = time.monotonic() + 120
        while working_in(self.folder) and time.monotonic() < give_up:
            time.sleep(0.02)


@contextmanager
def peers_in(folder: Path) -> Iterator[Peers]:
    peers = Peers(folder)
    try:
        yield peers
    finally:
        peers.end()


@pytest.mark.fault
@pytest.mark.parametrize("seed", seeds(1))
def test_whoever_is_killed_nothing_acknowledged_is_lost(tmp_path: Path, seed: int) -> None:
    folder = tmp_path / "state"
    dice = random.Random(seed)
    victims = [*map(str, range(len(ROLES))), "NATS", "PostgreSQL"]
    plan = [dice.choice(victims) for _ in range(KILLS)]
    with peers_in(folder) as peers:
        give_up = time.monotonic() + 120
        while not peers.acknowledged():
            assert time.monotonic() < give_up, (tmp_path / "peer-0.err").read_text()
            peers.run(0.1)
        for victim in plan:
            peers.run(dice.uniform(*_PAUSE_S))
            peers.kill(victim)
        before = len(peers.acknowledged())
        give_up = time.monotonic() + 120
        while len(peers.acknowledged()) < before + 20:
            assert time.monotonic() < give_up, f"they do not go on after {plan}"
            peers.run(0.1)
    acknowledged = peers.acknowledged()
    assert len(acknowledged) > 100, "the load was a load"

    with running(settings_of(folder), Clock()) as stack:
        stack.projector().catch_up()
        payloads = _payloads(stack.log)
        stored = _stored(payloads)
        for command, aggregate, version, sequence in acknowledged:
            assert stored[command] == (aggregate, version, sequence), plan
        with stack.database.owning() as connection:
            rows = connection.execute("SELECT payload FROM ledger.envelope ORDER BY sequence").fetchall()
        assert [bytes(row[0]) for row in rows] == payloads, "the archive is the stream, byte for byte"
        proof = replay.replay(stack.log, stack.database)
        assert proof.equal, [table for table in proof.tables if table.difference]


def _payloads(log: Log) -> list[bytes]:
    last = log.client.run(log.last_sequence())
    pull = Pull(log.client, BOOK, 1)
    found: list[bytes] = []
    while len(found) < last:
        pulled = pull.batch(60.0)
        assert pulled, f"the stream stopped answering after {len(found)} of {last}"
        found += [item.payload for item in pulled]
    pull.close()
    return found


def _stored(payloads: list[bytes]) -> dict[str, tuple[str, int, int]]:
    mapper = EnvelopeMapper()
    stored: dict[str, tuple[str, int, int]] = {}
    versions: Counter[str] = Counter()
    for sequence, payload in enumerate(payloads, 1):
        header = wire.header_of(payload)
        command = mapper.to_envelope(header.topic, wire.state_of(payload)).command
        assert command not in stored, f"{command} is stored twice"
        stored[command] = (header.aggregate, header.version, sequence)
        versions[header.aggregate] += 1
        assert header.version == versions[header.aggregate], "versions run on without a gap"
    return stored
