"""A month closed at a terminal: what is missing is told alike, and what comes later is asked for."""

from __future__ import annotations

from datetime import UTC, date, datetime

import msgspec
import pytest

from adapters.cli.close import _notes
from adapters.closing import Checklist, ContractCheck
from adapters.settling import settle_month, wait_until
from adapters.verify import check_runs
from ledger.interval import Month
from ledger.signed_contract import RegisterContract
from tests.adapters.cli.terminal import Terminal, terminal_of
from tests.adapters.cli.test_disputes import MONTH, OF_HOST, issue, life, refused
from tests.adapters.cli.test_disputes import run as issued_run
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import HOST, Api
from tests.adapters.http.test_lives import TERMS
from tests.adapters.test_provisional import record_days
from tests.adapters.test_settling import CONTRACT, founded

run = issued_run


def upheld(run: Terminal, bench: Bench) -> None:
    number = next(iter(life(bench, HOST).lines))
    run("dispute", "raise", *OF_HOST, "q1", str(number), "--reason", "it read more", "--as", HOST)
    run("dispute", "decide", *OF_HOST, "q1", "upheld", "--answer", "it did", "--as", "ada")


def told(run: Terminal, *arguments: str) -> list[str]:
    return [line for line in run(*arguments).splitlines() if line.startswith("  ")]


def test_close_tells_what_month_tells(run: Terminal, bench: Bench) -> None:
    upheld(run, bench)
    assert "refused (dispute_upheld)" in run("finalise", MONTH, "--as", "ada")
    record_days(bench, 2, 1, "more", discharge_wh=60_000)
    run("settle", MONTH)
    refused("not_issued", run, "dispute", "correct", *OF_HOST, "q1", "--as", "ada")
    missing = told(run, "month", MONTH)
    assert any("not issued: " in line for line in missing)
    assert "  open disputes: q1" in missing
    issue(run)
    run("dispute", "correct", *OF_HOST, "q1", "--as", "ada")
    assert run("finalise", MONTH, "--as", "ada") == f"{CONTRACT.id}: run 2 of {MONTH} final\n"
    warned = [line for line in told(run, "month", MONTH) if "invoices do not add up" in line]
    (note,) = warned
    start = f"  note, it closes all the same: invoices do not add up: {CONTRACT.id} ("
    assert note.startswith(start)
    assert HOST in note
    assert "`wattledger record invoice`" in note, "what to do"
    closed, *shown = run("close", MONTH, "--as", "ada").splitlines()
    assert (closed, shown) == (f"{MONTH} is closed", warned)


