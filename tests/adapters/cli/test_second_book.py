"""A second book in the folder that `wattledger up` serves: its commands project it themselves."""

from __future__ import annotations

import re
import time
from pathlib import Path
from signal import SIGTERM

from tests.adapters.cli.program import started

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


def not_said(state: Path, book: str, *arguments: str) -> str:
    """Why a command on a book is refused."""
    command = started(state, *arguments, book=book, http_port="0")
    try:
        _, errors = command.communicate(timeout=_PATIENCE_S)
    finally:
        command.kill()
    assert command.returncode == 2, errors
    return errors


def test_commands_on_a_second_book_do_not_wait_for_the_owner_s_projector(tmp_path: Path) -> None:
    state = tmp_path / "var"
    owner = started(state, "up", book="first", http_port="0")
    try:
        give_up = time.monotonic() + _PATIENCE_S
        while not (state / "running.json").exists():
            assert owner.poll() is None
            assert time.monotonic() < give_up
            time.sleep(0.05)
        refused = started(state, "up", book="second", http_port="18777")
        _, why = refused.communicate(timeout=_PATIENCE_S)
        assert refused.returncode == 2
        assert why.startswith(
            f"refused (servers_running): state: another command (process {owner.pid}) runs the servers of"
            f" {state} and book 'first': NATS at 127.0.0.1:"
        )
        assert "WATTLEDGER_HTTP_PORT=18778 WATTLEDGER_BOOK=second wattledger serve" in why
        assert "no_book" in not_said(state, "second", "status"), "it was not founded on the way"
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
