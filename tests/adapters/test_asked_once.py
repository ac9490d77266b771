"""A question that goes to PostgreSQL and back in one message: it sees one book, its failure is its own."""

from __future__ import annotations

import asyncio
from typing import Any, Final, LiteralString

import psycopg
import pytest

from adapters.postgres import asking
from tests.adapters import sample
from tests.adapters.conftest import Bench


def _asked(bench: Bench, book: str, question: LiteralString, *values: object) -> list[tuple[Any, ...]]:
    return bench.client.run(bench.database.ask(book, question, values))


PID: Final = "SELECT pg_backend_pid(), %s"
NAMES: Final = "SELECT aggregate FROM ledger.envelope WHERE aggregate = ANY(%s)"


def test_it_is_answered_as_a_read_of_one_book(bench: Bench) -> None:
    bench.door.execute(sample.register_party("p"), command_id="c1", actor="ada")
    bench.project()
    names = ["party.p", "party.o'q\\"]
    assert _asked(bench, bench.book, NAMES, names) == [("party.p",)]
    assert _asked(bench, "another-book", NAMES, names) == [], "its rows are of its book alone"
    assert _asked(bench, bench.book, NAMES, names) == [("party.p",)]
    (role,) = _asked(bench, bench.book, "SELECT current_user, %s", "x")
    assert role == ("wattledger_staff", "x")
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        _asked(bench, bench.book, "CREATE TEMPORARY TABLE changed (n int)")


def test_one_connection_after_the_other_and_each_asks_one_question_at_a_time(bench: Bench) -> None:
    async def pids(count: int) -> list[object]:
        answers = [bench.database.ask(bench.book, PID, [0]) for _ in range(count)]
        return [pid for ((pid, _),) in await asyncio.gather(*answers)]

    first, second = bench.client.run(pids(2))
    assert first != second, "they were under way together"
    assert {bench.client.run(pids(1))[0] for _ in range(5)} < {first, second}, "kept"


def test_a_connection_that_was_lost_while_it_rested_is_replaced_unnoticed(bench: Bench) -> None:
    ((lost, _),) = _asked(bench, bench.book, PID, 0)
    assert bench.query("SELECT pg_terminate_backend(%s, 5000)", [lost]) == [(True,)]
    ((other, answer),) = _asked(bench, bench.book, PID, 7)
    assert (other != lost, answer) == (True, 7)


def test_a_question_that_is_given_up_does_not_answer_the_next(bench: Bench) -> None:
    async def main() -> object:
        slow = asyncio.create_task(bench.database.ask(bench.book, "SELECT %s, pg_sleep(30)", ["slow"]))
        await asyncio.sleep(0.2)
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        ((_, answer),) = await bench.database.ask(bench.book, PID, ["next"])
        return answer

    assert bench.client.run(main(), 10) == "next"


def test_where_nobody_listens_the_asker_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_WAIT_S", 0.3)
    nobody = asking.Asking("postgresql://ledger@127.0.0.1:1/none")
    with pytest.raises(psycopg.OperationalError):
        asyncio.run(nobody.ask("book", PID, [0]))


def test_its_failure_leaves_nothing_to_the_next_who_takes_the_connection(bench: Bench) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        _asked(bench, bench.book, "SELECT %s FROM pg_authid", 1)
    ((status,),) = _asked(bench, bench.book, "SELECT current_user || %s", "!")
    assert status == "wattledger_staff!"
