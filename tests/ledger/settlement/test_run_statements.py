"""Which statements of a month are to be issued: none that asks for money is passed over."""

from __future__ import annotations

from ledger.quantity import Money
from ledger.settlement.run import RecordSettlement, Runs
from tests.ledger.settlement.test_explanation import ALONE, provisional, run_of


def recorded(*amounts: int) -> Runs:
    state: Runs | None = None
    for minor in amounts:
        (event,) = RecordSettlement(run_of(ALONE, {"spot": minor})).decide(state, {})
        state = event.apply(state)
    assert state is not None
    return state


def test_a_run_superseded_before_it_was_issued_still_asks_for_its_change() -> None:
    runs = recorded(10_000, 10_100, 10_100)
    assert runs.statements == (
        (1, "a"), (1, "host"), (2, "a"), (2, "host"), (3, "a"), (3, "b"), (3, "host"),
    )  # fmt: skip
    asked = sum(runs.runs[run - 1].delta[party].minor for run, party in runs.statements if party == "a")
    latest = runs.latest
    assert latest is not None
    assert Money(asked, "CNY") == latest.result.payable["a"]


def test_a_provisional_run_asks_for_nothing() -> None:
    (event,) = RecordSettlement(provisional(run_of(ALONE, {"spot": 10_000}), 10)).decide(None, {})
    assert event.apply(None).statements == ()
