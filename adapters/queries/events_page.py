"""The archived envelopes, for auditors: who recorded what when, and the bytes that were hashed."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from adapters.nats import wire
from adapters.postgres.database import Connection

_COLUMNS: Final = "sequence, aggregate, version, recorded_at, encode(hash, 'hex'), payload"


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
    command: str
    actor: str
    causation: str
    previous: str
    events: tuple[_Kind, ...]


_decode_head: Final = msgspec.json.Decoder(_Head).decode


def page(
    connection: Connection, position: int, *, aggregate: str | None, after: int, limit: int
) -> list[ListedEvent]:
    """Messages after sequence `after`, in order."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM ledger.envelope WHERE sequence > %(after)s AND sequence <= %(position)s"  # noqa: S608
        " AND (%(aggregate)s::text IS NULL OR aggregate = %(aggregate)s) ORDER BY sequence LIMIT %(limit)s",
        {"after": after, "position": position, "aggregate": aggregate, "limit": limit},
    )
    return [_listed(*row) for row in rows]


def one(connection: Connection, position: int, sequence: int) -> ArchivedEvent | None:
    """The message at a sequence number up to `position`."""
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM ledger.envelope WHERE sequence = %s AND sequence <= %s",  # noqa: S608
        [sequence, position],
    ).fetchone()
    return None if found is None else ArchivedEvent(_listed(*found), bytes(found[5]).decode())


def _listed(
    sequence: int, aggregate: str, version: int, recorded_at: datetime, sha256: str, payload: bytes
) -> ListedEvent:
    head = _decode_head(wire.state_of(bytes(payload)))
    return ListedEvent(
        sequence,
        aggregate,
        version,
        tuple(event.kind for event in head.events),
        recorded_at,
        head.actor,
        head.command,
        head.causation,
        head.previous,
        sha256,
    )
