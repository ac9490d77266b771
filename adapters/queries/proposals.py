"""What was prepared for a second person's approval, as of a sequence number."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from adapters.integrity.registered_rows import Read, check_listed, check_read
from adapters.postgres.database import Connection
from adapters.queries.kept import kept
from ledger.approval import Status

_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode
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
    """The proposal with its whole prepared command.

    Raises:
        Discontinuity: its rows are not what was recorded.
    """
    row = connection.execute(
        f"{_LISTED} AND m.id = %(name)s", {"position": position, "name": name}
    ).fetchone()
    check_read(connection, Read(frozenset({f"proposal.{name}"}), frozenset()), position)
    if row is None:
        return None
    command = kept(_decode, row[-1], f"table registered, proposal {name}")
    return ShownProposal(ListedProposal(*row[:-1]), command)


def page(
    connection: Connection, position: int, *, status: Status | None, after: str, limit: int
) -> list[ListedProposal]:
    """Proposals by id, from the one after `after` on.

    Raises:
        Discontinuity: a row is not what was recorded, or is missing.
    """
    rows = connection.execute(
        f"{_LISTED} AND m.id > %(after)s"
        " AND (%(status)s::text IS NULL OR coalesce(d.document->>'status', 'open') = %(status)s)"
        " ORDER BY m.id LIMIT %(limit)s",
        {"position": position, "status": status, "after": after, "limit": limit},
    ).fetchall()
    until = rows[-1][0] if len(rows) == limit else ""
    check_listed(connection, "proposal", position, [row[0] for row in rows], after=after, until=until)
    return [ListedProposal(*row[:-1]) for row in rows]
