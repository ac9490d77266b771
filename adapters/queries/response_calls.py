"""The calls that a gateway heard."""

from __future__ import annotations

from datetime import datetime

from adapters.postgres.database import Connection


def names(connection: Connection, gateway: str, market: str, since: datetime) -> list[str]:
    """The calls on a market's units that were not over at `since`."""
    rows = connection.execute(
        "SELECT id FROM ledger.registered WHERE kind = 'response_call' AND to_seq IS NULL"
        " AND document->>'gateway' = %s AND document->>'market' = %s"
        " AND (effective_to IS NULL OR effective_to > %s) ORDER BY id",
        [gateway, market, since],
    )
    return [name for (name,) in rows]
