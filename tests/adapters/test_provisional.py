"""A month that is not over: settled day by day, accrued, and undone by its initial run."""

from __future__ import annotations

import threading
from datetime import date, datetime, timedelta

import msgspec
import numpy as np
import pytest

from adapters import statement_text
from adapters.queries import settlement_inputs, statements
from adapters.queries.journal import journal
from adapters.replay import replay
from adapters.settling import Settled, settle_month
from ledger.accounting.account import Account
from ledger.interval import Month
from ledger.meter_import import RecordReadings
from ledger.readings import run_of
from ledger.refusal import Refused
from ledger.settlement.run import Runs
from ledger.settlement.settle import settle_all
from ledger.statement.issue import ReviewStatement
from ledger.statement.life import StatementKey
from tests.adapters.conftest import Bench
from tests.adapters.test_corrections import AUGUST, JULY
from tests.adapters.test_corrections import founded as agency_founded
from tests.adapters.test_corrections import record as record_flat
from tests.adapters.test_settling import CONTRACT, START, founded

DAY = 96


def record_days(bench: Bench, first: int, days: int, name: str, *, discharge_wh: int = 50_000) -> None:
    """Load 200 kWh and storage in each quarter-hour of days `first` (from 0) to `first + days` of August."""
    for meter, register, wh in (
        ("S1-LOAD", "load", 200_000),
        ("S1-STORAGE", "charge", 10_000),
        ("S1-STORAGE", "discharge", discharge_wh),
    ):
        start = START + timedelta(days=first)
        pieces: dict[str, list[datetime]] = {}
        for number in range(days * DAY):
            at = start + timedelta(minutes=15 * number)
            pieces.setdefault(f"{at:%Y-%m}", []).append(at)
        for month, at_times in pieces.items():
            run = run_of(meter, register, at_times[0], 900, np.full(len(at_times), wh), "A")
            command = RecordReadings(meter, month, "test", (run,))
            bench.door.execute(command, command_id=f"{name}:{register}:{month}", actor="gateway")


def settle(bench: Bench, through: date | None, month: Month = AUGUST, **more: object) -> list[Settled]:
    projector = bench.projector()
    thread = threading.Thread(target=projector.run)
    thread.start()
    try:
        return settle_month(
            bench.door,
            bench.database,
            month,
            actor="finance",
            through=through,
            **more,  # type: ignore[arg-type]
        ).runs
    finally:
        projector.stop()
        thread.join()


def refused(code: str, bench: Bench, through: date | None, **more: object) -> Refused:
    before = bench.recorder.max_notification_id()
    with pytest.raises(Refused) as caught:
        settle(bench, through, **more)  # type: ignore[arg-type]
    assert caught.value.code == code, caught.value
    assert bench.recorder.max_notification_id() == before
    return caught.value


def balances(bench: Bench) -> dict[Account, int]:
    bench.project()
    with bench.database.reading(bench.book) as connection:
        entries = journal(connection, 1 << 62).journal.entries
    found: dict[Account, int] = {}
    for entry in entries:
        for posting in entry.postings:
            found[posting.account] = found.get(posting.account, 0) + posting.amount.minor
    return {account: minor for account, minor in found.items() if minor}


def test_days_are_settled_while_the_rest_of_the_month_is_missing(bench: Bench) -> None:
    """The figures of 14 days by hand: 14 x 96 x 40 kWh more out than in, at each period's price."""
    founded(bench)
    record_days(bench, 0, 14, "first")
    refused("missing_readings", bench, None)
    refused("missing_readings", bench, date(2026, 8, 15))
    refused("through", bench, date(2026, 9, 1))
    refused("through", bench, date(2026, 7, 31))
    (settled,) = settle(bench, date(2026, 8, 14))
    assert (settled.run, settled.kind, settled.recorded) == (1, "provisional", True)
    result = settled.result
    assert result.through == date(2026, 8, 14)
    lines = {line.code: line for line in result.lines if line.kind == "stream"}
    energy = {term.label: int(term.quantity) for term in lines["arbitrage"].basis}
    charged = sum(wh for label, wh in energy.items() if label.startswith("charged"))
    assert charged == 14 * DAY * 10_000
    assert lines["demand_charge"].note == "maximum demand 800.0 kW without storage, 640.0 kW with it"
    assert str(lines["demand_charge"].amount) == "7168.00", "160 kW at 44.8, whole"
    (note,) = [one for one in result.warnings if one.code == "provisional"]
    assert "2026-08-14" in note.message
    (again,) = settle(bench, date(2026, 8, 14))
    assert (again.run, again.recorded) == (1, False)
    with bench.database.reading(bench.book) as connection:
        kept = statements.result(connection, CONTRACT.id, "2026-08", 1)
        assert kept is not None
        inputs = settlement_inputs.load(connection, bench.book, AUGUST, kept.position, through=kept.through)
    assert [one.digest() for one in settle_all(inputs)] == [result.digest()], "it can be settled again"


