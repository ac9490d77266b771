"""A bid was awarded by a run of a clearing."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.events import Event
from adapters.links.known_as import clearing_thing
from adapters.links.link import Found, LinkKind
from ledger.envelope import Envelope
from trading.bid_events import BidCleared


def _found(_: str, envelope: Envelope[Event]) -> Iterator[Found]:
    for event in envelope.events:
        if isinstance(event, BidCleared):
            yield Found(clearing_thing(event.clearing, event.run))


KIND = LinkKind("cleared_in", "awarded", (BidCleared,), "the run of the clearing", _found)
