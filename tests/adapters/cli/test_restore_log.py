"""A restored book's log goes on under its own key, or ends on record: no two keys sign in one log's name."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.settings import Settings
from adapters.stack import running
from tests.adapters.cli.program import wattledger


def named(state: Path, origin: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command with another name for the log."""
    return wattledger(state, *arguments, log_origin=origin)


def on_record(state: Path, aggregate: str = "setting.log-origin") -> str:
    """What the book says of its log's name, or of a repair."""
    with running(Settings(state=state, log_origin="second"), lambda: datetime.now(UTC)) as stack:
        return str(stack.door.state(aggregate))


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a signed book in `var`, `old.backup` of it, and `new.backup` of one event more."""
    folder = tmp_path_factory.mktemp("book")
    state = folder / "var"
    assert wattledger(state, "demo", "--exit", "--part", "found").returncode == 0
    assert wattledger(state, "log", "checkpoint").returncode == 0
    assert wattledger(state, "backup", str(folder / "old.backup")).returncode == 0
    granted = wattledger(state, "key", "grant", "--role", "finance", "--actor", "clerk")
    assert granted.returncode == 0, granted.stderr
    assert not granted.stdout.split()[-1].startswith("-")
    assert wattledger(state, "log", "checkpoint").returncode == 0
    assert wattledger(state, "backup", str(folder / "new.backup")).returncode == 0
    return folder


def test_a_log_s_key_is_brought_or_another_log_begins(signed: Path, tmp_path: Path) -> None:
    file, state = str(signed / "new.backup"), tmp_path / "var"
    plain = wattledger(state, "restore", file)
    assert plain.returncode == 2, plain.stdout
    assert plain.stderr.startswith(f"refused (log_key): WATTLEDGER_LOG_KEY: {state}/log.key is not there")
    assert "--new-log --reason TEXT" in plain.stderr
    assert not state.exists(), "nothing was made, no key either"
    same = wattledger(state, "restore", file, "--new-log", "--reason", "the key is lost")
    assert (same.returncode, "set WATTLEDGER_LOG_ORIGIN" in same.stderr) == (2, True)
    unasked = named(state, "second", "restore", file)
    assert unasked.returncode == 2
    assert "--new-log" in unasked.stderr
    assert not state.exists()
    begun = named(state, "second", "restore", file, "--new-log", "--reason", "the key is lost")
    assert begun.returncode == 0, begun.stderr
    assert re.fullmatch(r"second/demo, after wattledger/demo at \d+: the key is lost", on_record(state))
    assert named(state, "second", "verify").returncode == 0


def test_a_book_goes_on_under_the_key_that_was_brought(signed: Path, tmp_path: Path) -> None:
    state = tmp_path / "var"
    state.mkdir()
    shutil.copy(signed / "var" / "log.key", state)
    shutil.copytree(signed / "var" / "checkpoints", state / "checkpoints")
    refused = wattledger(state, "restore", str(signed / "old.backup"))
    assert refused.returncode == 2
    assert refused.stderr.startswith("refused (checkpoint_ahead)")
    assert "--beyond-checkpoint --reason TEXT" in refused.stderr
    restored = wattledger(state, "restore", str(signed / "new.backup"))
    assert restored.returncode == 0, restored.stderr
    assert "proven against 1 checkpoint" in restored.stdout
    key = wattledger(signed / "var", "log", "key").stdout
    assert wattledger(state, "log", "key").stdout == key
    assert wattledger(state, "verify").returncode == 0


def test_events_behind_an_older_backup_are_lost_on_record(signed: Path, tmp_path: Path) -> None:
    state = tmp_path / "var"
    state.mkdir()
    shutil.copy(signed / "var" / "log.key", state)
    shutil.copytree(signed / "var" / "checkpoints", state / "checkpoints")
    asked = ("restore", str(signed / "old.backup"), "--beyond-checkpoint", "--reason", "no newer one is left")
    same = wattledger(state, *asked)
    assert (same.returncode, "another log needs another name" in same.stderr) == (2, True)
    done = named(state, "second", *asked)
    assert done.returncode == 0, done.stderr
    assert [one.name.partition("-")[0] for one in sorted((state / "checkpoints").iterdir())] == [
        "demo",
        "demo.ended",
    ]
    assert on_record(state).endswith(": no newer one is left")
    sha256 = hashlib.sha256((signed / "old.backup").read_bytes()).hexdigest()
    record = on_record(state, f"repair.{sha256[:32]}")
    assert "action='envelopes_lost'" in record
    assert "reason='no newer one is left'" in record
    whole = named(state, "second", "verify")
    assert whole.returncode == 0, whole.stdout


@pytest.mark.parametrize("damage", ["a byte", "cut"])
def test_a_damaged_backup_is_named_before_anything_of_its_log(
    signed: Path, tmp_path: Path, damage: str
) -> None:
    content = bytearray((signed / "new.backup").read_bytes())
    if damage == "cut":
        content = content[: len(content) // 3]
    else:
        content[len(content) // 2] ^= 1
    file, state = tmp_path / "damaged.backup", tmp_path / "var"
    file.write_bytes(content)
    done = wattledger(state, "restore", str(file))
    assert done.returncode == 2, done.stdout
    assert done.stderr.startswith(f"refused (backup): {file}: not a whole backup")
    assert not state.exists()
