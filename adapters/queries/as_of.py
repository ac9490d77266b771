"""Which sequence number an instant means, and which day it was where the book is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Final

import msgspec

from adapters.continuity import Discontinuity
from adapters.founded import book_at
from adapters.integrity import proven_events
from adapters.postgres.database import Connection
from ledger.interval import Instant, zone_of


def position_at(connection: Connection, instant: datetime, last: int) -> int:
    """The last sequence up to `last` whose running maximum of recorded-at is not after `instant`.

    0 when there is none. The running maximum only grows, so this is a binary search over the archive. The
    rows on both sides of the boundary are compared with their envelopes, so that no other one was found.

    Raises:
        Discontinuity: as `recorded_at_max`.
    """
    found = _first(connection, last, lambda known: known > instant) - 1
    if found:
        before = recorded_at_max(connection, found)
        assert before <= instant, "the search ended behind a row that is not after the instant"
    if found < last and _said(connection, found + 1) <= instant:
        raise _altered(found + 1)
    return found


def recorded_at_max(connection: Connection, sequence: int) -> Instant:
    """The latest recorded-at up to an archived sequence, which its envelope says, or one before it whose
    writer's clock was ahead.

    Raises:
        Discontinuity: `row_altered` where the row says otherwise; `archive_missing`, `archive_altered` or
            `tree_altered`.
    """
    recorded_at, known = _row(connection, sequence)
    said = _said(connection, sequence)
    if recorded_at != said or known < said:
        raise _altered(sequence)
    if known > said:
        earlier = _first(connection, sequence, lambda one: one >= known)
        if _said(connection, earlier) != known:
            raise _altered(sequence)
    return known


def day_at(connection: Connection, position: int, instant: datetime | None = None) -> date:
    """The local day of `instant` where the book is kept; without one that of the latest recorded-at.

    What counts days (how late a payment is, whether an agreement holds) counts up to this day in an answer as
    of `position`, so that the answer is the same whenever it is asked for.

    Raises:
        Refused: `unknown_book` when the book was not founded by then.
        Discontinuity: as `recorded_at_max`.
    """
    zone = zone_of(book_at(connection, position).zone)
    known = recorded_at_max(connection, position) if instant is None else instant
    return known.astimezone(zone).date()


class _Said(msgspec.Struct, frozen=True):
    recorded_at: Instant


_decode: Final = msgspec.json.Decoder(_Said).decode


def _said(connection: Connection, sequence: int) -> Instant:
    """When the envelope was recorded, by its own bytes."""
    (event,) = proven_events.at(connection, [sequence])
    return _decode(event.state).recorded_at


def _first(connection: Connection, last: int, holds: Callable[[Instant], bool]) -> int:
    """The first sequence up to `last` whose running maximum `holds`; the one behind `last` if none does."""
    low, high = 1, last + 1
    while low < high:
        middle = (low + high) // 2
        if holds(_row(connection, middle)[1]):
            high = middle
        else:
            low = middle + 1
    return low


def _row(connection: Connection, sequence: int) -> tuple[Instant, Instant]:
    found = connection.execute(
        "SELECT recorded_at, recorded_at_max FROM ledger.envelope WHERE sequence = %s", [sequence]
    ).fetchone()
    if found is None:
        place = f"sequence {sequence}"
        raise Discontinuity("the archive has no such envelope", code="archive_missing", place=place)
    recorded_at, known = found
    return recorded_at, known


def _altered(sequence: int) -> Discontinuity:
    text = "when it was recorded is not what its envelope says"
    return Discontinuity(text, code="row_altered", place=f"table envelope, sequence {sequence}")
