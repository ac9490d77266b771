"""The archived envelopes, for auditors: who recorded what when, and the bytes that were hashed."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from adapters.integrity.published import ARCHIVED, Archived
from adapters.nats import wire
from adapters.postgres.database import Connection


class ListedEvent(msgspec.Struct, frozen=True):
    """One message of the book's stream. `sha256` is of its payload; `previous` chains the aggregate."""

    sequence: int
    aggregate: str
    version: int
    kinds: tuple[str, ...]
    recorded_at: datetime
    actor: str
    command: str
    causation: str
    previous: str
    sha256: str


class ArchivedEvent(msgspec.Struct, frozen=True):
    """A message with its payload, byte for byte as UTF-8 text."""

    event: ListedEvent
    payload: str


class _Kind(msgspec.Struct, frozen=True):
    kind: str


class _Head(msgspec.Struct, frozen=True):
    recorded_at: datetime
    command: str
    actor: str
    causation: str
    previous: str
    events: tuple[_Kind, ...]


_decode_head: Final = msgspec.json.Decoder(_Head).decode


def page(
    connection: Connection, position: int, *, aggregate: str | None, after: int, limit: int
) -> list[ListedEvent]:
    """Messages after sequence `after`, in order.

    Raises:
        Discontinuity: `archive_altered` or `tree_altered` for one that is not what was recorded.
    """
    rows = connection.execute(
        f"{ARCHIVED} WHERE e.sequence > %(after)s AND e.sequence <= %(position)s"
        " AND (%(aggregate)s::text IS NULL OR e.aggregate = %(aggregate)s)"
        " ORDER BY e.sequence LIMIT %(limit)s",
        {"after": after, "position": position, "aggregate": aggregate, "limit": limit},
    )
    return [_checked(Archived(*row)).event for row in rows]


def one(connection: Connection, position: int, sequence: int) -> ArchivedEvent | None:
    """The message at a sequence number up to `position`.

    Raises:
        Discontinuity: as `page`.
    """
    found = connection.execute(
        f"{ARCHIVED} WHERE e.sequence = %s AND e.sequence <= %s", [sequence, position]
    ).fetchone()
    return None if found is None else _checked(Archived(*found))


def _checked(row: Archived) -> ArchivedEvent:
    """What the payload itself says, once it is proven; the columns beside it are not."""
    payload = row.checked()
    header, head = wire.header_of(payload), _decode_head(wire.state_of(payload))
    event = ListedEvent(
        row.sequence,
        header.aggregate,
        header.version,
        tuple(event.kind for event in head.events),
        head.recorded_at,
        head.actor,
        head.command,
        head.causation,
        head.previous,
        row.hash.hex(),
    )
    return ArchivedEvent(event, payload.decode())
