"""Registered documents for lists and look-ups, as of a sequence number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

from adapters.integrity.registered_rows import Read, check_listed, check_read
from adapters.postgres.database import Connection
from adapters.queries import registered
from adapters.queries.kept import kept
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
    """The last recorded version of each id up to `position`, by id, from the one after `after` on.

    Raises:
        Discontinuity: a row is not what was registered, or is missing.
    """
    rows = connection.execute(
        "SELECT id, version, from_seq, effective_from, effective_to, document::text FROM ledger.registered"
        " WHERE kind = %s AND from_seq <= %s AND (to_seq IS NULL OR to_seq > %s) AND id > %s"
        " ORDER BY id LIMIT %s",
        [kind, position, position, after, limit],
    ).fetchall()
    until = rows[-1][0] if len(rows) == limit else ""
    check_listed(connection, kind, position, [row[0] for row in rows], after=after, until=until)
    return entries(kind, document, rows)


def versions(
    connection: Connection, kind: str, document: type[T], position: int, name: str
) -> list[Entry[T]]:
    """All versions of one id recorded up to `position`, oldest first.

    Raises:
        Discontinuity: as `page`.
    """
    rows = connection.execute(
        "SELECT id, version, from_seq, effective_from, effective_to, document::text FROM ledger.registered"
        " WHERE kind = %s AND id = %s AND from_seq <= %s ORDER BY version",
        [kind, name, position],
    ).fetchall()
    check_read(connection, Read(frozenset({f"{kind}.{name}"}), frozenset()), position)
    return entries(kind, document, rows)


def held(
    connection: Connection,
    kind: str,
    document: type[T],
    position: int,
    instant: datetime,
    holding: Callable[[Sequence[Recorded[T]], datetime], Recorded[T] | None],
    name: str | None = None,
) -> dict[str, Entry[T] | None]:
    """By id the version recorded up to `position` that holds at `instant`, as `holding` finds it among all
    of one id's; None for an id that has none then. Of one id with `name`, else of all.

    Raises:
        Discontinuity: as `page`.
    """
    known = registered.load(connection, kind, document, position, name).versions
    if name is None:
        check_listed(connection, kind, position, known)
    else:
        check_read(connection, Read(frozenset({f"{kind}.{name}"}), frozenset()), position)
    found: dict[str, Entry[T] | None] = {}
    for one_name, recorded in known.items():
        one = holding(recorded, instant)
        found[one_name] = None if one is None else _entry(one)
    return found


def _entry(one: Recorded[T]) -> Entry[T]:
    start, end = (None, None) if one.period is None else (one.period.start, one.period.end)
    return Entry(one.id, one.version, one.sequence, start, end, one.document)


def entries(kind: str, document: type[T], rows: Iterable[tuple[Any, ...]]) -> list[Entry[T]]:
    """Rows of id, version, sequence, the time for which they hold, and the document as text.

    Raises:
        Discontinuity: `row_altered`.
    """
    decode = msgspec.json.Decoder(document).decode
    return [
        Entry(name, version, sequence, start, end, kept(decode, text, f"table registered, {kind} {name}"))
        for name, version, sequence, start, end, text in rows
    ]
