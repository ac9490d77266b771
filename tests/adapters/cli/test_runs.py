"""Provisional runs, what is due and the look-back at a terminal."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from ledger.refusal import Refused
from ledger.signed_contract import RegisterContract
from tests.adapters.cli.terminal import Terminal, terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api
from tests.adapters.test_provisional import record_days
from tests.adapters.test_settling import CONTRACT, founded

CALENDAR = Path(__file__).parents[3] / "examples/calendars/shaanxi_v2.toml"


def refused(run: Terminal, *arguments: str) -> str:
    with pytest.raises(Refused) as caught:
        run(*arguments)
    return caught.value.code


def test_from_a_daily_run_to_a_waived_correction(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    founded(bench)
    record_days(bench, 0, 14, "first")
    api, run = Api(bench), terminal_of(bench, capsys)
    try:
        _at_the_terminal(bench, run)
    finally:
        api.close()


def _at_the_terminal(bench: Bench, run: Terminal) -> None:
    told = run("register", "run-calendar", str(CALENDAR), "--from", "2026-01-01")
    assert told.startswith("run calendar shaanxi_v2: event ")
    assert "in force already" in run("register", "run-calendar", str(CALENDAR), "--from", "2026-01-01")
    named = msgspec.structs.replace(CONTRACT, run_calendar="shaanxi_v2")
    bench.door.execute(RegisterContract(named), command_id="named", actor="ada")
    told = run("settle", "2026-08", "--through", "2026-08-13")
    assert told.rstrip().endswith("provisional up to 2026-08-13")
    assert "run 1 recorded" in told
    assert refused(run, "settle", "2026-08", "--through", "2026-08-12") == "through"
    shown = run("statement", "2026-08", "--party", "host-s1")
    assert "run 1 (provisional)" in shown
    assert "nothing is payable on this" in shown
    due = run("runs", "due", "--effective", "2026-08-20", "--month", "2026-08").splitlines()
    assert due == [
        "2026-08  eaas-s1                  calendar shaanxi_v2, corrected until 2027-02",
        "  provisional  due        2026-08-20  2026-08-14",
        "1 month of 1 with something due on 2026-08-20",
    ]
    assert run("runs", "due", "--effective", "2026-08-19", "--month", "2026-08").startswith("0 months of 1")
    every = run("runs", "due", "--effective", "2026-08-19", "--month", "2026-08", "--all")
    assert "  final        not due    2026-09-09" in every.splitlines()

    record_days(bench, 14, 17, "second")
    run("settle", "2026-08")
    record_days(bench, 2, 1, "again", discharge_wh=40_000)
    told = run("settle", "2026-08")
    assert told.rstrip().endswith("correction 1: meter (退补)")
    assert "because of meter (退补)" in run("statement", "2026-08", "--party", "host-s1")
    bench.now += timedelta(days=240)
    record_days(bench, 2, 1, "late", discharge_wh=30_000)
    assert refused(run, "settle", "2026-08") == "look_back"
    told = run("runs", "waive-look-back", CONTRACT.id, "2026-08", "the operator did too", "--as", "ada")
    assert told == f"{CONTRACT.id}, 2026-08: the next correction is let through\n"
    assert "correction 2: meter" in run("settle", "2026-08")
