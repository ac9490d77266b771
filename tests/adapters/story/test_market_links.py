"""A market leads to the party that operates it, and back."""

from __future__ import annotations

from adapters.queries.story.links_of import links_of
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import MARKET, furnish
from tests.adapters.story.link_walk import walked


def test_a_market_leads_to_its_operator_and_back(bench: Bench) -> None:
    furnish(bench)
    position = bench.project()
    recorded = bench.query(
        "SELECT sequence FROM ledger.envelope WHERE aggregate = ANY(%s) ORDER BY aggregate",
        [[f"market.{MARKET}", "party.operator"]],
    )
    market, party = (sequence for (sequence,) in recorded)
    assert isinstance(market, int)
    assert isinstance(party, int)
    with bench.database.reading(bench.book) as connection:
        there = links_of(connection, position, [market]).links(market)
        back = links_of(connection, position, [party]).links(party)
        walked(connection, position, range(1, position + 1))
    assert [(one.link, one.sequence) for one in there] == [("stands_on", party)]
    assert ("carries", market) in {(one.link, one.sequence) for one in back}
