"""A stream that the contract does not share is shown to its host, and counts in no total and no journal."""

from __future__ import annotations

import msgspec

from adapters import statement_text
from adapters.queries import statements
from adapters.settling import lowest_position
from tests.adapters.conftest import Bench
from tests.adapters.test_settling import CONTRACT, filled, settle


def test_what_is_not_shared_is_marked_and_its_rule_stays_as_it_is(bench: Bench) -> None:
    host = CONTRACT.cash_holder["arbitrage"]
    narrow = msgspec.structs.replace(
        CONTRACT, pool_streams=("arbitrage",), pass_through_costs=(), cash_holder={"arbitrage": host}
    )
    filled(bench, narrow)
    (done,) = settle(bench)
    streams = [line for line in done.result.lines if line.kind == "stream"]
    assert {line.code: line.pooled for line in streams}.pop("arbitrage")
    outside = [line for line in streams if not line.pooled]
    assert outside
    assert {line.code for line in outside} == {line.code for line in streams} - {"arbitrage"}
    assert all("pool" not in line.clause for line in streams)
    held = sum(line.amount.minor for line in streams if line.pooled)
    assert done.result.held[host].minor == held
    bench.project()
    with bench.database.reading(bench.book) as connection:
        found = statements.latest(connection, lowest_position(connection))
    for one in found:
        marked = statement_text.text(one).count("not in this contract's pool")
        assert marked == sum(1 for line in one.lines if not line.pooled)
        assert one.party == host or not marked, "it is the host's and nobody else sees it"
