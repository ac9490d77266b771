"""The power fails: what was acknowledged is on the disk, once and in order, and PostgreSQL goes on.

What is looked at is a copy of the disk's blocks, made while they were written. The same with NATS's own sync
interval loses nearly all: the test sees a loss where there is one.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from tests.faults import disk_image
from tests.faults.power_cut import Cut
from tests.faults.seeds import seeds

CUTS = 3
REQUIRED = os.environ.get("LOOP_NEEDED") == "required"


@pytest.fixture(autouse=True)
def _disks() -> None:
    why = disk_image.missing()
    if why is not None:
        assert not REQUIRED, f"{why}, and LOOP_NEEDED=required"
        pytest.skip(f"no disk that can lose its power: {why}")


def cut(folder: Path, seed: int, sync: str) -> list[Cut]:
    done = disk_image.alone("tests.faults.power_cut", [str(folder), str(seed), str(CUTS), sync], timeout=180)
    assert done.returncode == 0, done.stderr
    cuts = [msgspec.json.decode(line, type=Cut) for line in done.stdout.splitlines()]
    assert len(cuts) == CUTS, done.stderr
    assert cuts[-1].acknowledged > 20, "the load was a load"
    return cuts


@pytest.mark.fault
@pytest.mark.parametrize("seed", seeds(2))
def test_a_power_cut_loses_nothing_that_was_acknowledged(tmp_path: Path, seed: int) -> None:
    for one in cut(tmp_path, seed, "always"):
        assert one.lost == 0, one
        assert one.doubled == 0, one
        assert one.in_order, one
        assert one.projected, one
        assert one.given_again_once, one
        assert one.stored >= one.acknowledged


@pytest.mark.fault
def test_with_two_minutes_between_syncs_the_same_cut_loses_events(tmp_path: Path) -> None:
    cuts = cut(tmp_path, seeds(1)[0], "default")
    assert cuts[-1].lost, cuts
    assert not cuts[-1].projected, "and the projector halts, for it knew more than the stream"
