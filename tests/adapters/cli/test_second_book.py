"""A second book in the folder that `wattledger up` serves: its commands project it themselves."""

from __future__ import annotations

import re
import time
from pathlib import Path
from signal import SIGTERM

from tests.adapters.cli.test_state_folder import started

_PATIENCE_S = 120


def said(state: Path, book: str, *arguments: str) -> str:
    """What a command on a book prints, which succeeds."""
    command = started(state, *arguments, book=book)
    try:
        out, errors = command.communicate(timeout=_PATIENCE_S)
    finally:
        command.kill()
    assert command.returncode == 0, f"{arguments}\n{out}{errors}"
    return out


def test_commands_on_a_second_book_do_not_wait_for_the_owner_s_projector(tmp_path: Path) -> None:
    state = tmp_path / "var"
    owner = started(state, "up", book="first", http_port="0")
    try:
        give_up = time.monotonic() + _PATIENCE_S
        while not (state / "running.json").exists():
            assert owner.poll() is None
            assert time.monotonic() < give_up
            time.sleep(0.05)
        told = said(state, "second", "demo", "--exit", "--part", "found")
        assert "second" in said(state, "second", "status")
        for book, events in (("first", 0), ("second", 1)):
            shown = said(state, book, "status")
            assert "servers          running already" in shown
            assert int(re.findall(r"^stream +(\d+) events", shown, re.MULTILINE)[0]) >= events, told
            assert set(re.findall(r"\((\d+) behind\)", shown)) == {"0"}
    finally:
        owner.send_signal(SIGTERM)
        owner.communicate(timeout=_PATIENCE_S)
