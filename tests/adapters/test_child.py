"""Secrets on disk are whole or absent, and theirs alone who owns the folder."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from adapters.embedded.child import (
    Child,
    ChildFailed,
    free_ports,
    keep_ports,
    kept_ports,
    on_free_ports,
    secret_file,
)
from adapters.embedded.revived import PAUSE_S_MAX, Revived


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


def test_a_server_has_its_ports_again_unless_another_has_them(tmp_path: Path) -> None:
    file = tmp_path / "ports"
    ports = kept_ports(file, 2)
    keep_ports(file, ports)
    assert kept_ports(file, 2) == ports
    assert len(kept_ports(file, 3)) == 3, "another server's file"
    with socket.create_server(("127.0.0.1", ports[1])) as other:
        assert ports[1] not in kept_ports(file, 2)
        with socket.create_connection(("127.0.0.1", ports[1])):
            served, _ = other.accept()
            served.close()
    assert kept_ports(file, 2) == ports, "what its connections left behind does not count"
    for spoilt in ("", "70000 1", "one two"):
        file.write_text(spoilt)
        assert len(set(kept_ports(file, 2))) == 2


def test_a_server_that_dies_is_started_again_ever_less_often(tmp_path: Path) -> None:
    now, said = [0.0], list[str]()
    server = Child("NATS", ["sleep", "60"], tmp_path / "log", stop_signal=signal.SIGTERM, grace=5)
    revived = Revived(server, said.append, lambda: now[0])

    def pause_s() -> float:
        """It dies; how many seconds go by before it lives again."""
        server.kill()
        died = now[0]
        revived.look()
        while not server.alive:
            now[0] += 0.5
            revived.look()
        return now[0] - died

    try:
        revived.look()
        assert said == []
        now[0] = 100.0
        assert pause_s() == 0, "it had lived long"
        assert "NATS died with -9" in said[0]
        assert "starts again now" in said[0]
        assert said[1] == "NATS is started again"
        assert [pause_s() for _ in range(7)] == [1, 2, 4, 8, 16, PAUSE_S_MAX, PAUSE_S_MAX]
        now[0] += 60
        assert pause_s() == 0
    finally:
        server.stop()


def test_a_predecessor_that_does_not_end_is_waited_for_in_turns(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    given = {"stop_signal": signal.SIGTERM, "grace": 5, "lock": lock}
    server = Child("NATS", ["sh", "-c", "sleep 60 & wait"], tmp_path / "log", **given)  # type: ignore[arg-type]
    said: list[str] = []
    now = [0.0]
    revived = Revived(server, said.append, lambda: now[0])
    now[0] = 100.0
    children = Path("/proc") / f"{server.process.pid}/task/{server.process.pid}/children"
    give_up = time.monotonic() + 10
    while not (begun := children.read_text()):
        assert time.monotonic() < give_up
    orphan = int(begun)
    try:
        server.process.kill()
        server.process.wait()
        revived.look()
        assert "does not start: another NATS still works in" in said[-1]
        assert not server.alive
    finally:
        os.kill(orphan, signal.SIGKILL)
    now[0] += 1
    try:
        revived.look()
        assert server.alive
    finally:
        server.kill()


def test_what_a_child_said_last_is_of_this_start(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("what another start said\n")
    silent = Child("silent", ["true"], log, stop_signal=signal.SIGTERM, grace=5)
    silent.process.wait()
    assert silent.last_words() == "it said nothing"
    loud = Child(
        "loud", ["sh", "-c", "echo begun; echo why >&2; echo"], log, stop_signal=signal.SIGTERM, grace=5
    )
    loud.process.wait()
    assert loud.last_words() == "why"
