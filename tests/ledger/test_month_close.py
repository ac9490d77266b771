"""A month closes once everything in it is final and issued, and never changes afterwards."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from ledger import book
from ledger.approval import Propose
from ledger.book import Book
from ledger.interval import Month
from ledger.month_close import CloseMonth, Closing
from ledger.refusal import Refused
from ledger.settlement.result import Result
from ledger.settlement.run import FinaliseRun, RecordSettlement, Runs
from ledger.statement.dispute import CorrectDispute, DecideDispute
from ledger.statement.life import Life, StatementKey
from tests.ledger.statement.test_life import (
    APPROVE,
    ISSUE,
    KEY,
    REVIEW,
    dispute,
    does,
    issued,
    result,
    runs,
)

AUGUST = Month(2026, 8)
OVER = datetime(2026, 8, 31, 16, tzinfo=UTC)
"""The first instant after August on Shanghai's clocks."""
BOOK = Book("A test", "operator", "CNY", "Asia/Shanghai", "one_person")
OPERATOR = msgspec.structs.replace(KEY, party="operator")


def keys(state: Runs | None, up_to: int = 99) -> tuple[StatementKey, ...]:
    given = () if state is None else state.statements_up_to(up_to)
    return tuple(StatementKey("c1", "2026-08", party, run) for run, party in given)


def finalised(state: Runs, run: int = 1, *, lives: tuple[Life, ...] = ()) -> Runs:
    command = FinaliseRun("c1", "2026-08", run, "ada", keys(state, run))
    (event,) = command.decide(state, {life.key.aggregate: life for life in lives})
    return event.apply(state)


def issued_to(key: StatementKey, settled: Runs) -> Life:
    steps = (msgspec.structs.replace(step, key=key) for step in (REVIEW, APPROVE, ISSUE))
    return does(None, *steps, settled=settled)


def close(
    settled: Runs | None,
    *lives: Life | None,
    carried: tuple[str, ...] = (),
    state: Closing | None = None,
    statements: tuple[StatementKey, ...] | None = None,
    now: datetime = OVER,
) -> Closing:
    """The operator's statement of run 1 is issued where nothing else is said."""
    named = keys(settled) if statements is None else statements
    command = CloseMonth(AUGUST, ("c1",), named, carried, "ada")
    others: dict[str, object] = {book.AGGREGATE: BOOK, "settlement.c1_2026-08": settled}
    if settled is not None:
        others[OPERATOR.aggregate] = issued_to(OPERATOR, settled)
    others |= {life.key.aggregate: life for life in lives if life is not None}
    (event,) = command.decide_at(now, state, others)
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


def test_a_month_closes_once_it_is_over_where_the_book_is_kept() -> None:
    """On 31 August at midnight in Shanghai, which is 16:00 UTC, and not a microsecond before; a proposal is
    refused likewise."""
    final = finalised(runs(result(100)))
    early = OVER - timedelta(microseconds=1)
    with pytest.raises(Refused) as caught:
        close(final, issued(), now=early)
    assert (caught.value.code, caught.value.place) == ("month_not_over", "month")
    assert caught.value.reason == (
        "2026-08 ends with 2026-08-31, and where the book is kept it is 2026-08-31 23:59: close it from"
        " 2026-09-01 on"
    )
    close(final, issued(), now=OVER)
    proposed = Propose("p1", CloseMonth(AUGUST, (), (), (), "ada"), "ada")
    others = {name: BOOK if name == book.AGGREGATE else None for name in proposed.reads}
    assert proposed.decide_at(OVER, None, others)
    with pytest.raises(Refused) as caught:
        proposed.decide_at(early, None, others)
    assert caught.value.code == "month_not_over"


def test_what_is_missing_keeps_it_open() -> None:
    final = finalised(runs(result(100)))
    refused("not_final", None, issued())
    refused("not_final", runs(result(100)), issued())
    corrected = msgspec.structs.replace(final, runs=runs(result(100), result(200)).runs)
    refused("not_final", corrected, issued())
    refused("not_issued", final, None)
    refused("month_order", final, issued(), state=close(final, issued()))
    refused("statement_missing", final, issued(), statements=(KEY,))