def test_several_in_a_month_are_accrued_and_the_initial_run_takes_their_place(bench: Bench) -> None:
    founded(bench)
    record_days(bench, 0, 14, "first")
    settle(bench, date(2026, 8, 13))
    accrued = balances(bench)
    assert accrued, "something is accrued"
    settle(bench, date(2026, 8, 14))
    assert balances(bench) != accrued
    error = refused("through", bench, date(2026, 8, 13))
    assert "up to 2026-08-14" in error.reason
    record_days(bench, 14, 17, "second")
    (initial,) = settle(bench, None)
    assert (initial.run, initial.kind) == (3, "initial")
    runs = bench.door.state(f"settlement.{CONTRACT.id}_2026-08")
    assert isinstance(runs, Runs)
    assert [run.kind for run in runs.runs] == ["provisional", "provisional", "initial"]
    assert [run.delta for run in runs.runs] == [{}, {}, initial.result.payable]
    assert "initial run of 2026-08" in refused("provisional", bench, date(2026, 8, 14)).reason

    fresh = type(bench)(bench.nats, bench.postgres)
    founded(fresh)
    record_days(fresh, 0, 14, "first")
    record_days(fresh, 14, 17, "second")
    settle(fresh, None)
    assert balances(bench) == balances(fresh), "the accruals are undone to the fen"
    fresh.close()


def test_a_day_that_was_corrected_is_settled_again(bench: Bench) -> None:
    founded(bench)
    record_days(bench, 0, 2, "first")
    (before,) = settle(bench, date(2026, 8, 2))
    record_days(bench, 0, 1, "again", discharge_wh=40_000)
    (after,) = settle(bench, date(2026, 8, 2))
    assert (after.run, after.recorded) == (2, True)
    assert after.result.pool.minor < before.result.pool.minor


def test_its_statement_is_shown_and_neither_reviewed_nor_paid(bench: Bench) -> None:
    founded(bench)
    record_days(bench, 0, 14, "first")
    settle(bench, date(2026, 8, 14))
    bench.project()
    with bench.database.reading(bench.book) as connection:
        shown = statements.latest(connection, 1 << 62, month="2026-08")
        (listed,) = statements.runs(connection, 1 << 62)
    assert {one.run_kind for one in shown} == {"provisional"}
    assert {one.delta.minor for one in shown} == {0}
    for one in shown:
        assert "nothing is payable on this" in statement_text.text(one)
        key = StatementKey(one.contract, one.month, one.party, one.run)
        with pytest.raises(Refused) as caught:
            bench.door.execute(ReviewStatement(key, "ada"), command_id=f"r-{one.party}", actor="ada")
        assert caught.value.code == "provisional"
    assert (listed.run_kind, listed.causes) == ("provisional", ())
    assert replay(bench.log, bench.database).equal


def test_later_months_rest_on_runs_that_pay_alone(bench: Bench) -> None:
    """The guarantee is year to date: August needs July's initial run; provisional ones do not count."""
    agency_founded(bench)
    for month, wh in ((JULY, 9_000), (AUGUST, 12_000)):
        record_flat(bench, month, wh, "first")
    settle(bench, date(2026, 7, 20), JULY)
    refused("prior_missing", bench, date(2026, 8, 3))
    (july,) = settle(bench, None, JULY)
    (august,) = settle(bench, date(2026, 8, 10))
    assert august.result.carry != july.result.carry
    record_flat(bench, JULY, 9_500, "revised")
    again = settle(bench, None, JULY)
    assert [str(one.result.month) for one in again] == ["2026-07"], "August has no run that pays"
    (initial,) = settle(bench, None)
    assert initial.kind == "initial"
    assert initial.result.carry.accounts != august.result.carry.accounts


def test_a_contract_that_begins_later_is_left_out(bench: Bench) -> None:
    late = msgspec.structs.replace(CONTRACT, effective_from=date(2026, 8, 10))
    founded(bench, late)
    record_days(bench, 0, 14, "first")
    refused("no_contract", bench, date(2026, 8, 9))
    assert refused("not_in_force", bench, date(2026, 8, 9), contracts=(late.id,)).place == "through"
    (settled,) = settle(bench, date(2026, 8, 10))
    charged = next(line for line in settled.result.lines if line.code == "arbitrage")
    energy = sum(int(term.quantity) for term in charged.basis if term.label.startswith("charged"))
    assert energy == DAY * 10_000, "one day of the contract"
