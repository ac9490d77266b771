"""Registered documents for lists and look-ups, as of a sequence number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Generic, LiteralString, TypeVar

import msgspec

from adapters.postgres.database import Connection
from adapters.queries import registered
from adapters.queries.registered import Recorded

T = TypeVar("T")


class Entry(msgspec.Struct, Generic[T], frozen=True):
    """One recorded version: its event's sequence, and when it holds (None: always, or open)."""

    id: str
    version: int
    sequence: int
    effective_from: datetime | None
    effective_to: datetime | None
    document: T


def page(
    connection: Connection, kind: str, document: type[T], position: int, *, after: str = "", limit: int = 1000
) -> list[Entry[T]]:
    """The last recorded version of each id up to `position`, by id, from the one after `after` on."""
    return _entries(
        connection,
        document,
        "SELECT id, version, from_seq, effective_from, effective_to, document::text FROM ledger.registered"
        " WHERE kind = %s AND from_seq <= %s AND (to_seq IS NULL OR to_seq > %s) AND id > %s"
        " ORDER BY id LIMIT %s",
        [kind, position, position, after, limit],
    )


def versions(
    connection: Connection, kind: str, document: type[T], position: int, name: str
) -> list[Entry[T]]:
    """All versions of one id recorded up to `position`, oldest first."""
    return _entries(
        connection,
        document,
        "SELECT id, version, from_seq, effective_from, effective_to, document::text FROM ledger.registered"
        " WHERE kind = %s AND id = %s AND from_seq <= %s ORDER BY version",
        [kind, name, position],
    )


def held(
    connection: Connection,
    kind: str,
    document: type[T],
    position: int,
    instant: datetime,
    holding: Callable[[Sequence[Recorded[T]], datetime], Recorded[T] | None],
) -> dict[str, Entry[T] | None]:
    """By id the version recorded up to `position` that holds at `instant`, as `holding` finds it among all
    of one id's; None for an id that has none then."""
    found: dict[str, Entry[T] | None] = {}
    for name, recorded in registered.load(connection, kind, document, position).versions.items():
        one = holding(recorded, instant)
        found[name] = None if one is None else _entry(one)
    return found


def _entry(one: Recorded[T]) -> Entry[T]:
    start, end = (None, None) if one.period is None else (one.period.start, one.period.end)
    return Entry(one.id, one.version, one.sequence, start, end, one.document)


def _entries(
    connection: Connection, document: type[T], query: LiteralString, parameters: list[object]
) -> list[Entry[T]]:
    decode = msgspec.json.Decoder(document).decode
    rows = connection.execute(query, parameters)
    return [
        Entry(name, version, sequence, start, end, decode(text))
        for name, version, sequence, start, end, text in rows
    ]
