"""A statement tells its party a run."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.events import Event
from adapters.links.known_as import run_thing
from adapters.links.link import Found, LinkKind
from ledger.envelope import Envelope
from ledger.statement.issue import StatementReviewed


def _found(_: str, envelope: Envelope[Event]) -> Iterator[Found]:
    for event in envelope.events:
        if isinstance(event, StatementReviewed):
            key = event.key
            yield Found(run_thing(key.contract, key.month, key.run))


KIND = LinkKind("states_run", "stated_by", (StatementReviewed,), "the run", _found)
