"""What a market told about a trading unit and about sites: shared out, claimed, settled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from adapters.queries.story.market_fact import market_fact
from adapters.queries.story.telling import naming
from adapters.queries.story.unit_statement import unit_statement
from ledger.refusal import Refused
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api
from tests.adapters.http.test_contract_facts import ok
from tests.adapters.http.test_trading_units import unit
from tests.adapters.story.link_walk import WALKED, walked
from tests.adapters.test_allocating import event, two_sites


@pytest.fixture
def api(bench: Bench) -> Iterator[Api]:
    """A unit's statement, shared out and settled."""
    window = two_sites(bench)
    made = Api(bench)
    ok(made.post("/v1/trading-units", unit(id="vpp"), "finance"))
    made.wait()
    facts: dict[str, Any] = {"facts": [msgspec.to_builtins(event(window))]}
    ok(made.post("/v1/market/facts", facts, "market_desk"))
    made.wait()
    ok(made.post("/v1/allocations", {"month": "2026-08"}, "finance"))
    made.wait()
    ok(made.post("/v1/settlements", {"month": "2026-08"}, "finance"))
    made.wait()
    yield made
    made.close()


def test_a_units_statement_to_its_sites_lines(api: Api) -> None:
    position = api.bench.recorder.max_notification_id()
    assert position is not None
    with api.bench.database.reading(api.bench.book) as connection:
        found = unit_statement(connection, position, "dr1")
        by_kind = {kind: entry for entry in found.entries for kind in entry.kinds}
        assert {"market.fact_recorded.v1", "allocation.recorded.v1", "unit.registered.v1"} <= set(by_kind)
        assert by_kind["allocation.recorded.v1"].postings, "the operator's line"
        runs = [entry for entry in found.entries if entry.kinds == ("settlement.recorded.v1",)]
        granted = sorted(note.split()[-2] for run in runs for note in run.notes if note.startswith("granted"))
        assert granted == ["200.00", "400.00"]
        told = by_kind["market.fact_recorded.v1"]
        assert {"shared_out_by", "told_under", "used_by"} <= {link.link for link in told.links}
        assert walked(connection, position, range(1, position + 1)) >= WALKED["unit"]
        by_fact = market_fact(connection, position, "dr1")
        assert by_fact.entries == found.entries
        assert told.sequence in naming(connection, position, "market_fact.dr1")
        for code, name in (("unknown_unit_statement", "nothing"), ("unknown_unit_statement", "dr")):
            with pytest.raises(Refused) as caught:
                unit_statement(connection, position, name)
            assert caught.value.code == code
        with pytest.raises(Refused) as caught:
            market_fact(connection, position, "nothing")
        assert caught.value.code == "unknown_market_fact"
    for path in ("market-facts/dr1", "unit-statements/dr1"):
        assert ok(api.get(f"/v1/stories/{path}", "auditor"))["events"] == len(found.entries)