def test_a_refused_close_says_nothing_but_why(run: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    assert any("invoices do not add up" in line for line in told(run, "month", MONTH))
    refused("not_final", run, "close", MONTH, "--as", "ada")
    assert not capsys.readouterr().out, "the refusal is the one line"


def test_notes_are_one_line_for_each_kind() -> None:
    checks = [ContractCheck(name, 1, True, (), ("host", "operator"), not_settleable="") for name in "ab"]
    checks.append(ContractCheck("c", 1, True, (), (), not_settleable="no readings"))
    late, money = ("a 2026-07",), ("m1", "m2")
    check = Checklist("2026-08", False, date(2026, 9, 1), tuple(checks), (), (), True, (), (), late, money)
    settled, invoices, earlier, unmatched = (
        line.removeprefix("note, it closes all the same: ") for line in _notes(check)
    )
    assert settled.startswith("not settled again: c (no readings); ")
    assert invoices.startswith("invoices do not add up: a (host, operator), b (host, operator); ")
    assert earlier.startswith("earlier months to be settled again: a 2026-07; ")
    assert unmatched.startswith("unmatched: m1, m2; ")


def test_what_a_closed_month_is_to_be_corrected_by_is_told_of_it(run: Terminal, bench: Bench) -> None:
    run("finalise", MONTH, "--as", "ada")
    run("close", MONTH, "--as", "ada")
    assert "recorded since" not in run("month", MONTH)
    record_days(bench, 2, 1, "more", discharge_wh=60_000)
    late = f"  {CONTRACT.id}: readings recorded since run 1; settle {MONTH} again"
    assert late in told(run, "month", MONTH)
    run("settle", MONTH)
    assert late not in told(run, "month", MONTH)


def test_what_an_end_before_a_closed_month_takes_back_is_asked_for(run: Terminal, bench: Bench) -> None:
    run("finalise", MONTH, "--as", "ada")
    run("close", MONTH, "--as", "ada")
    gone = msgspec.structs.replace(
        CONTRACT, statement_terms=TERMS, effective_from=date(2026, 1, 1), effective_to=date(2026, 8, 1)
    )
    bench.door.execute(RegisterContract(gone), command_id="gone", actor="ada")
    assert "run 2 recorded   pool 0.00 CNY" in run("settle", MONTH)
    assert "of which new in this run" in run("statement", MONTH, "--party", HOST)
    with bench.database.reading(bench.book) as connection:
        assert check_runs(connection, bench.book, 1 << 62) == (2, []), "settled again it is the same"
    assert refused("no_contract", run, "month", "2026-09").reason == "no contract holds in 2026-09"
    assert f"{CONTRACT.id}, not issued: " in run("month", MONTH)
    issue(run)
    delta = life(bench, HOST, 2).amount
    assert delta == -life(bench, HOST).amount
    assert delta.minor


SHANGHAIS_SEPTEMBER = datetime(2026, 8, 31, 16, tzinfo=UTC)


def test_no_month_is_closed_before_it_is_over(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever it was settled by, the close is recorded under an instant that is past the month's end."""
    bench.now = datetime(2026, 8, 20, tzinfo=UTC)
    founded(bench, msgspec.structs.replace(CONTRACT, statement_terms=TERMS))
    record_days(bench, 0, 31, "all")
    api = Api(bench)
    run = terminal_of(bench, capsys)
    settle_month(bench.door, bench.database, Month.parse(MONTH), actor="ada")
    for step, who in (("review", "ada"), ("approve", "bob"), ("issue", "ada")):
        run("statements", step, MONTH, "--as", who)
    run("finalise", MONTH, "--as", "ada")
    early = refused("month_not_over", run, "close", MONTH, "--as", "ada")
    assert "2026-08 ends with 2026-08-31, and where the book is kept it is 2026-08-20" in early.reason
    bench.now = SHANGHAIS_SEPTEMBER
    assert run("close", MONTH, "--as", "ada").splitlines()[0] == f"{MONTH} is closed"
    api.close()


def test_a_clock_set_back_does_not_reopen_a_month_that_is_over(run: Terminal, bench: Bench) -> None:
    """The runs were recorded in September: the close is too, and its instant says so."""
    run("finalise", MONTH, "--as", "ada")
    bench.now = datetime(2026, 8, 20, tzinfo=UTC)
    assert run("close", MONTH, "--as", "ada").splitlines()[0] == f"{MONTH} is closed"
    wait_until(bench.database, bench.book, bench.log.client.run(bench.log.last_sequence()), 20)
    (recorded,) = bench.query("SELECT recorded_at FROM ledger.envelope WHERE aggregate = 'closing.book'")
    assert recorded[0] >= SHANGHAIS_SEPTEMBER  # type: ignore[operator]


def test_a_month_is_not_closed_on_a_run_that_settling_would_change(run: Terminal, bench: Bench) -> None:
    run("finalise", MONTH, "--as", "ada")
    assert not [line for line in told(run, "month", MONTH) if "settle" in line]
    record_days(bench, 2, 1, "more", discharge_wh=60_000)
    assert f"  {CONTRACT.id}: readings recorded since run 1; settle {MONTH} again" in told(
        run, "month", MONTH
    )
    stale = refused("stale_run", run, "close", MONTH, "--as", "ada")
    assert f"readings recorded since run 1: settle {MONTH} again" in stale.reason
    issue(run)
    run("finalise", MONTH, "--as", "ada")
    assert run("close", MONTH, "--as", "ada").splitlines()[0] == f"{MONTH} is closed"
    record_days(bench, 3, 1, "late", discharge_wh=60_000)
    late = f"  {CONTRACT.id}: readings recorded since run 2; settle {MONTH} again"
    assert late in told(run, "month", MONTH), "its correction is posted in an open month"
