"""`wattledger drive` as a user runs it, and its stop, which needs no server."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.cli.drive import _PoolLines, _stop, _told
from adapters.continuity import Discontinuity
from adapters.driving.driver_folder import DriverFolder, StopAnswer
from adapters.driving.emergencies import local_stop
from adapters.transparency.seen_checkpoint import note_seen
from dispatch.control.emergency import AGGREGATE, Emergencies
from ledger.refusal import Refused
from ledger.transparency.note import Note, NoteSignature
from tests.adapters.bess_peer.running_peer import EXAMPLES, peer
from tests.adapters.driving.driver_book import KW, DriverBook, now, storage

ROOT = Path(__file__).parents[3]
METER = ("--meter", str(EXAMPLES / "meter_import_export.toml"))
PROGRAM = (sys.executable, "-m", "adapters.main", "drive")


def until(what: Callable[[], bool], seconds: float = 25.0) -> None:
    give_up = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def environment_of(book: DriverBook, port: int, folder: Path) -> dict[str, str]:
    """Of a process that drives the storage and the meter at that port."""
    fleet = folder / "fleet.toml"
    fleet.write_text(
        f"""[[devices]]
id = "a"
profile = "{EXAMPLES}/bess_swapped.toml"
address = {{ type = "modbus_tcp", host = "127.0.0.1", port = {port}, answer_ms = 500 }}
[[devices]]
id = "G1"
profile = "{EXAMPLES}/meter_import_export.toml"
address = {{ type = "modbus_tcp", host = "127.0.0.1", port = {port}, unit = 2 }}
meter = "GRID"
"""
    )
    settings = book.stack.settings
    given = {
        "WATTLEDGER_BOOK": settings.book,
        "WATTLEDGER_STATE": str(settings.state),
        "WATTLEDGER_NATS_URL": settings.nats_url,
        "WATTLEDGER_NATS_MONITOR_URL": settings.nats_monitor_url,
        "WATTLEDGER_NATS_SEED": str(settings.nats_seed),
        "WATTLEDGER_POSTGRES_URL": settings.postgres_url,
        "WATTLEDGER_DEVICES": str(fleet),
        "WATTLEDGER_LOG_KEY": str(settings.log_key),
    }
    return dict(os.environ) | {name: value for name, value in given.items() if value}


@pytest.mark.fault
def test_drive_and_stop_all_as_processes(book: DriverBook, tmp_path: Path) -> None:
    with peer("bess_swapped", *METER) as running:
        book.furnish((storage("a", running.ports[0]),))
        book.plan(60 * KW, 60 * KW)
        environment = environment_of(book, running.ports[0], tmp_path)
        process = subprocess.Popen(PROGRAM, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            until(lambda: running.truth()["setpoint_w"] == 60 * KW)
            # The second process knows no server at all.
            alone = {name: environment[name] for name in ("WATTLEDGER_BOOK", "WATTLEDGER_STATE", "PATH")}
            done = subprocess.run(
                [*PROGRAM, "--stop-all", "smoke", "--as", "guard-1"],
                cwd=ROOT, env=alone, capture_output=True, text=True, timeout=30, check=False,
            )  # fmt: skip
            assert (done.returncode, done.stderr) == (0, "")
            each = r"1 of 1 devices show a setpoint of 0 W, read back: a after \d+ ms; their power"
            assert re.match(each, done.stdout), done.stdout
            assert running.truth()["setpoint_w"] == 0

            def recorded() -> bool:
                state = book.stack.door.state(AGGREGATE)
                return isinstance(state, Emergencies) and [one.by for one in state.open] == ["guard-1"]

            until(recorded)
        finally:
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=20)
        assert process.returncode == 0
        assert "STOP ordered here by guard-1: smoke" in output


def test_a_driver_without_the_checkpoints_begins_nothing(book: DriverBook, tmp_path: Path) -> None:
    with peer("bess_swapped", *METER) as running:
        book.furnish((storage("a", running.ports[0]),))
        settings = book.stack.settings
        signed = Note("signed before\n", (NoteSignature("log", bytes(4), b"by somebody"),))
        note_seen(book.stack.database, settings.book, 5, signed)
        environment = environment_of(book, running.ports[0], tmp_path)
        environment["WATTLEDGER_STATE"] = str(tmp_path / "own")
        done = subprocess.run(
            PROGRAM, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
    assert (done.returncode, done.stdout) == (3, ""), done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("not available: the checkpoint of 5 envelopes was there and is gone from ")
    assert line.endswith(": WATTLEDGER_CHECKPOINTS names the folder of the checkpoints")


def test_what_ends_a_driver_is_told_in_one_line_unless_it_is_a_fault_of_ours() -> None:
    gone = Discontinuity("it is gone")
    both = ExceptionGroup("tasks", [ExceptionGroup("of one", [gone]), Refused("lease_lost", "another's")])
    assert _told(both) is gone
    ours = ExceptionGroup("tasks", [both, ValueError("a fault")])
    assert _told(ours) is ours


def test_a_stop_without_a_driver_waits_for_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = DriverFolder(tmp_path / "driving")
    assert _stop(folder, "guard-1", "smoke", now()) == 1
    assert "stops everything first" in capsys.readouterr().err
    first = folder.stop_file.read()
    assert first is not None
    again = local_stop("guard-2", "again", now())
    ordered = folder.order(again)
    assert (ordered.id, ordered.by, ordered.reason) == (first.id, "guard-1", "smoke"), "the first one stands"
    assert ordered.asked == again.asked != first.asked, "and is looked at anew"
    assert folder.stop_file.read() == ordered
    with folder.held():
        assert folder.driven
        with pytest.raises(Refused) as refused, folder.held():
            pass
        assert refused.value.code == "driver_running"
        answer = StopAnswer(id=first.asked, devices=2, verified=2, took_ms=9)
        folder.answer(answer)
        assert folder.answered(first, 0.0) == answer
        assert folder.answered(ordered, 0.0) is None, "what was answered before is no answer"
    assert not folder.driven


def test_who_stops_says_who_and_why(tmp_path: Path) -> None:
    folder = DriverFolder(tmp_path / "driving")
    for by, reason, code in (("", "smoke", "id"), ("guard-1", " ", "reason")):
        with pytest.raises(Refused) as refused:
            _stop(folder, by, reason, now())
        assert refused.value.code == code
    assert folder.stop_file.read() is None


def test_what_the_pool_says_is_a_line_of_the_driver_and_said_once() -> None:
    said: list[str] = []
    lines = _PoolLines(said.append)
    pool = logging.getLogger("psycopg.pool")
    pool.addHandler(lines)
    try:
        for _ in range(3):
            pool.warning("error connecting in %r: %s", "pool-1", "connection failed\nFATAL: shutting down")
        pool.info("new connection")
    finally:
        pool.removeHandler(lines)
    assert said == ["PostgreSQL: error connecting in 'pool-1': connection failed FATAL: shutting down"]
