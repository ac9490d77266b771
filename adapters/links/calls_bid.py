"""A programme's call was decided on for a unit's bid."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.events import Event
from adapters.links.link import Found, LinkKind
from ledger.envelope import Envelope
from trading.response_call import ResponseCallDecided


def _found(_: str, envelope: Envelope[Event]) -> Iterator[Found]:
    for event in envelope.events:
        if isinstance(event, ResponseCallDecided):
            for bid in sorted(set(event.bids.values())):
                yield Found(f"bid.{bid}")


KIND = LinkKind("calls_bid", "called_by", (ResponseCallDecided,), "the bid that is called", _found)
