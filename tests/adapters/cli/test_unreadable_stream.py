"""One bit of a stream's metadata: NATS does not read it back, and that is said at once and repaired."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from tests.adapters.cli.program import wattledger

pytestmark = pytest.mark.fault


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A founded and signed book, read once, stopped."""
    state = tmp_path_factory.mktemp("book") / "var"
    done = wattledger(state, "demo", "--exit", "--part", "found")
    assert done.returncode == 0, done.stderr
    assert wattledger(state, "log", "checkpoint").returncode == 0
    assert wattledger(state, "access-log").returncode == 0
    return state


def flip(state: Path, stream: str, name: str) -> Path:
    """The stream's folder, one bit of whose metadata is another."""
    (folder,) = (state / "nats/store").rglob(f"streams/{stream}")
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize(("stream", "name"), [("BOOK_demo", "meta.inf"), ("ACCESS_demo", "meta.sum")])
def test_it_is_named_and_made_anew(founded: Path, tmp_path: Path, stream: str, name: str) -> None:
    state = tmp_path / "var"
    shutil.copytree(founded, state)
    folder = flip(state, stream, name)
    begun = time.monotonic()
    verified = wattledger(state, "verify")
    assert time.monotonic() - begun < 25, "not the time after which a server counts as not started"
    assert verified.returncode == 1, verified.stdout + verified.stderr
    named = f"FAULT stream_unreadable at {folder}: NATS cannot read {stream} back"
    assert named in verified.stdout
    settled = wattledger(state, "settle", "2026-08")
    assert (settled.returncode, f"NATS cannot read {stream} back" in settled.stderr) == (3, True)
    dry = wattledger(state, "repair", "--dry-run")
    assert (dry.returncode, named in dry.stdout, folder.is_dir()) == (1, True, True)
    assert f"would move {folder} to {state / 'repair/demo'}" in dry.stdout
    repaired = wattledger(state, "repair")
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    assert (state / f"repair/demo/unreadable-{stream}-1" / name).is_file()
    told = "stream_set_aside     access: 1 record lost, 1 to 1" in repaired.stdout
    assert told == (stream == "ACCESS_demo"), "on record with how many reads were lost"
    whole = wattledger(state, "verify")
    assert whole.returncode == 0, whole.stdout + whole.stderr
    assert "all hold" in whole.stdout
