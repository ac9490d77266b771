"""From a line of a statement down to the events that made it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from adapters.nats import wire
from adapters.postgres.database import Connection
from adapters.queries import statements
from ledger.refusal import Refused
from ledger.settlement.line import Line
from ledger.settlement.settle import check_line

_EVENTS_SHOWN = 200


class Evidence(msgspec.Struct, frozen=True):
    """One archived event that a line rests on."""

    sequence: int
    aggregate: str
    version: int
    kinds: tuple[str, ...]
    recorded_at: datetime
    actor: str
    sha256: str


class Explanation(msgspec.Struct, frozen=True):
    """A line, its terms, and its events; `events_in_all` may exceed the events shown."""

    contract: str
    month: str
    run: int
    line: Line
    sources: tuple[str, ...]
    events: tuple[Evidence, ...]
    events_in_all: int


def explain(
    connection: Connection,
    contract: str,
    month: str,
    number: int,
    *,
    run: int | None = None,
    party: str | None = None,
) -> Explanation:
    """Line `number` of a run (the latest without `run`); with `party` only one of that party's lines.

    Raises:
        Refused: `unknown_line` when there is no such run or line, or it is another party's.
    """
    recorded = [
        one for one in statements.runs(connection, 1 << 62, month=month, contract=contract)
        if run is None or one.run == run
    ]  # fmt: skip
    result = statements.result(connection, contract, month, recorded[-1].run) if recorded else None
    lines = [] if result is None else [line for line in result.lines if line.number == number]
    if result is None or not lines or (party is not None and lines[0].party != party):
        raise Refused("unknown_line", f"contract {contract} has no line {number} for {month}", place="line")
    line = lines[0]
    check_line(line)
    sources = [result.sources[index] for index in line.sources]
    ranges = [bounds for source in sources for bounds in source.sequences]
    rows = connection.execute(
        "SELECT DISTINCT e.sequence, e.aggregate, e.version, e.recorded_at, encode(e.hash, 'hex'), e.payload"
        " FROM ledger.envelope AS e JOIN unnest(%s::bigint[], %s::bigint[]) AS r (first, last)"
        " ON e.sequence BETWEEN r.first AND r.last ORDER BY e.sequence LIMIT %s",
        [[first for first, _ in ranges], [last for _, last in ranges], _EVENTS_SHOWN],
    )
    return Explanation(
        contract=contract,
        month=month,
        run=recorded[-1].run,
        line=line,
        sources=tuple(f"{source.aggregate}: {_shown(source.sequences)}" for source in sources),
        events=tuple(_evidence(*row) for row in rows),
        events_in_all=len({n for first, last in ranges for n in range(first, last + 1)}),
    )


def _shown(ranges: tuple[tuple[int, int], ...]) -> str:
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


class _Kind(msgspec.Struct, frozen=True):
    kind: str


class _Head(msgspec.Struct, frozen=True):
    actor: str
    events: tuple[_Kind, ...]


def _evidence(
    sequence: int, aggregate: str, version: int, recorded_at: datetime, sha256: str, payload: bytes
) -> Evidence:
    head = msgspec.json.decode(wire.state_of(bytes(payload)), type=_Head)
    kinds = tuple(event.kind for event in head.events)
    return Evidence(sequence, aggregate, version, kinds, recorded_at, head.actor, sha256)
