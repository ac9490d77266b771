"""What markets told, for lists, as of a sequence number."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from adapters.postgres.database import Connection
from adapters.queries.registered_page import Entry

_decode = msgspec.json.Decoder(dict[str, Any]).decode


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
    what was told for a time that holds then."""
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
    )
    return [
        Entry(name, version, sequence, start, end, _decode(text))
        for name, version, sequence, start, end, text in rows
    ]
