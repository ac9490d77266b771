"""A newer version of a contract replaces the older from its own start on: what settling makes of it."""

from __future__ import annotations

import threading
from datetime import date

import msgspec
import pytest

from adapters.lives import terms
from adapters.queries import runs_due, statements
from adapters.settling import MonthSettled, lowest_position, settle_month
from ledger.clauses.early_termination import EarlyTermination
from ledger.contract import Contract
from ledger.interval import Month
from ledger.refusal import Refused
from ledger.signed_contract import RegisterContract
from ledger.statement.life import StatementKey
from tests.adapters.conftest import Bench
from tests.adapters.http.test_lives import TERMS
from tests.adapters.test_corrections import AGENCY, AUGUST, JULY, SEPTEMBER, founded, record, settle

WHOLE = msgspec.structs.replace(AGENCY, statement_terms=TERMS)


def register(bench: Bench, contract: Contract) -> None:
    name = f"version-{bench.recorder.max_notification_id()}"
    bench.door.execute(RegisterContract(contract), command_id=name, actor="ada")


def metered(bench: Bench) -> Bench:
    founded(bench)
    register(bench, WHOLE)
    for month in (JULY, AUGUST, SEPTEMBER):
        record(bench, month, 9_000, "first")
    return bench


def answered(bench: Bench, month: Month) -> MonthSettled:
    projector = bench.projector()
    thread = threading.Thread(target=projector.run)
    thread.start()
    try:
        return settle_month(bench.door, bench.database, month, actor="finance")
    finally:
        projector.stop()
        thread.join()


def until(end: date) -> Contract:
    return msgspec.structs.replace(WHOLE, effective_to=end)


def test_a_contract_that_was_shortened_has_no_later_month(bench: Bench) -> None:
    """The older version, which names 2036, does not come back in September."""
    metered(bench)
    register(bench, until(date(2026, 9, 1)))
    settle(bench, JULY, AUGUST)
    with pytest.raises(Refused, match="no contract holds in 2026-09") as caught:
        settle(bench, SEPTEMBER)
    assert caught.value.code == "no_contract"
    with bench.database.reading(bench.book) as connection:
        due = runs_due.runs_due(connection, lowest_position(connection), date(2026, 10, 20))
    assert [one.month for one in due] == ["2026-07", "2026-08"], "nothing is due of it either"


def test_a_change_for_a_month_is_two_versions(bench: Bench) -> None:
    metered(bench)
    august = msgspec.structs.replace(
        WHOLE, title="August only", effective_from=date(2026, 8, 1), effective_to=date(2026, 9, 1)
    )
    register(bench, august)
    register(bench, msgspec.structs.replace(WHOLE, title="As before", effective_from=date(2026, 9, 1)))
    settled = settle(bench, JULY, AUGUST, SEPTEMBER)
    assert [one.result.title for one in settled] == [WHOLE.title, "August only", "As before"]


def test_a_contract_that_ends_in_mid_month_counts_its_days_and_has_no_other_version(bench: Bench) -> None:
    metered(bench)
    register(bench, until(date(2026, 8, 16)))
    _, august = settle(bench, JULY, AUGUST)
    assert august.result.carry.settled_to == date(2026, 8, 16)
    (line,) = [line for line in august.result.lines if line.code == "arbitrage"]
    assert line.quantity == str(15 * 96 * 9_000), "15 of 31 days"


def test_a_termination_ends_the_contract_whose_older_version_goes_on(bench: Bench) -> None:
    metered(bench)
    ending = EarlyTermination(
        on=date(2026, 8, 16), evidence="notice", payer="operator", schedule=(), unpaid_hurdle="lapses"
    )
    register(bench, msgspec.structs.replace(WHOLE, clauses=(*WHOLE.clauses, ending)))
    _, august = settle(bench, JULY, AUGUST)
    assert august.result.carry.settled_to == date(2026, 8, 16)
    with pytest.raises(Refused, match="no contract holds in 2026-09"):
        settle(bench, SEPTEMBER)


def test_a_settled_month_that_a_later_version_left_out_is_named(bench: Bench) -> None:
    """Its run and statement stand, it is not passed over in silence, and the months before are corrected."""
    metered(bench)
    first = settle(bench, JULY, AUGUST, SEPTEMBER)
    text = msgspec.json.encode(until(date(2026, 9, 1)))
    amended = msgspec.json.decode(text.replace(b'"60%"', b'"50%"'), type=Contract)
    assert amended.clauses != WHOLE.clauses
    register(bench, amended)
    with pytest.raises(Refused, match="was settled for 2026-09") as caught:
        settle(bench, SEPTEMBER)
    assert (caught.value.code, caught.value.place) == ("contract_ended", f"contract {WHOLE.id}")
    found = answered(bench, JULY)
    assert [(str(one.result.month), one.kind) for one in found.runs] == [
        ("2026-07", "correction 1"),
        ("2026-08", "correction 1"),
    ]
    (left,) = found.refused
    assert (left.contract, str(left.month), left.code) == (WHOLE.id, "2026-09", "contract_ended")
    with bench.database.reading(bench.book) as connection:
        runs = statements.runs(connection, 1 << 62, month="2026-09")
    assert [(one.run, one.outputs_digest) for one in runs] == [(1, first[2].result.digest())]
    key = StatementKey(WHOLE.id, "2026-09", "operator", 1)
    assert terms(bench.door, key) == TERMS, "its statement goes on by the version that it was settled with"
