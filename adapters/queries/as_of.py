"""Which sequence number an instant means."""

from __future__ import annotations

from datetime import datetime

from adapters.postgres.database import Connection
from ledger.interval import Instant


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
    """The latest recorded-at up to an archived sequence."""
    found = connection.execute(
        "SELECT recorded_at_max FROM ledger.envelope WHERE sequence = %s", [sequence]
    ).fetchone()
    assert found is not None, f"sequence {sequence} is not archived"
    instant: datetime = found[0]
    return instant
