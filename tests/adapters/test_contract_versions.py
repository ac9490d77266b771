"""A newer version of a contract replaces the older from its own start on: what settling makes of it."""

from __future__ import annotations

import threading
from datetime import date

import msgspec
import pytest

from adapters.correcting import read_again, reading_the_same
from adapters.lives import terms
from adapters.queries import runs_due, settlement_inputs, statements
from adapters.settling import MonthSettled, lowest_position, settle_month
from ledger.clauses.early_termination import EarlyTermination
from ledger.contract import Contract
from ledger.interval import Month
from ledger.refusal import Refused
from ledger.settlement.inputs import Part, contract_digest
from ledger.settlement.run import Runs
from ledger.settlement.settle import settle_all
from ledger.signed_contract import RegisterContract
from ledger.statement.life import StatementKey
from tests.adapters.conftest import Bench
from tests.adapters.http.test_lives import TERMS
from tests.adapters.test_corrections import (
    AGENCY,
    AUGUST,
    JULY,
    SEPTEMBER,
    founded,
    payable,
    record,
    settle,
)

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
        due = runs_due.runs_due(connection, lowest_position(connection), date(2026, 10, 20)).months
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


def test_an_end_before_settled_months_takes_them_back(bench: Bench) -> None:
    """Original plus deltas equals fresh (DOMAIN.md 2.3): a book that knew the end from the start."""
    metered(bench)
    first = settle(bench, JULY, AUGUST, SEPTEMBER)
    assert all(any(money.minor for money in one.result.payable.values()) for one in first)
    register(bench, until(date(2026, 8, 11)))
    chain = answered(bench, JULY)
    assert [(str(one.result.month), one.kind, one.causes) for one in chain.runs] == [
        ("2026-07", "initial", ()),
        ("2026-08", "correction 1", ("retroactive_amendment",)),
        ("2026-09", "correction 1", ("retroactive_amendment",)),
    ]
    assert chain.refused == []
    with bench.database.reading(bench.book) as connection:
        taken_back = statements.runs(connection, 1 << 62, month="2026-09")[-1]
    assert taken_back.outputs_digest == chain.runs[2].result.digest()
    runs = bench.door.state(f"settlement.{WHOLE.id}_2026-09")
    assert isinstance(runs, Runs)
    original, correction = runs.runs
    assert correction.delta == {party: -money for party, money in original.result.payable.items()}
    assert correction.classes == ("data_error",)
    again = answered(bench, JULY)
    assert [one.recorded for one in again.runs] == [False, False, False], "nothing changed since"
    assert [one.recorded for one in answered(bench, SEPTEMBER).runs] == [False]

    fresh = founded(type(bench)(bench.nats, bench.postgres))
    try:
        register(fresh, until(date(2026, 8, 11)))
        for month in (JULY, AUGUST, SEPTEMBER):
            record(fresh, month, 9_000, "only")
        settle(fresh, JULY, AUGUST)
        assert payable(bench) == payable(fresh)
    finally:
        fresh.close()
    key = StatementKey(WHOLE.id, "2026-09", "operator", 2)
    assert terms(bench.door, key) == TERMS, "its statement goes on by the version that it was settled with"


def test_a_contract_that_holds_again_is_settled_again(bench: Bench) -> None:
    """What was taken back comes back, from where the last month that held left off."""
    metered(bench)
    first = settle(bench, JULY, AUGUST, SEPTEMBER)
    register(bench, until(date(2026, 8, 1)))
    assert [one.result.month for one in answered(bench, AUGUST).runs] == [AUGUST, SEPTEMBER]
    register(bench, msgspec.structs.replace(WHOLE, title="After all"))
    again = answered(bench, JULY).runs
    assert [(str(one.result.month), one.kind) for one in again] == [
        ("2026-07", "correction 1"),
        ("2026-08", "correction 2"),
        ("2026-09", "correction 2"),
    ]
    assert {one.causes for one in again} == {("retroactive_amendment",)}
    assert [one.result.payable for one in again] == [one.result.payable for one in first]


def test_a_correction_names_what_changed_beside_the_amendment(bench: Bench) -> None:
    """The span of readings and prices that a shorter contract rests on is no cause; a new reading is one."""
    metered(bench)
    settle(bench, JULY, AUGUST)
    record(bench, AUGUST, 9_001, "revised")
    register(bench, until(date(2026, 8, 16)))
    _, august = answered(bench, JULY).runs
    assert august.causes == ("retroactive_amendment", "meter")
    runs = bench.door.state(f"settlement.{WHOLE.id}_2026-08")
    assert isinstance(runs, Runs)
    assert runs.runs[-1].causes == august.causes, "told and recorded alike"


_SHORTER = date(2026, 8, 16)


@pytest.mark.parametrize(
    ("changed", "in_terms_alone"),
    [
        ({"title": "Renamed"}, True),
        ({"statement_terms": None}, True),
        ({"effective_to": _SHORTER}, False),
        ({"exclusivity": "another"}, False),
    ],
)
def test_what_an_amendment_of_terms_alone_rests_on_is_told_without_reading_it_again(
    bench: Bench, changed: dict[str, object], in_terms_alone: bool
) -> None:
    metered(bench)
    settle(bench, JULY, AUGUST)
    record(bench, AUGUST, 9_001, "revised")
    amended = msgspec.structs.replace(WHOLE, **changed)
    register(bench, WHOLE)
    register(bench, amended)
    bench.project()
    with bench.database.reading(bench.book) as connection:
        position = lowest_position(connection)
        (inputs,) = settlement_inputs.load(connection, bench.book, AUGUST, position)
        (result,) = settle_all([inputs])
        ((then,),) = connection.execute(
            "SELECT result->'inputs' FROM ledger.settlement WHERE month = '2026-08'"
        ).fetchall()
        long_way = read_again(connection, bench.book, position, result, then)
    short_way = reading_the_same([WHOLE, WHOLE, amended], result.inputs, then)
    assert long_way is not None
    assert long_way["contract"] == contract_digest(WHOLE) != result.inputs["contract"]
    assert short_way == (long_way if in_terms_alone else None)


