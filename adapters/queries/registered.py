"""Registered documents, as of a sequence number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache, partial
from typing import Final, Generic, TypeVar, cast

import msgspec

from adapters.postgres.database import Connection
from adapters.queries.kept import kept
from ledger.effective import Period

T = TypeVar("T")

_KEPT_IN_MIND: Final = frozenset({"contract", "site", "trading_unit"})
"""The kinds that one answer asks for several times, and whose documents check many rules when decoded."""


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
    decode = _decoder_of(kind, document)
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


def _decoder_of(kind: str, document: type[T]) -> Callable[[str], T]:
    if kind not in _KEPT_IN_MIND:
        return msgspec.json.Decoder(document).decode
    return partial(cast("Callable[[type[T], str], T]", _decoded), document)


@lru_cache(maxsize=4096)
def _decoded(document: type, text: str) -> object:
    """A document by its text: the same text is the same document, whatever row and position it is read at."""
    return msgspec.json.decode(text, type=document)
