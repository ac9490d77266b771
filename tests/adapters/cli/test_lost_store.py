"""A folder whose NATS store is gone: said by every command, and no empty stream takes its place."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.adapters.cli.program import wattledger

pytestmark = pytest.mark.fault


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A founded and signed book, stopped, without the store of its NATS."""
    state = tmp_path_factory.mktemp("book") / "var"
    done = wattledger(state, "demo", "--exit", "--part", "found")
    assert done.returncode == 0, done.stderr
    signed = wattledger(state, "log", "checkpoint")
    assert signed.returncode == 0, signed.stderr
    shutil.rmtree(state / "nats" / "store")
    return state


@pytest.mark.parametrize("command", ["verify", "status", "up", "serve"])
def test_it_is_said_that_the_stream_is_gone(lost: Path, command: str) -> None:
    done = wattledger(lost, command, http_port="0")
    said = done.stdout + done.stderr
    assert done.returncode != 0, said
    assert "is gone; the archive has" in said
    assert "a checkpoint proves" in said
    assert "wattledger repair" in said
    assert ("FAULT stream_missing" in said) == (command in {"verify", "status"})


def test_it_is_repaired(lost: Path) -> None:
    repaired = wattledger(lost, "repair")
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    assert "stream_restored" in repaired.stdout
    whole = wattledger(lost, "verify")
    assert whole.returncode == 0, whole.stdout + whole.stderr
    assert "all hold" in whole.stdout
