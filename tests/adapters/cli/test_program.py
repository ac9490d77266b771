"""A forked command is as one that was started by hand: its own process, settings, exit code and end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.adapters.cli.program import ROOT, started, wattledger

WRONG = ("contract", "check", "examples/economics/demo.toml")


@pytest.mark.parametrize("arguments", [("--version",), ("status",), WRONG, ("contract", "schema")])
def test_it_says_and_answers_what_the_program_does(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WATTLEDGER_")}
    by_hand = subprocess.run(
        [sys.executable, "-m", "adapters.main", *arguments],
        check=False, capture_output=True, text=True, cwd=ROOT, timeout=120,
        env=environment | {"WATTLEDGER_STATE": str(tmp_path)},
    )  # fmt: skip
    forked = wattledger(tmp_path, *arguments)
    assert (forked.returncode, forked.stdout, forked.stderr) == (
        by_hand.returncode,
        by_hand.stdout,
        by_hand.stderr,
    )


def test_no_setting_of_another_command_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATTLEDGER_SURPRISE", "ours")
    wrong = wattledger(tmp_path, "status", surprise="1")
    assert (wrong.returncode, "unknown field `surprise`" in wrong.stderr) == (2, True), wrong.stderr
    plain = wattledger(tmp_path, "status")
    assert plain.stderr.startswith(f"refused (no_book): no book in {tmp_path}")


def test_commands_run_beside_each_other_and_are_ended_by_a_signal(tmp_path: Path) -> None:
    owner, other = (started(tmp_path / name, "up", http_port="0") for name in ("a", "b"))
    try:
        assert owner.pid != other.pid
        assert (owner.poll(), other.poll()) == (None, None)
        with pytest.raises(subprocess.TimeoutExpired):
            owner.communicate(timeout=0.01)
        other.kill()
        assert other.returncode == -signal.SIGKILL
        assert owner.poll() is None
    finally:
        owner.kill()
        other.kill()
    assert owner.poll() == -signal.SIGKILL
    with pytest.raises(ProcessLookupError):
        os.kill(owner.pid, 0)
