"""What registered documents of every kind share: when a version holds, lists and histories."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Annotated, Final, TypeVar

import msgspec
from litestar.params import PathParameter, QueryParameter

from adapters.founded import book_at
from adapters.http.instant import in_range, instant_of
from adapters.http.paging import cursor_of
from adapters.http.problem import BadRequest
from adapters.http.view import View
from adapters.postgres.database import Connection
from adapters.queries import registered_page
from adapters.queries.registered import Recorded, last_holding
from adapters.queries.registered_page import Entry
from ledger.effective import Period
from ledger.interval import Instant, midnight, zone_of
from ledger.refusal import Refused

T = TypeVar("T")
B = TypeVar("B")

ID_PATTERN: Final = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
Name = Annotated[str, PathParameter(pattern=ID_PATTERN, description="Its id")]
Effective = Annotated[
    str | None,
    QueryParameter(
        max_length=64,
        description="Only the version that holds then (effective time): an instant with its offset, or a day,"
        " which is its start where the book is kept",
    ),
]
Holding = Callable[[Sequence[Recorded[T]], datetime], Recorded[T] | None]
"""Which of one id's versions, oldest first, holds at an instant."""

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


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
    view: View,
    kind: str,
    document: type[T],
    cursor: str | None,
    limit: int,
    effective: str | None = None,
    holding: Holding[T] = last_holding,
) -> tuple[int, list[Entry[T]], str | None]:
    """Position, the last recorded version of each id, and the cursor of the next page; with `effective` the
    version that holds then, and no id without one."""
    with view.page(cursor, str, "") as (connection, position, after):
        if effective is None:
            entries = registered_page.page(connection, kind, document, position, after=after, limit=limit + 1)
        else:
            instant = effective_instant(connection, position, effective)
            held = registered_page.held(connection, kind, document, position, instant, holding)
            entries = [one for name, one in sorted(held.items()) if one is not None and name > after]
    more = cursor_of(position, entries[limit - 1].id) if len(entries) > limit else None
    return position, entries[:limit], more


def history(
    view: View,
    kind: str,
    document: type[T],
    name: str,
    effective: str | None = None,
    holding: Holding[T] = last_holding,
) -> tuple[int, list[Entry[T]]]:
    """Position and all versions of one id; with `effective` the one that holds then, if any.

    Raises:
        Refused: `unknown_<kind>`.
    """
    with view.reading() as (connection, position):
        entries = registered_page.versions(connection, kind, document, position, name)
        if effective is not None:
            instant = effective_instant(connection, position, effective)
            found = registered_page.held(connection, kind, document, position, instant, holding, name)
            one = found.get(name)
            shown = [] if one is None else [one]
        else:
            shown = entries
    if not entries:
        raise Refused(f"unknown_{kind}", f"no {kind} {name!r} is registered", place="name")
    return position, shown


def effective_instant(connection: Connection, position: int, text: str) -> datetime:
    """The instant that `effective` means; a day is its start where the book is kept.

    Raises:
        BadRequest: `instant`.
        Refused: `instant_range`; `unknown_book` for a day before the book was founded.
    """
    if _DAY.fullmatch(text) is None:
        return instant_of(text, "effective")
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise BadRequest("instant", f"{text!r} is not a day of the calendar", "effective") from None
    return in_range(midnight(day, zone_of(book_at(connection, position).zone)), "effective")


def bodies(
    entries: list[Entry[T]], version: Callable[..., B], body: Callable[[T], object] | None = None
) -> tuple[B, ...]:
    """The entries as the kind's wire struct, each document as `body` shows it."""
    return tuple(
        version(
            id=entry.id,
            version=entry.version,
            sequence=entry.sequence,
            effective_from=entry.effective_from,
            effective_to=entry.effective_to,
            document=entry.document if body is None else body(entry.document),
        )
        for entry in entries
    )
