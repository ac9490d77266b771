"""A dispute ends with the run that corrects it."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.events import Event
from adapters.links.known_as import run_thing, statement_parts
from adapters.links.link import Found, LinkKind
from ledger.envelope import Envelope
from ledger.statement.dispute import DisputeCorrected


def _found(aggregate: str, envelope: Envelope[Event]) -> Iterator[Found]:
    for event in envelope.events:
        if isinstance(event, DisputeCorrected):
            contract, month = statement_parts(aggregate)
            yield Found(run_thing(contract, month, event.run))


KIND = LinkKind("corrected_in", "corrects_dispute", (DisputeCorrected,), "the correcting run", _found)
