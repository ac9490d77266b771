"""The events themselves, for auditors."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from adapters.http.paging import LIMIT, Cursor, Limit, cursor_of
from adapters.http.problem import READ_PROBLEMS
from adapters.http.view import View
from adapters.queries import events_page
from adapters.queries.events_page import ListedEvent
from ledger.refusal import Refused


class EventPage(msgspec.Struct, frozen=True):
    position: int
    items: tuple[ListedEvent, ...]
    next_cursor: str | None


class EventAnswer(msgspec.Struct, frozen=True):
    """`payload` is what was stored, byte for byte, as UTF-8 text."""

    position: int
    event: ListedEvent
    payload: str


@get(
    "/events",
    summary="The book's events in order, with the hash of each",
    responses=READ_PROBLEMS,
    tags=["Proof"],
    sync_to_thread=True,
)
def list_events(
    view: NamedDependency[View],
    aggregate: Annotated[
        str | None,
        QueryParameter(
            pattern="^[A-Za-z0-9_-]{1,128}\\.[A-Za-z0-9_-]{1,128}$", description="Such as party.P1"
        ),
    ] = None,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> EventPage:
    with view.page(cursor, int, 0) as (connection, position, after):
        found = events_page.page(connection, position, aggregate=aggregate, after=after, limit=limit + 1)
    more = cursor_of(position, found[limit - 1].sequence) if len(found) > limit else None
    return EventPage(position, tuple(found[:limit]), more)


@get(
    "/events/{sequence:int}",
    summary="One event with the bytes that its hash is of",
    description="`sha256` is the SHA-256 of `payload` as UTF-8.",
    responses=READ_PROBLEMS,
    tags=["Proof"],
    sync_to_thread=True,
)
def show_event(
    view: NamedDependency[View],
    sequence: Annotated[int, PathParameter(ge=1, lt=1 << 62, description="The event's sequence number")],
) -> EventAnswer:
    with view.reading() as (connection, position):
        found = events_page.one(connection, position, sequence)
    if found is None:
        raise Refused("unknown_event", f"there is no event {sequence} up to {position}", place="sequence")
    return EventAnswer(position, found.event, found.payload)


ROUTES = (list_events, show_event)