def test_what_was_changed_and_changed_back_is_read_again() -> None:
    shorter, renamed = until(_SHORTER), msgspec.structs.replace(WHOLE, title="Renamed")
    then: dict[Part, str] = {"contract": contract_digest(WHOLE), "meter": "m"}
    now: dict[Part, str] = {"contract": contract_digest(renamed), "meter": "m"}
    assert reading_the_same([WHOLE, renamed], now, then) == then
    assert reading_the_same([WHOLE, shorter, renamed], now, then) is None, "days of the months between"
    assert reading_the_same([shorter, WHOLE, renamed], now, then) == then
    assert reading_the_same([WHOLE, renamed, shorter], now, then) is None, "the newest is not what is settled"
    assert reading_the_same([renamed], now, then) is None
    assert reading_the_same([WHOLE, renamed], now, {**then, "exclusivity": "p"}) is None
    assert reading_the_same([WHOLE, renamed], {**now, "exclusivity": "p"}, then) == then


def test_nothing_is_settled_before_its_days_are_over(bench: Bench) -> None:
    """Not for want of readings: the month has not ended."""
    metered(bench)

    def refused(today: date, through: date | None = None) -> Refused:
        with pytest.raises(Refused) as caught:
            settle_month(bench.door, bench.database, SEPTEMBER, actor="ada", through=through, today=today)
        return caught.value

    running = refused(date(2026, 9, 30))
    assert (running.code, running.place) == ("month_not_over", "month")
    assert "days up to 2026-09-29 provisionally" in running.reason
    assert "none of its days is over on 2026-09-01" in refused(date(2026, 9, 1)).reason
    assert refused(date(2026, 9, 14), date(2026, 9, 14)).code == "through"


def test_a_version_that_changes_later_months_corrects_no_earlier_one(bench: Bench) -> None:
    """Nothing of July is in force otherwise: an empty correction would have to be reviewed and issued."""
    metered(bench)
    settle(bench, JULY, AUGUST, SEPTEMBER)
    ending = EarlyTermination(
        on=date(2026, 9, 16), evidence="notice", payer="operator", schedule=(), unpaid_hurdle="lapses"
    )
    register(bench, msgspec.structs.replace(WHOLE, clauses=(*WHOLE.clauses, ending)))
    chain = answered(bench, JULY)
    assert [(str(one.result.month), one.kind, one.recorded) for one in chain.runs] == [
        ("2026-07", "initial", False),
        ("2026-08", "initial", False),
        ("2026-09", "correction 1", True),
    ]
    register(bench, msgspec.structs.replace(WHOLE, clauses=(*WHOLE.clauses, ending), title="Another name"))
    assert [one.kind for one in answered(bench, JULY).runs] == [
        "correction 1",
        "correction 1",
        "correction 2",
    ]


def test_an_amendment_that_moves_nothing_in_a_month_is_no_cause_of_its_correction(bench: Bench) -> None:
    """The contract ends in September: July and August correct nothing but the revised readings."""
    metered(bench)
    settle(bench, JULY, AUGUST, SEPTEMBER)
    ending = EarlyTermination(
        on=date(2026, 9, 16), evidence="notice", payer="operator", schedule=(), unpaid_hurdle="lapses"
    )
    register(bench, msgspec.structs.replace(WHOLE, clauses=(*WHOLE.clauses, ending)))
    for month in (JULY, AUGUST, SEPTEMBER):
        record(bench, month, 9_001, "revised")
    runs = answered(bench, JULY).runs
    assert [(str(one.result.month), one.causes) for one in runs] == [
        ("2026-07", ("meter",)),
        ("2026-08", ("earlier_month", "meter")),
        ("2026-09", ("retroactive_amendment", "earlier_month", "meter")),
    ]
    for one in runs:
        kept = bench.door.state(f"settlement.{WHOLE.id}_{one.result.month}")
        assert isinstance(kept, Runs)
        assert kept.runs[-1].causes == one.causes, "told and recorded alike"


def test_an_amendment_that_moves_something_is_a_cause_beside_the_others(bench: Bench) -> None:
    metered(bench)
    settle(bench, JULY)
    record(bench, JULY, 9_001, "revised")
    register(bench, msgspec.structs.replace(WHOLE, title="Renamed"))
    (again,) = answered(bench, JULY).runs
    assert again.causes == ("retroactive_amendment", "meter"), "a statement has the contract's title"


def test_another_position_of_the_owner_is_a_correction_though_no_amount_changes(bench: Bench) -> None:
    """Whether the pool is the owner's revenue stands in the contract alone, and is posted from the run."""
    metered(bench)
    settle(bench, JULY)
    other = "net" if WHOLE.owner_position == "gross" else "gross"
    register(bench, msgspec.structs.replace(WHOLE, owner_position=other))
    (again,) = answered(bench, JULY).runs
    assert (again.kind, again.recorded) == ("correction 1", True)
