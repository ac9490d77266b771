"""What markets told, for lists, as of a sequence number."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from adapters.integrity.registered_rows import check_chosen
from adapters.postgres.database import Connection
from adapters.queries.registered_page import Entry, entries


def page(
    connection: Connection,
    position: int,
    *,
    site: str | None,
    rule: str | None,
    effective: datetime | None,
    after: str,
    limit: int,
) -> list[Entry[dict[str, Any]]]:
    """The last version of each fact that matches, by id, from the one after `after` on; with `effective` of
    what was told for a time that holds then.

    Raises:
        Discontinuity: a row is not what was recorded, or is missing.
    """
    rows = connection.execute(
        "SELECT id, version, from_seq, effective_from, effective_to, document::text FROM ledger.registered"
        " WHERE kind = 'market_fact' AND from_seq <= %(position)s"
        " AND (to_seq IS NULL OR to_seq > %(position)s) AND id > %(after)s"
        " AND (%(site)s::text IS NULL OR document->>'site' = %(site)s)"
        " AND (%(rule)s::text IS NULL OR document->>'rule' = %(rule)s)"
        " AND (%(effective)s::timestamptz IS NULL OR coalesce(effective_from <= %(effective)s, true)"
        " AND coalesce(effective_to > %(effective)s, true)) ORDER BY id LIMIT %(limit)s",
        {
            "position": position,
            "site": site,
            "rule": rule,
            "effective": effective,
            "after": after,
            "limit": limit,
        },
    ).fetchall()
    until = rows[-1][0] if len(rows) == limit else ""
    check_chosen(connection, "market_fact", position, [row[0] for row in rows], after=after, until=until)
    return entries("market_fact", dict[str, Any], rows)
