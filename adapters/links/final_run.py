"""A run is made final."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.events import Event
from adapters.links.known_as import run_thing
from adapters.links.link import Found, LinkKind
from ledger.envelope import Envelope
from ledger.settlement.run import RunFinalised


def _found(aggregate: str, envelope: Envelope[Event]) -> Iterator[Found]:
    contract, _, month = aggregate.partition(".")[2].rpartition("_")
    for event in envelope.events:
        if isinstance(event, RunFinalised):
            yield Found(run_thing(contract, month, event.run))


KIND = LinkKind("makes_final", "made_final_by", (RunFinalised,), "the run", _found)
