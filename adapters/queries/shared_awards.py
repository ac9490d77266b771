"""How a bid's award is shared out among sites, as of a sequence number."""

from __future__ import annotations

from typing import Final

import msgspec

from adapters.postgres.database import Connection
from adapters.queries import bids
from adapters.queries.kept import kept
from trading.award import SharedAward, aggregate_of

_decode: Final = msgspec.json.Decoder(SharedAward).decode


def shared_award(connection: Connection, position: int, bid: str) -> tuple[SharedAward, ...]:
    """The parts of the last run that was shared out, in order; empty before any was.

    Raises:
        Refused: `unknown_bid`.
    """
    bids.bid(connection, position, bid)
    first = _part(connection, position, bid, 1)
    if first is None:
        return ()
    others = (_part(connection, position, bid, number) for number in range(2, first.parts + 1))
    return (first, *(one for one in others if one is not None))


def _part(connection: Connection, position: int, bid: str, number: int) -> SharedAward | None:
    name = aggregate_of(bid, number)
    kind, _, own = name.partition(".")
    found = connection.execute(
        "SELECT document::text FROM ledger.registered WHERE kind = %(kind)s AND id = %(id)s"
        " AND from_seq <= %(at)s AND (to_seq IS NULL OR to_seq > %(at)s)",
        {"kind": kind, "id": own, "at": position},
    ).fetchone()
    return None if found is None else kept(_decode, found[0], f"table registered, {name}")
