"""A role that keeps ending is started ever less often, and said once."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from adapters.cli.kept_role import PAUSE_S_MAX, KeptRole
from adapters.embedded.child import Child


class Plant:
    """Starts a real process a time; `script` is what the next one does. Its clock goes on when it is told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.script = "echo 'refused (unknown_device): a' >&2; exit 2"
        self.started: list[Child] = []
        self.said: list[str] = []
        self.now = 0.0

    def start(self) -> Child:
        command = ["/bin/sh", "-c", self.script]
        log = self.folder / "drive.log"
        self.started.append(Child("drive", command, log, stop_signal=signal.SIGTERM, grace=5))
        return self.started[-1]

    def role(self) -> KeptRole:
        return KeptRole(self.start, self.said.append, lambda: self.now)

    def ended(self) -> None:
        self.started[-1].process.wait(20)


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    made = Plant(tmp_path)
    yield made
    for child in made.started:
        child.stop()


def test_one_that_is_refused_is_said_once_and_starts_ever_less_often(plant: Plant) -> None:
    role, starts = plant.role(), list[float]()
    while plant.now < 200:
        plant.ended()
        before = len(plant.started)
        role.look()
        if len(plant.started) > before:
            starts.append(plant.now)
        plant.now += 1
    assert starts[:6] == [0, 3, 8, 17, 34, 65], "a second until it is seen to have ended, and its pause"
    assert {later - one for one, later in pairwise(starts[4:])} == {PAUSE_S_MAX + 1}
    (line,) = plant.said
    assert line.startswith("drive ended with 2: refused (unknown_device): a (")
    plant.script = "echo 'refused (other)' >&2; exit 2"
    while len(plant.said) == 1:
        plant.ended()
        role.look()
        plant.now += 1
    assert "refused (other)" in plant.said[1], "it changed"


def test_one_that_lived_starts_again_at_once(plant: Plant) -> None:
    plant.script = "exec sleep 600"
    role = plant.role()
    for _ in range(3):
        plant.now += 61
        role.look()
        plant.started[-1].process.kill()
        plant.ended()
        role.look()
    assert len(plant.started) == 4
    assert len(plant.said) == 3, "each is another"
    begun = time.monotonic()
    role.stop()
    assert time.monotonic() - begun < 5
    assert not plant.started[-1].alive
