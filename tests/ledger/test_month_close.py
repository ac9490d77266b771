"""A month closes once everything in it is final and issued, and never changes afterwards."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest

from ledger.interval import Month
from ledger.month_close import CloseMonth, Closing
from ledger.refusal import Refused
from ledger.settlement.result import Result
from ledger.settlement.run import FinaliseRun, RecordSettlement, Runs
from ledger.statement.dispute import DecideDispute
from ledger.statement.life import Life, StatementKey
from tests.ledger.statement.test_life import KEY, dispute, does, issued, result, runs

AUGUST = Month(2026, 8)


def finalised(state: Runs, run: int = 1) -> Runs:
    (event,) = FinaliseRun("c1", "2026-08", run, "ada").decide(state, {})
    return event.apply(state)


def close(
    settled: Runs | None, life: Life | None, *, carried: tuple[str, ...] = (), state: Closing | None = None
) -> Closing:
    command = CloseMonth(AUGUST, ("c1",), (KEY,), carried, "ada")
    (event,) = command.decide(state, {"settlement.c1_2026-08": settled, KEY.aggregate: life})
    return event.apply(state)


def refused(code: str, *arguments: object, **more: object) -> None:
    with pytest.raises(Refused) as caught:
        close(*arguments, **more)  # type: ignore[arg-type]
    assert caught.value.code == code


def test_a_month_closes_with_final_runs_and_issued_statements() -> None:
    state = close(finalised(runs(result(100))), issued())
    (closed,) = state.closed
    assert (closed.month, closed.finals, closed.carried_disputes) == (AUGUST, {"c1": 1}, ())
    assert state.posting_month(Month(2026, 6)) == Month(2026, 9)
    assert state.posting_month(AUGUST) == Month(2026, 9)
    assert state.posting_month(Month(2026, 10)) == Month(2026, 10)
    assert Closing().posting_month(AUGUST) == AUGUST


def test_what_is_missing_keeps_it_open() -> None:
    final = finalised(runs(result(100)))
    refused("not_final", None, issued())
    refused("not_final", runs(result(100)), issued())
    corrected = msgspec.structs.replace(final, runs=runs(result(100), result(200)).runs)
    refused("not_final", corrected, issued())
    refused("not_issued", final, None)
    refused("month_order", final, issued(), state=close(final, issued()))


def test_an_open_dispute_is_decided_or_carried_by_name() -> None:
    final = finalised(runs(result(6000, 3000, 1000)))
    life = does(issued(), dispute(2))
    refused("dispute_open", final, life)
    assert close(final, life, carried=("d1",)).closed[0].carried_disputes == ("d1",)
    refused("unknown_dispute", final, issued(), carried=("d1",))
    decided = does(life, DecideDispute(KEY, "d1", "rejected", "no", "bob"))
    assert close(final, decided).closed[0].carried_disputes == ()


def early(*fen: int, day: int = 14) -> Result:
    return msgspec.structs.replace(result(*fen), through=date(2026, 8, day))


def test_provisional_runs_pay_nothing_and_come_first() -> None:
    (first,) = RecordSettlement(early(70)).decide(None, {})
    state = first.apply(None)
    assert (first.run.kind, first.run.delta) == ("provisional", {})
    (initial,) = RecordSettlement(result(100)).decide(state, {})
    assert (initial.run.number, initial.run.kind) == (2, "initial")
    assert {party: money.minor for party, money in initial.run.delta.items()} == {
        "host": 100,
        "operator": -100,
    }
    state = initial.apply(state)
    with pytest.raises(Refused) as caught:
        RecordSettlement(early(70)).decide(state, {})
    assert caught.value.code == "provisional"
    (second,) = RecordSettlement(result(130)).decide(state, {})
    assert (second.run.kind, second.run.delta["host"].minor) == ("correction 1", 30)


def test_only_the_latest_run_is_made_final_and_once() -> None:
    state = runs(result(100), result(130))
    for run, code in ((1, "not_latest"), (3, "not_latest")):
        with pytest.raises(Refused) as caught:
            finalised(state, run)
        assert caught.value.code == code
    final = finalised(state, 2)
    assert final.final == 2
    with pytest.raises(Refused) as caught:
        finalised(final, 2)
    assert caught.value.code == "already_final"
    with pytest.raises(Refused) as caught:
        FinaliseRun("c1", "2026-08", 1, "ada").decide(None, {})
    assert caught.value.code == "unknown_run"


def test_what_one_close_carried_the_next_asks_for_again() -> None:
    """Unresolved goes into the next cycle (DOMAIN.md 3.10), and into the one after that if need be."""
    final = finalised(runs(result(6000, 3000, 1000)))
    disputed = does(issued(), dispute(2))
    state = close(final, disputed, carried=("d1",))

    def september(life: Life | None, *carried: str, waiting: tuple[StatementKey, ...] = (KEY,)) -> Closing:
        others: dict[str, object] = {KEY.aggregate: life}
        command = CloseMonth(Month(2026, 9), (), (), carried, "ada", waiting)
        (event,) = command.decide(state, {name: others[name] for name in command.reads})
        return event.apply(state)

    for life, carried, waiting in ((disputed, (), (KEY,)), (disputed, ("d1",), ()), (None, ("d1",), (KEY,))):
        with pytest.raises(Refused) as caught:
            september(life, *carried, waiting=waiting)
        assert caught.value.code == "dispute_open"
    assert september(disputed, "d1").closed[-1].carried_disputes == ("d1",)
    decided = does(disputed, DecideDispute(KEY, "d1", "rejected", "no", "bob"))
    assert september(decided).closed[-1].carried_disputes == ()
    with pytest.raises(Refused) as caught:
        september(decided, "d1")
    assert caught.value.code == "unknown_dispute"


def test_a_provisional_run_never_goes_back() -> None:
    state: Runs | None = None
    for day in (13, 14):
        (event,) = RecordSettlement(early(70, day=day)).decide(state, {})
        state = event.apply(state)
    (same,) = RecordSettlement(early(80, day=14)).decide(state, {})
    assert (same.run.number, same.run.kind) == (3, "provisional"), "the same day again, with other facts"
    with pytest.raises(Refused) as caught:
        RecordSettlement(early(70, day=13)).decide(state, {})
    assert (caught.value.code, caught.value.place) == ("through", "through")