def test_every_run_that_changed_what_is_owed_has_its_statement_issued_before_the_close() -> None:
    """Run 1 asked for 100, run 2 for 30 more, run 3 for nothing: run 2's are not covered by run 3's."""
    settled = finalised(runs(result(100), result(130), result(130)), 3)
    lives = {key: issued_to(key, settled) for key in keys(settled)}
    close(settled, *lives.values())
    for key in keys(settled):
        refused("not_issued", settled, *(life for life in lives.values() if life.key != key), *(
            [msgspec.structs.replace(lives[key], issued_on=None)]
        ))  # fmt: skip
        refused("statement_missing", settled, *lives.values(), statements=tuple(
            one for one in keys(settled) if one != key
        ))  # fmt: skip


def test_a_statement_whose_run_was_replaced_before_it_changed_anything_is_not_waited_for() -> None:
    """Run 2 changed nothing and another took its place: nobody asks for its statements. Were one disputed
    all the same, that would keep the month open."""
    settled = finalised(runs(result(100), result(100), result(120)), 3)
    replaced = [key for key in keys(settled) if key.run == 2]
    lives = [issued_to(key, settled) for key in keys(settled) if key not in replaced]
    close(settled, *lives)
    disputed = does(issued_to(replaced[0], settled), msgspec.structs.replace(dispute(1), key=replaced[0]))
    refused("dispute_open", settled, *lives, disputed)


def test_no_run_is_final_while_a_dispute_is_upheld_and_not_corrected() -> None:
    settled = runs(result(6000, 3000, 1000))
    upheld = does(issued(), dispute(2), DecideDispute(KEY, "d1", "upheld", "so it is", "bob"))
    with pytest.raises(Refused) as caught:
        finalised(settled, lives=(upheld,))
    assert caught.value.code == "dispute_upheld"
    assert finalised(settled, lives=(does(issued(), dispute(2)),)).final == 1, "an open one can be carried"
    corrected = runs(result(6000, 3000, 1000), result(6000, 3500, 1000))
    with pytest.raises(Refused) as caught:
        finalised(corrected, 2, lives=(upheld,))
    assert caught.value.code == "dispute_upheld"
    second = msgspec.structs.replace(KEY, run=2)
    delta = {second.aggregate: issued_to(second, corrected)}
    (event,) = CorrectDispute(KEY, "d1", 2).decide(upheld, {"settlement.c1_2026-08": corrected, **delta})
    assert finalised(corrected, 2, lives=(event.apply(upheld),)).final == 2
    with pytest.raises(Refused) as caught:
        FinaliseRun("c1", "2026-08", 1, "ada", (KEY,)).decide(settled, {})
    assert caught.value.code == "statement_missing"


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
        FinaliseRun("c1", "2026-08", 1, "ada", ()).decide(None, {})
    assert caught.value.code == "unknown_run"


def test_what_one_close_carried_the_next_asks_for_again() -> None:
    """Unresolved goes into the next cycle (DOMAIN.md 3.10), and into the one after that if need be."""
    final = finalised(runs(result(6000, 3000, 1000)))
    disputed = does(issued(), dispute(2))
    state = close(final, disputed, carried=("d1",))

    def september(life: Life | None, *carried: str, waiting: tuple[StatementKey, ...] = (KEY,)) -> Closing:
        others: dict[str, object] = {KEY.aggregate: life, book.AGGREGATE: BOOK}
        command = CloseMonth(Month(2026, 9), (), (), carried, "ada", waiting)
        later = OVER + timedelta(days=30)
        (event,) = command.decide_at(later, state, {name: others[name] for name in command.reads})
        return event.apply(state)

    for life, carried, waiting in ((disputed, (), (KEY,)), (disputed, ("d1",), ()), (None, ("d1",), (KEY,))):
        with pytest.raises(Refused) as caught:
            september(life, *carried, waiting=waiting)
        assert caught.value.code == "dispute_open"
    assert september(disputed, "d1").closed[-1].carried_disputes == ("d1",)
    decided = does(disputed, DecideDispute(KEY, "d1", "rejected", "no", "bob"))
    assert september(decided).closed[-1].carried_disputes == ()
    later = does(decided, dispute(3, name="d2"))
    with pytest.raises(Refused) as caught:
        september(later)
    assert caught.value.code == "dispute_open", "disputed after its month was closed"
    assert september(later, "d2").closed[-1].carried_disputes == ("d2",)
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
