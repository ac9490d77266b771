"""What has become of each bid: written, approved, submitted, at the market, cleared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from adapters.postgres.database import Connection
from adapters.projections.projection import Projected
from trading.bid_life import BidState

_KIND: Final = "bid"
_decode = msgspec.json.Decoder(BidState).decode


class Bids:
    """A row a change, made by the events' own fold; a later change closes the row before it."""

    name = "bids"
    tables = ("bid",)

    def project(self, connection: Connection, book: str, batch: Sequence[Projected]) -> None:
        """See `Projection.project`."""
        states: dict[str, BidState] = {}
        for item in batch:
            kind, _, name = item.aggregate.partition(".")
            if kind != _KIND:
                continue
            state = states.get(name)
            if state is None and item.version > 1:
                state = _current(connection, book, name)
            for event in item.envelope.events:
                state = event.apply(state)  # type: ignore[arg-type, assignment]
            assert isinstance(state, BidState), item.aggregate
            states[name] = state
            _store(connection, book, name, state, item.sequence)


def _current(connection: Connection, book: str, name: str) -> BidState:
    found = connection.execute(
        "SELECT state FROM ledger.bid WHERE book = %s AND id = %s ORDER BY from_seq DESC LIMIT 1",
        [book, name],
    ).fetchone()
    assert found is not None, f"bid {name} was projected before"
    return _decode(found[0])


def _store(connection: Connection, book: str, name: str, state: BidState, sequence: int) -> None:
    bid, standing = state.draft.bid, state.standing
    connection.execute(
        "UPDATE ledger.bid SET to_seq = %s WHERE book = %s AND id = %s AND to_seq IS NULL",
        [sequence, book, name],
    )
    connection.execute(
        "INSERT INTO ledger.bid VALUES (%s, %s, %s, NULL, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            book, name, sequence, bid.market, bid.product, bid.unit, bid.day, state.draft.by, state.status,
            state.live is not None, None if standing is None else standing.gate_closes,
            msgspec.json.encode(state).decode(),
        ],
    )  # fmt: skip
