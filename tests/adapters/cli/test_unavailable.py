"""Where nobody answers any more every command says so and ends with 3."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence

import psycopg
import pytest
from eventsourcing.persistence import InterfaceError
from rich.console import Console

from adapters import main
from adapters.cli.session import Session
from ledger.refusal import Refused
from tests.adapters.conftest import Bench

NOBODY = "127.0.0.1:1"
COMMANDS = (
    ("verify",),
    ("replay",),
    ("repair",),
    ("status",),
    ("settle", "2026-08"),
    ("statement", "2026-08"),
    ("log", "checkpoint"),
    ("runs", "due"),
    ("bid", "list"),
    ("access-log",),
)


def said(monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["wattledger", *command])
    errors = Console(file=None, stderr=True, record=True, width=200)
    return main._run(errors), errors.export_text()


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_without_postgresql(monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]) -> None:
    """As when a cluster was ended: neither server is there."""
    monkeypatch.setenv("WATTLEDGER_NATS_URL", f"nats://{NOBODY}")
    monkeypatch.setenv("WATTLEDGER_POSTGRES_URL", f"postgresql://ledger:secret@{NOBODY}/x")
    code, told = said(monkeypatch, command)
    assert (code, told.startswith("not available: PostgreSQL: ")) == (3, True), told
    assert "secret" not in told


def test_without_nats(monkeypatch: pytest.MonkeyPatch, bench: Bench) -> None:
    monkeypatch.setenv("WATTLEDGER_NATS_URL", f"nats://{NOBODY}")
    monkeypatch.setenv("WATTLEDGER_POSTGRES_URL", bench.database.url)
    monkeypatch.setattr("adapters.nats.client._CONNECT_SECONDS", 0.5)
    code, told = said(monkeypatch, ("verify",))
    assert (code, told.startswith("not available: NATS at")) == (3, True), told


@pytest.mark.parametrize(
    "error",
    [
        psycopg.InterfaceError("the connection is closed"),
        InterfaceError("the stream is gone"),
        OSError(errno.EHOSTUNREACH, "No route to host"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_server_that_ends_meanwhile(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def ends(_: Session, __: Sequence[str]) -> None:
        raise error

    monkeypatch.setattr(main, "application", ends)
    code, told = said(monkeypatch, ("verify",))
    assert (code, told.strip()) == (3, f"not available: {error}")


def test_damage_of_the_log_is_no_fault_of_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(_: object, __: Sequence[str]) -> None:
        raise Refused("tile_content", "the tile of level 0 and index 0 is stored damaged")

    monkeypatch.setattr(main, "application", damaged)
    assert said(monkeypatch, ("log", "checkpoint")) == (
        3,
        "not available: tile_content: the tile of level 0 and index 0 is stored damaged\n",
    )
