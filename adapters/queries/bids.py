"""Bids as of a sequence number: their lists, and each one's state."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Final

import msgspec

from adapters.continuity import Discontinuity
from adapters.postgres.database import Connection
from adapters.projections.written_bid import as_written
from adapters.queries.kept import kept
from ledger.refusal import Refused
from trading.bid_life import BidState

_decode: Final = msgspec.json.Decoder(BidState).decode

_ROWS: Final = (
    "SELECT id, from_seq, state, payload FROM ledger.bid AS b LEFT JOIN ledger.envelope AS e"
    " ON b.state IS NULL AND e.book = b.book AND e.sequence = b.from_seq"
)
_HELD: Final = "from_seq <= %(at)s AND (to_seq IS NULL OR to_seq > %(at)s)"


class FoundBid(msgspec.Struct, frozen=True):
    """A bid and the sequence number of its last change."""

    id: str
    sequence: int
    state: BidState


class BidFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which bids are meant; what is None is not asked about."""

    market: str | None = None
    product: str | None = None
    unit: str | None = None
    first_day: date | None = None
    last_day: date | None = None
    status: str | None = None
    live: bool | None = None


def bids(
    connection: Connection, position: int, wanted: BidFilter, *, after: str = "", limit: int | None = None
) -> list[FoundBid]:
    """The bids by id, from the one after `after` on."""
    conditions, values = [_HELD, "id > %(after)s"], {"at": position, "after": after, "limit": limit}
    for name, column in (
        ("market", "market = %(market)s"),
        ("product", "product = %(product)s"),
        ("unit", "unit = %(unit)s"),
        ("first_day", "day >= %(first_day)s"),
        ("last_day", "day <= %(last_day)s"),
        ("status", "status = %(status)s"),
        ("live", "live = %(live)s"),
    ):
        if (value := getattr(wanted, name)) is not None:
            conditions.append(column)
            values[name] = value
    rows = connection.execute(
        f"{_ROWS} WHERE {' AND '.join(conditions)} ORDER BY id LIMIT %(limit)s",
        values,
    )
    return list(_found(rows))


def bid(connection: Connection, position: int, name: str) -> FoundBid:
    """One bid.

    Raises:
        Refused: `unknown_bid`.
    """
    rows = connection.execute(
        f"{_ROWS} WHERE {_HELD} AND id = %(id)s",
        {"at": position, "id": name},
    )
    for found in _found(rows):
        return found
    raise Refused("unknown_bid", f"no bid {name!r} is known", place="name")


def _found(rows: object) -> Iterator[FoundBid]:
    for name, sequence, state, payload in rows:  # type: ignore[attr-defined]
        found = kept(_decode, state, f"bid {name}") if payload is None else _written(sequence, payload)
        yield FoundBid(name, sequence, found)


def _written(sequence: int, payload: bytes) -> BidState:
    try:
        return as_written(payload)
    except ValueError as error:
        text = f"the archived envelope writes no bid: {error}"
        raise Discontinuity(text, code="archive_altered", place=f"sequence {sequence}") from error
