"""Secrets on disk are whole or absent, and theirs alone who owns the folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.embedded.child import ChildFailed, free_ports, on_free_ports, secret_file


def test_a_secret_is_written_once_and_only_for_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "key"
    assert secret_file(file, b"first").read_bytes() == b"first"
    assert secret_file(file, b"second").read_bytes() == b"first"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_half_written_secret_is_written_again(tmp_path: Path) -> None:
    (tmp_path / "key.new").write_bytes(b"fi")
    assert secret_file(tmp_path / "key", b"first").read_bytes() == b"first"


def test_free_ports_differ() -> None:
    assert len(set(free_ports(50))) == 50


def test_a_port_that_was_taken_meanwhile_is_chosen_anew(tmp_path: Path) -> None:
    log, starts = tmp_path / "log", []

    def start() -> None:
        starts.append(len(starts))
        if len(starts) < 3:
            with log.open("a") as said:
                said.write("listen tcp 127.0.0.1:1: bind: address already in use\n")
            raise ChildFailed("the server ended with 1")

    on_free_ports(start, log)
    assert len(starts) == 3


def test_any_other_failure_is_told_at_once(tmp_path: Path) -> None:
    log, starts = tmp_path / "log", []
    log.write_text("address already in use, long ago\n")

    def start() -> None:
        starts.append(1)
        raise ChildFailed("no room")

    with pytest.raises(ChildFailed, match="no room"):
        on_free_ports(start, log)
    assert len(starts) == 1
