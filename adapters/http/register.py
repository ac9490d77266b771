"""What registered documents of every kind share: when a version holds, lists and histories."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final, TypeVar

import msgspec
from litestar.params import PathParameter

from adapters.http.instant import in_range
from adapters.http.paging import cursor_of
from adapters.http.view import View
from adapters.queries import registered_page
from adapters.queries.registered_page import Entry
from ledger.effective import Period
from ledger.interval import Instant
from ledger.refusal import Refused

T = TypeVar("T")
B = TypeVar("B")

ID_PATTERN: Final = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
Name = Annotated[str, PathParameter(pattern=ID_PATTERN, description="Its id")]


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """A document and the instants [effective_from, effective_to) in which it holds; open without an end."""

    effective_from: Instant
    effective_to: Instant | None = None

    @property
    def period(self) -> Period:
        """Raises:
        Refused: `instant_range`, or `interval` for an end that is not after the start."""
        end = None if self.effective_to is None else in_range(self.effective_to, "effective_to")
        return Period(in_range(self.effective_from, "effective_from"), end)


class RecordedVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded version: `sequence` is its event's; without `effective_from` it always holds."""

    id: str
    version: int
    sequence: int
    effective_from: Instant | None
    effective_to: Instant | None


def listed(
    view: View, kind: str, document: type[T], cursor: str | None, limit: int
) -> tuple[int, list[Entry[T]], str | None]:
    """Position, the last recorded version of each id, and the cursor of the next page."""
    with view.page(cursor, str, "") as (connection, position, after):
        entries = registered_page.page(connection, kind, document, position, after=after, limit=limit + 1)
    more = cursor_of(position, entries[limit - 1].id) if len(entries) > limit else None
    return position, entries[:limit], more


def history(view: View, kind: str, document: type[T], name: str) -> tuple[int, list[Entry[T]]]:
    """Position and all versions of one id.

    Raises:
        Refused: `unknown_<kind>`.
    """
    with view.reading() as (connection, position):
        entries = registered_page.versions(connection, kind, document, position, name)
    if not entries:
        raise Refused(f"unknown_{kind}", f"no {kind} {name!r} is registered", place="name")
    return position, entries


def bodies(entries: list[Entry[T]], body: Callable[..., B]) -> tuple[B, ...]:
    """The entries as the kind's wire struct."""
    return tuple(
        body(
            id=entry.id,
            version=entry.version,
            sequence=entry.sequence,
            effective_from=entry.effective_from,
            effective_to=entry.effective_to,
            document=entry.document,
        )
        for entry in entries
    )
