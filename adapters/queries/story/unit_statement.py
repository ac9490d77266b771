"""The story of a market's statement about a trading unit: told, shared out, each site's runs."""

from __future__ import annotations

from adapters.postgres.database import Connection
from adapters.queries.story.entry import Story
from adapters.queries.story.market_fact import market_fact
from adapters.queries.story.telling import WHOLE, Part, aggregates
from ledger.refusal import Refused


def unit_statement(connection: Connection, position: int, name: str, *, part: Part = WHOLE) -> Story:
    """As of a market's fact; `name` is the statement's id, as `wattledger unit-statement` lists it.

    Raises:
        Refused: `unknown_unit_statement` for a fact that is not about a trading unit.
    """
    about_unit = connection.execute(
        "SELECT 1 FROM ledger.registered"
        " WHERE kind = 'market_fact' AND id = %s AND document ? 'unit' LIMIT 1",
        [name],
    ).fetchone()
    if about_unit is None or not aggregates(connection, position, [f"market_fact.{name}"]):
        text = f"no market told a unit's statement {name!r} up to {position}"
        raise Refused("unknown_unit_statement", text, place="id")
    return market_fact(connection, position, name, subject="unit-statement", part=part)
