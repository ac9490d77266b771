"""Where nobody answers any more every command says so and ends with 3."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from pathlib import Path

import psycopg
import pytest
from eventsourcing.persistence import InterfaceError
from rich.console import Console

from adapters import main
from adapters.cli.session import Session
from adapters.continuity import Discontinuity
from adapters.integrity.proven_events import doubt
from ledger.refusal import Refused
from tests.adapters.conftest import Bench
from tests.adapters.test_settling import CONTRACT, filled, settle

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
    code, told = said(monkeypatch, ("log", "checkpoint"))
    first, further = told.splitlines()
    assert code == 3
    assert first == "not available: tile_content: the tile of level 0 and index 0 is stored damaged"
    assert further.startswith(
        "  `wattledger verify` names all that is damaged; `wattledger repair --dry-run` "
    )


DAMAGES = (
    (
        doubt("row_altered", "table registered, contract eaas-1, sequence 12", "the rows are others"),
        "row_altered at table registered, contract eaas-1, sequence 12: the rows are others",
        "`wattledger repair --dry-run` shows which rows differ, `wattledger repair` makes them anew",
    ),
    (
        Discontinuity("the servers hold no stream", code="stream_missing"),
        "stream_missing at stream: the servers hold no stream",
        "`wattledger repair --dry-run` shows what can be restored, `wattledger repair` does it",
    ),
)


@pytest.mark.parametrize(("error", "what", "how"), DAMAGES, ids=[one[0].fault.code for one in DAMAGES])
def test_what_is_damaged_is_named_and_what_to_do_next(
    monkeypatch: pytest.MonkeyPatch, error: Discontinuity, what: str, how: str
) -> None:
    def damaged(_: object, __: Sequence[str]) -> None:
        raise error

    monkeypatch.setattr(main, "application", damaged)
    code, told = said(monkeypatch, ("statement", "2026-08"))
    first, further = told.splitlines()
    assert (code, first) == (3, f"not available: {what}")
    assert further.startswith(f"  `wattledger verify` names all that is damaged; {how}")


def test_a_checkpoint_s_file_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_: object, __: Sequence[str]) -> None:
        raise Discontinuity("put the file back", code="checkpoint_file", place="/somewhere")

    monkeypatch.setattr(main, "application", gone)
    assert said(monkeypatch, ("verify",)) == (3, "not available: put the file back\n")


def test_a_row_that_is_gone_is_named_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, bench: Bench, tmp_path: Path
) -> None:
    filled(bench)
    settle(bench)
    bench.project()
    for name, value in (
        ("STATE", str(tmp_path)),
        ("BOOK", bench.book),
        ("NATS_URL", bench.nats.url),
        ("NATS_MONITOR_URL", bench.nats.monitor_url),
        ("NATS_SEED", str(bench.nats.app_seed)),
        ("POSTGRES_URL", bench.postgres_url),
    ):
        monkeypatch.setenv(f"WATTLEDGER_{name}", value)
    ((sequence,),) = bench.query("DELETE FROM ledger.settlement RETURNING sequence")
    code, told = said(monkeypatch, ("statement", "2026-08"))
    place = f"table settlement, {CONTRACT.id} for 2026-08, sequence {sequence}"
    assert (code, told.splitlines()[0]) == (
        3,
        f"not available: row_altered at {place}: the run's row is gone",
    )
