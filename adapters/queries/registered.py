"""Registered documents, as of a sequence number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Generic, TypeVar

import msgspec

from adapters.postgres.database import Connection
from adapters.queries.kept import kept
from ledger.effective import Period

T = TypeVar("T")


class Recorded(msgspec.Struct, Generic[T], frozen=True):
    """One recorded version: its event's sequence and the time for which it holds (None: always)."""

    id: str
    version: int
    sequence: int
    period: Period | None
    document: T

    def holds_at(self, instant: datetime) -> bool:
        return self.period is None or self.period.contains(instant)


class Register(Generic[T]):
    """All versions of one kind of document, as of a position."""

    def __init__(self, versions: Mapping[str, tuple[Recorded[T], ...]]) -> None:
        self.versions = versions

    def at(self, name: str, instant: datetime) -> Recorded[T] | None:
        """The version in force: the last recorded one that holds at `instant`."""
        return last_holding(self.versions.get(name, ()), instant)


def last_holding(versions: Sequence[Recorded[T]], instant: datetime) -> Recorded[T] | None:
    """The last recorded of one document's versions, oldest first, that holds at `instant`."""
    return next((version for version in reversed(versions) if version.holds_at(instant)), None)


def load(
    connection: Connection, kind: str, document: type[T], position: int, only: str | None = None
) -> Register[T]:
    """Every version of `kind` recorded up to `position`; of one id where `only` names it.

    Raises:
        Discontinuity: `row_altered`.
    """
    found: dict[str, tuple[Recorded[T], ...]] = {}
    decode = msgspec.json.Decoder(document).decode
    rows = connection.execute(
        "SELECT id, version, from_seq, effective_from, effective_to, document::text FROM ledger.registered"
        " WHERE kind = %(kind)s AND from_seq <= %(at)s AND (%(id)s::text IS NULL OR id = %(id)s)"
        " ORDER BY id, version",
        {"kind": kind, "at": position, "id": only},
    )
    for name, version, sequence, start, end, text in rows:
        period = None if start is None else Period(start, end)
        read = kept(decode, text, f"table registered, version {version} of {kind} {name}")
        found[name] = (*found.get(name, ()), Recorded(name, version, sequence, period, read))
    return Register(found)
