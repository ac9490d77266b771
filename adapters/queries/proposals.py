"""What was prepared for a second person's approval, as of a sequence number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from adapters.integrity.registered_rows import Read, check_listed, check_read
from adapters.postgres.database import Connection
from adapters.queries.kept import kept
from ledger.approval import Status

_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode
_UNSAID: Final = frozenset({"command", "by"})
_WORDS: Final = 6
_WORD: Final = 40
_LISTED: Final = (
    "SELECT m.id, m.document->'command'->>'command', m.document->>'prepared_by',"
    " coalesce(d.document->>'status', 'open'), coalesce(d.document->>'decided_by', ''),"
    " coalesce(d.document->>'reason', ''), coalesce(d.from_seq, m.from_seq), (m.document->'command')::text"
    " FROM ledger.registered AS m LEFT JOIN ledger.registered AS d"
    " ON d.book = m.book AND d.kind = m.kind AND d.id = m.id AND d.version = 2 AND d.from_seq <= %(position)s"
    " WHERE m.kind = 'proposal' AND m.version = 1 AND m.from_seq <= %(position)s"
)


class ListedProposal(msgspec.Struct, frozen=True):
    """A proposal; `what` names the prepared command, `about` what it is of, such as contract and month;
    `sequence` is of the last event."""

    id: str
    what: str
    about: str
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
    return ShownProposal(_listed(row), _command(row))


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
    return [_listed(row) for row in rows]


def about(command: Mapping[str, Any]) -> str:
    """What a prepared command is of, in few words: its names and numbers, and the ids of what it holds.

    >>> about({"command": "run.finalise", "contract": "c1", "month": "2026-08", "run": 2, "by": "ada"})
    'contract c1, month 2026-08, run 2'
    >>> about({"command": "market_rule.publish", "period": {"start": "2026-08-01"}, "rule": {"id": "agc"}})
    'period from 2026-08-01, rule agc'
    """
    words: list[str] = []
    for name, value in command.items():
        match value:
            case str() | int() if name not in _UNSAID and value != "":
                words.append(f"{name} {str(value)[:_WORD]}")
            case {"id": str(held)}:
                words.append(f"{name} {held}")
            case {"start": str(start)}:
                words.append(f"{name} from {start}")
            case {"contract": str(contract), "month": str(month), "party": str(party), "run": int(run)}:
                words.append(f"{name} {contract} {month} {party} run {run}")
            case _:
                continue
    return ", ".join(words[:_WORDS])


def _command(row: Sequence[Any]) -> dict[str, Any]:
    return kept(_decode, row[-1], f"table registered, proposal {row[0]}")


def _listed(row: Sequence[Any]) -> ListedProposal:
    name, what, *rest, _ = row
    return ListedProposal(name, what, about(_command(row)), *rest)
