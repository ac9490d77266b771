"""Every line of every kind of contract is explained from its contract's terms and the runs before it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from adapters.front_door import Wish
from adapters.queries.clause_background import background
from adapters.queries.explain import explain, explain_amount
from adapters.settling import Settled
from ledger.settlement.clause_background import told_lines
from ledger.settlement.explanation import check_explanation, leaves
from ledger.settlement.line import Line
from tests.adapters.conftest import Bench
from tests.adapters.test_contract_kinds import CARRIED, ENDED, saves
from tests.adapters.test_corrections import AUGUST, JULY, settle
from tests.stack import NatsServer, PostgresServer

TOLD = {
    "hurdle",
    "capital_hurdle",
    "capped_tier",
    "tiered_share",
    "floored_split",
    "guarantee",
    "early_termination",
}


@pytest.fixture(scope="module")
def book(nats_server: NatsServer, migrated: PostgresServer) -> Iterator[tuple[Bench, list[Settled]]]:
    bench = Bench(nats_server, migrated)
    for number, save in enumerate(saves()):
        bench.door.execute_all([Wish(command, f"c{number}") for command in save], actor="ada")
    done = settle(bench, JULY, AUGUST)
    bench.project()
    yield bench, done
    bench.close()


Book = tuple[Bench, list[Settled]]


def test_every_limit_tier_and_guarantee_is_told(book: Book) -> None:
    bench, done = book
    seen: set[str] = set()
    with bench.database.reading(bench.book) as connection:
        for one in done:
            behind = background(connection, one.result)
            assert behind is not None
            told = told_lines(one.result, behind)
            for line in one.result.lines:
                if line.code in TOLD:
                    assert line.number in told, (one.result.contract, line)
                    seen.add(line.code)
                found = explain(
                    connection, one.result.contract, str(one.result.month), line.number, run=one.run
                )
                check_explanation(found.leaves)
            for party in one.result.entitlement:
                total = explain_amount(
                    connection, one.result.contract, str(one.result.month), "payable", party=party
                )
                check_explanation(total.leaves)
    assert seen == TOLD


def _line(settled: Settled, code: str, party: str) -> Line:
    return next(line for line in settled.result.lines if (line.code, line.party) == (code, party))


def _of(done: list[Settled], contract: str, month: str) -> Settled:
    return next(one for one in done if (one.result.contract, str(one.result.month)) == (contract, month))


def test_what_stands_behind_a_run_is_the_run_before_it(book: Book) -> None:
    bench, done = book
    july, august = _of(done, CARRIED.id, "2026-07"), _of(done, CARRIED.id, "2026-08")
    with bench.database.reading(bench.book) as connection:
        behind = background(connection, august.result)
    assert behind is not None
    (run,) = behind.earlier
    assert (str(run.month), run.run, run.sequence) == ("2026-07", july.run, july.sequence)
    assert run.accounts == july.result.carry.accounts


def test_a_termination_says_what_is_paid(book: Book) -> None:
    bench, done = book
    july = _of(done, ENDED.id, "2026-07")
    line = _line(july, "early_termination", "host")
    with bench.database.reading(bench.book) as connection:
        found = explain(connection, ENDED.id, "2026-07", line.number)
    told = [leaf.label for _, leaf in leaves(found.leaves.tree)]
    assert told == ["termination payment from 2026-07-01"]


def test_a_runs_earlier_runs_are_what_it_rests_on(book: Book) -> None:
    """Each line whose leaves name an earlier month names it among its sources, and shows its event first."""
    bench, done = book
    named = 0
    with bench.database.reading(bench.book) as connection:
        for one in done:
            if str(one.result.month) != "2026-08":
                continue
            for line in one.result.lines:
                found = explain(connection, one.result.contract, "2026-08", line.number)
                months = [leaf for _, leaf in leaves(found.leaves.tree) if leaf.kind == "earlier_month"]
                if not months:
                    continue
                named += 1
                july = _of(done, one.result.contract, "2026-07")
                assert {leaf.reference for leaf in months} == {
                    f"2026-07 run {july.run}, event {july.sequence}"
                }
                assert found.sources[0] == f"settlement.{one.result.contract}_2026-07: {july.sequence}"
                assert july.sequence in {event.sequence for event in found.events}
    assert named
