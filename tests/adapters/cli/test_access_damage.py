"""One bit of the access log: what is lost is named, put on record once, and no number is given twice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.adapters.cli.program import wattledger

pytestmark = pytest.mark.fault

READS = 6


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A founded book that was read, stopped."""
    state = tmp_path_factory.mktemp("book") / "var"
    done = wattledger(state, "demo", "--exit", "--part", "found")
    assert done.returncode == 0, done.stderr
    for _ in range(READS):
        assert wattledger(state, "journal", "2026-08").returncode in {0, 1, 2}
    return state


def numbers(state: Path) -> dict[int, str]:
    found = wattledger(state, "access-log", "--format", "jsonl")
    assert found.returncode == 0, found.stdout + found.stderr
    rows = [json.loads(line) for line in found.stdout.splitlines()]
    records = {row["sequence"]: row["record"] for row in rows}
    return {number: one["request"] for number, one in records.items() if one["outcome"] != "lost"}


def flipped(state: Path, percent: int) -> None:
    (block,) = (state / "nats/store").rglob("streams/ACCESS_demo/msgs/1.blk")
    content = bytearray(block.read_bytes())
    content[len(content) * percent // 100] ^= 8
    block.write_bytes(content)


@pytest.mark.parametrize("percent", [2, 50, 99])
def test_a_flipped_bit(read: Path, tmp_path: Path, percent: int) -> None:
    state = tmp_path / "var"
    shutil.copytree(read, state)
    before = numbers(state)
    flipped(state, percent)
    verified = wattledger(state, "verify")
    assert verified.returncode == 1, verified.stdout + verified.stderr
    assert "FAULT access_gap at access records " in verified.stdout
    asked = wattledger(state, "access-log")
    assert asked.returncode == 3, asked.stdout
    assert "access log" in asked.stderr
    dry = wattledger(state, "repair", "--dry-run")
    assert (dry.returncode, "access_gap" in dry.stdout) == (1, True)
    repaired = wattledger(state, "repair")
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    assert "access_lost          access: " in repaired.stdout
    again = wattledger(state, "repair")
    assert (again.returncode, "access_lost" in again.stdout) == (0, False)
    whole = wattledger(state, "verify")
    assert whole.returncode == 0, whole.stdout + whole.stderr
    after = numbers(state)
    kept = {number: request for number, request in after.items() if number in before}
    assert len(kept) < len(before), "something was lost"
    assert kept.items() <= before.items(), "no number is of another read"
    assert max(after) > max(before)
