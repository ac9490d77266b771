"""Which sequence number an instant means, and which day it was where the book is kept."""

from __future__ import annotations

from datetime import date, datetime

from adapters.continuity import Discontinuity
from adapters.founded import book_at
from adapters.postgres.database import Connection
from ledger.interval import Instant, zone_of


def position_at(connection: Connection, instant: datetime, last: int) -> int:
    """The last sequence up to `last` whose running maximum of recorded-at is not after `instant`.

    0 when there is none. The running maximum only grows, so this is a binary search over the archive.
    """
    low, high = 0, last
    while low < high:
        middle = (low + high + 1) // 2
        if recorded_at_max(connection, middle) <= instant:
            low = middle
        else:
            high = middle - 1
    return low


def recorded_at_max(connection: Connection, sequence: int) -> Instant:
    """The latest recorded-at up to an archived sequence.

    Raises:
        Discontinuity: `archive_missing`.
    """
    found = connection.execute(
        "SELECT recorded_at_max FROM ledger.envelope WHERE sequence = %s", [sequence]
    ).fetchone()
    if found is None:
        place = f"sequence {sequence}"
        raise Discontinuity("the archive has no such envelope", code="archive_missing", place=place)
    instant: datetime = found[0]
    return instant


def day_at(connection: Connection, position: int, instant: datetime | None = None) -> date:
    """The local day of `instant` where the book is kept; without one that of the latest recorded-at.

    What counts days (how late a payment is, whether an agreement holds) counts up to this day in an answer as
    of `position`, so that the answer is the same whenever it is asked for.

    Raises:
        Refused: `unknown_book` when the book was not founded by then.
    """
    zone = zone_of(book_at(connection, position).zone)
    known = recorded_at_max(connection, position) if instant is None else instant
    return known.astimezone(zone).date()
