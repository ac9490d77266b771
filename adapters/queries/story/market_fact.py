"""The story of what a market told: its versions, how it was shared out, claims granted and refused, lines."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec

from adapters.postgres.database import Connection
from adapters.queries.kept import kept
from adapters.queries.story.after_run import (
    after_runs,
    lines_on,
    recorded_runs,
    result_of,
)
from adapters.queries.story.entry import Story
from adapters.queries.story.links_of import followed
from adapters.queries.story.posted import posted
from adapters.queries.story.telling import WHOLE, Part, Subject, aggregates, naming, tell
from ledger.interval import Interval
from ledger.refusal import Refused
from ledger.settlement.result import Result
from ledger.stream import BILL_EFFECT
from ledger.streams import Fact

_decode = msgspec.json.Decoder(Fact).decode


def market_fact(
    connection: Connection, position: int, name: str, *, subject: str = "market-fact", part: Part = WHOLE
) -> Story:
    """What was told, the runs that used any version of it with their claims, and what was paid.

    Raises:
        Refused: `unknown_market_fact`.
    """
    told = aggregates(connection, position, [f"market_fact.{name}"])
    if not told:
        text = f"no market told a fact {name!r} up to {position}"
        raise Refused("unknown_market_fact", text, place="id")
    own = told | aggregates(connection, position, [f"allocation.{name}"])
    own |= naming(connection, position, f"market_fact.{name}")
    runs = recorded_runs(connection, position, followed(connection, position, own, "used_by"))
    during = _interval(connection, position, name)
    notes = {run.sequence: tuple(_claims(result_of(connection, run), own, during, name)) for run in runs}
    used = {run.sequence for run in runs}
    events = own | followed(connection, position, told, "told_under") | used
    events |= after_runs(connection, position, used)
    return tell(
        connection,
        position,
        Subject(
            name=f"{subject} {name}",
            events=frozenset(events),
            notes=notes,
            postings=posted(connection, position, events),
        ),
        part,
    )


def _interval(connection: Connection, position: int, name: str) -> Interval:
    found = connection.execute(
        "SELECT document::text FROM ledger.registered WHERE kind = 'market_fact' AND id = %s"
        " AND from_seq <= %s ORDER BY version DESC LIMIT 1",
        [name, position],
    ).fetchone()
    assert found is not None, "a fact that was told is registered"
    interval: Interval = kept(_decode, found[0], "table registered, market_fact").interval
    return interval


def _claims(result: Result, events: Collection[int], during: Interval, name: str) -> Iterator[str]:
    """What the fact's stream earned in a run, and where a claim got less than it asked."""
    numbers = set(lines_on(result, events))
    lines = [one for one in result.lines if one.number in numbers and one.kind == "stream"]
    market = [one for one in lines if one.code not in BILL_EFFECT]
    for one in market:
        yield f"granted: line {one.number} {one.code} {one.site} {one.amount:,} {one.amount.currency}"
    streams = {(one.code, one.site) for one in market}
    for span in result.refused:
        own = name in span.claim or (span.stream, span.site) in streams
        if own and span.interval.start < during.end and during.start < span.interval.end:
            yield (
                f"refused: claim {span.claim} of {span.stream} at {span.site} got {span.granted} of"
                f" {span.asked} {span.quantity}: {span.reason}"
            )
