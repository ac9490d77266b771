"""API keys: who may do what is always as of now; what was listed at some time is as of then."""

from __future__ import annotations

from typing import Final

import msgspec

from adapters.postgres.database import Connection
from ledger.access import Grant
from ledger.interval import Instant

_AT: Final = " AND l.from_seq <= %(position)s AND (l.to_seq IS NULL OR l.to_seq > %(position)s)"
_LISTED: Final = (
    "SELECT g.id, g.document->'grant'->>'actor', g.document->'grant'->>'role',"
    " g.document->'grant'->>'party', l.document->>'revoked' = 'true', l.from_seq, e.recorded_at"
    " FROM ledger.registered AS g JOIN ledger.registered AS l"
    " ON l.book = g.book AND l.kind = g.kind AND l.id = g.id"
    " JOIN ledger.envelope AS e ON e.book = g.book AND e.sequence = g.from_seq"
    " WHERE g.kind = 'key' AND g.version = 1"
)
_decode_grant = msgspec.json.Decoder(Grant).decode


class ListedKey(msgspec.Struct, frozen=True):
    """A key without its hash; `sequence` is of its last event, `granted_at` when it was made."""

    key_id: str
    actor: str
    role: str
    party: str | None
    revoked: bool
    sequence: int
    granted_at: Instant


def in_force(connection: Connection, sha256: str) -> Grant | None:
    """The grant of the key with that digest; None for an unknown or revoked one."""
    found = connection.execute(
        "SELECT (document->'grant')::text FROM ledger.registered"
        " WHERE kind = 'key' AND to_seq IS NULL AND document->'grant'->>'sha256' = %s"
        " AND NOT (document->>'revoked')::boolean",
        [sha256],
    ).fetchone()
    return _decode_grant(found[0]) if found else None


def one(connection: Connection, key_id: str) -> ListedKey | None:
    """The key of that id now, in force or not."""
    rows = connection.execute(f"{_LISTED} AND l.to_seq IS NULL AND g.id = %s", [key_id])
    return next((ListedKey(*row) for row in rows), None)


def page(connection: Connection, position: int, after: str = "", limit: int | None = None) -> list[ListedKey]:
    """Keys as they stood at `position`, by id, from the one after `after` on; without a `limit` every one."""
    rows = connection.execute(
        f"{_LISTED}{_AT} AND g.id > %(after)s ORDER BY g.id LIMIT %(limit)s",
        {"position": position, "after": after, "limit": limit},
    )
    return [ListedKey(*row) for row in rows]
