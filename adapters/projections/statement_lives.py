"""What has become of each statement: reviewed, issued, disputed, invoiced, paid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from adapters.postgres.database import Connection
from adapters.projections.projection import Projected
from ledger.statement.life import Life

_KIND: Final = "statement"
_decode = msgspec.json.Decoder(Life).decode


class StatementLives:
    """A row a change, made by the events' own fold; a later change closes the row before it."""

    name = "statement_lives"
    tables = ("statement_life",)

    def project(self, connection: Connection, book: str, batch: Sequence[Projected]) -> None:
        """See `Projection.project`."""
        states: dict[str, Life] = {}
        for item in batch:
            if item.aggregate.partition(".")[0] != _KIND:
                continue
            state = states.get(item.aggregate)
            if state is None and item.version > 1:
                state = _current(connection, book, item.aggregate)
            for event in item.envelope.events:
                state = event.apply(state)  # type: ignore[arg-type, assignment]
            assert isinstance(state, Life), item.aggregate
            states[item.aggregate] = state
            _store(connection, book, state, item.sequence)


def _current(connection: Connection, book: str, aggregate: str) -> Life:
    found = connection.execute(
        "SELECT document::text FROM ledger.statement_life"
        " WHERE book = %s AND aggregate = %s ORDER BY from_seq DESC LIMIT 1",
        [book, aggregate],
    ).fetchone()
    assert found is not None, f"{aggregate} was projected before"
    return _decode(found[0])


def _store(connection: Connection, book: str, life: Life, sequence: int) -> None:
    key = life.key
    connection.execute(
        "UPDATE ledger.statement_life SET to_seq = %s WHERE book = %s AND aggregate = %s AND to_seq IS NULL",
        [sequence, book, key.aggregate],
    )
    connection.execute(
        "INSERT INTO ledger.statement_life VALUES (%s, %s, %s, %s, %s, %s, %s, NULL, %s)",
        [
            book, key.aggregate, key.party, key.contract, key.month, key.run, sequence,
            msgspec.json.encode(life).decode(),
        ],
    )  # fmt: skip
