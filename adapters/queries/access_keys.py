"""API keys: who may do what is always as of now; what was listed at some time is as of then."""

from __future__ import annotations

from typing import Final

import msgspec

from adapters.continuity import Discontinuity
from adapters.integrity.published import ARCHIVED, Archived
from adapters.integrity.registered_rows import check_listed
from adapters.mapper import EnvelopeMapper
from adapters.nats import wire
from adapters.postgres.database import Connection
from adapters.queries.kept import kept
from ledger.access import Grant, KeyGranted
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
_MAPPER: Final = EnvelopeMapper()
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
    """The grant of the key with that digest; None for an unknown or revoked one.

    Nothing is granted on the word of a row alone: it is what the key's archived events say.

    Raises:
        Discontinuity: `row_altered`, `archive_altered` or `tree_altered`.
    """
    found = connection.execute(
        "SELECT id, (document->'grant')::text FROM ledger.registered"
        " WHERE kind = 'key' AND to_seq IS NULL AND document->'grant'->>'sha256' = %s"
        " AND document->>'revoked' = 'false'",
        [sha256],
    ).fetchone()
    if found is None:
        return None
    name, text = found
    grant = kept(_decode_grant, text, f"table registered, key {name}")
    _check_granted(connection, name, grant)
    return grant


def _check_granted(connection: Connection, name: str, grant: Grant) -> None:
    """Accept a key whose only event granted exactly that; a second one would have revoked it."""
    rows = connection.execute(
        f"{ARCHIVED} WHERE e.book = current_setting('app.book') AND e.aggregate = %s ORDER BY e.version",
        [f"key.{name}"],
    )
    events: list[tuple[str, object]] = []
    for row in rows:
        payload = Archived(*row).checked()
        header = wire.header_of(payload)
        envelope = _MAPPER.to_envelope(header.topic, wire.state_of(payload))
        events += [(header.aggregate, event) for event in envelope.events]
    if events != [(f"key.{name}", KeyGranted(grant))]:
        text = "the row is not what the key's events recorded; it grants nothing"
        raise Discontinuity(text, code="row_altered", place=f"table registered, key {name}")


def one(connection: Connection, key_id: str) -> ListedKey | None:
    """The key of that id now, in force or not."""
    rows = connection.execute(f"{_LISTED} AND l.to_seq IS NULL AND g.id = %s", [key_id])
    return next((ListedKey(*row) for row in rows), None)


def page(connection: Connection, position: int, after: str = "", limit: int | None = None) -> list[ListedKey]:
    """Keys as they stood at `position`, by id, from the one after `after` on; without a `limit` every one.

    Raises:
        Discontinuity: a row is not what was recorded, or is missing.
    """
    check_listed(connection, "key", position, (), after=after)
    rows = connection.execute(
        f"{_LISTED}{_AT} AND g.id > %(after)s ORDER BY g.id LIMIT %(limit)s",
        {"position": position, "after": after, "limit": limit},
    )
    return [ListedKey(*row) for row in rows]
