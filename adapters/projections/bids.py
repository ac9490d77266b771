"""What has become of each bid: written, approved, submitted, at the market, cleared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from adapters.events import Event
from adapters.postgres import binary_copy as field
from adapters.postgres.database import Connection
from adapters.projections.projection import Projected
from adapters.projections.written_bid import as_written, in_full
from trading.bid_events import BidDrafted
from trading.bid_life import BidState

PREFIX: Final = "bid."
_COLUMNS: Final = (
    "book", "id", "from_seq", "to_seq", "market", "product", "unit", "day", "author", "status", "live",
    "gate_closes", "state",
)  # fmt: skip
_decode = msgspec.json.Decoder(BidState).decode


class Bids:
    """A row a change, made by the events' own fold; a later change closes the row before it.

    Where the change wrote the bid and nothing else is known of it, its event says it all and the row has
    no state.
    """

    name = "bids"
    tables = ("bid",)

    def project(self, connection: Connection, book: str, batch: Sequence[Projected]) -> None:
        """See `Projection.project`."""
        items = [item for item in batch if item.aggregate.startswith(PREFIX)]
        if not items:
            return
        firsts = {item.aggregate: item for item in reversed(items)}
        known = [name for name, item in firsts.items() if item.version > 1]
        states = _current(connection, book, known)
        changes: dict[str, list[_Change]] = {}
        for item in items:
            state = states.get(item.aggregate)
            for event in item.envelope.events:
                state = event.apply(state and in_full(state))  # type: ignore[arg-type, assignment]
            assert isinstance(state, BidState), item.aggregate
            states[item.aggregate] = state
            change = _Change(item.sequence, state, event_says_all=_says_all(item.envelope.events, state))
            changes.setdefault(item.aggregate, []).append(change)
        _close(connection, book, {name: changes[name][0].sequence for name in known})
        _insert(connection, book, changes)


class _Change(NamedTuple):
    sequence: int
    state: BidState
    event_says_all: bool


def _says_all(events: Sequence[Event], state: BidState) -> bool:
    """Whether the state is what these events alone make of a bid."""
    return (
        len(events) == 1
        and isinstance(events[0], BidDrafted)
        and state.standing is None
        and not state.said_gone
    )


def _current(connection: Connection, book: str, aggregates: Sequence[str]) -> dict[str, BidState]:
    """How these bids stand, all of which were projected before."""
    if not aggregates:
        return {}
    found = connection.execute(
        "SELECT b.id, b.state, e.payload FROM ledger.bid AS b LEFT JOIN ledger.envelope AS e"
        " ON b.state IS NULL AND e.book = b.book AND e.sequence = b.from_seq"
        " WHERE b.book = %s AND b.id = ANY(%s) AND b.to_seq IS NULL",
        [book, [_id_of(one) for one in aggregates]],
    )
    states = {
        f"{PREFIX}{name}": as_written(payload) if state is None else _decode(state)
        for name, state, payload in found
    }
    assert states.keys() == set(aggregates), "they were projected before"
    return states


def _close(connection: Connection, book: str, next_at: Mapping[str, int]) -> None:
    """End the newest rows of bids where their next changes begin."""
    if next_at:
        with connection.cursor() as cursor:
            cursor.executemany(
                "UPDATE ledger.bid SET to_seq = %s WHERE book = %s AND id = %s AND to_seq IS NULL",
                [(sequence, book, _id_of(aggregate)) for aggregate, sequence in next_at.items()],
            )


def _insert(connection: Connection, book: str, changes: Mapping[str, Sequence[_Change]]) -> None:
    """Each change's row ends where the bid's next change in the same batch begins."""
    field.load(
        connection,
        "bid",
        _COLUMNS,
        (
            _row(book, _id_of(aggregate), change, end)
            for aggregate, made in changes.items()
            for change, end in zip(made, (*(later.sequence for later in made[1:]), None), strict=True)
        ),
    )


def _row(book: str, name: str, change: _Change, end: int | None) -> bytes:
    state = change.state
    bid, standing = state.draft.bid, state.standing
    return field.row(
        field.text(book),
        field.text(name),
        field.int8(change.sequence),
        field.NULL if end is None else field.int8(end),
        field.text(bid.market),
        field.text(bid.product),
        field.text(bid.unit),
        field.day(bid.day),
        field.text(state.draft.by),
        field.text(state.status),
        field.boolean(state.live is not None),
        field.NULL if standing is None else field.timestamptz(standing.gate_closes),
        field.NULL if change.event_says_all else field.bytea(msgspec.json.encode(state)),
    )


def _id_of(aggregate: str) -> str:
    return aggregate[len(PREFIX) :]
