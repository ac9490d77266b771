"""What was prepared for a second person's approval, as of a sequence number."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from adapters.postgres.database import Connection
from ledger.approval import Status

_LISTED: Final = (
    "SELECT m.id, m.document->'command'->>'command', m.document->>'prepared_by',"
    " coalesce(d.document->>'status', 'open'), coalesce(d.document->>'decided_by', ''),"
    " coalesce(d.document->>'reason', ''), coalesce(d.from_seq, m.from_seq), (m.document->'command')::text"
    " FROM ledger.registered AS m LEFT JOIN ledger.registered AS d"
    " ON d.book = m.book AND d.kind = m.kind AND d.id = m.id AND d.version = 2 AND d.from_seq <= %(position)s"
    " WHERE m.kind = 'proposal' AND m.version = 1 AND m.from_seq <= %(position)s"
)


class ListedProposal(msgspec.Struct, frozen=True):
    """A proposal; `what` names the prepared command, `sequence` is of the last event."""

    id: str
    what: str
    prepared_by: str
    status: Status
    decided_by: str
    reason: str
    sequence: int


class ShownProposal(msgspec.Struct, frozen=True):
    proposal: ListedProposal
    command: dict[str, Any]


def one(connection: Connection, position: int, name: str) -> ShownProposal | None:
    """The proposal with its whole prepared command."""
    row = connection.execute(
        f"{_LISTED} AND m.id = %(name)s", {"position": position, "name": name}
    ).fetchone()
    return ShownProposal(ListedProposal(*row[:-1]), msgspec.json.decode(row[-1])) if row else None


def page(
    connection: Connection, position: int, *, status: Status | None, after: str, limit: int
) -> list[ListedProposal]:
    """Proposals by id, from the one after `after` on."""
    rows = connection.execute(
        f"{_LISTED} AND m.id > %(after)s"
        " AND (%(status)s::text IS NULL OR coalesce(d.document->>'status', 'open') = %(status)s)"
        " ORDER BY m.id LIMIT %(limit)s",
        {"position": position, "status": status, "after": after, "limit": limit},
    )
    return [ListedProposal(*row[:-1]) for row in rows]
