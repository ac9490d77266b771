"""A market's fact that a shared award became, and the run of the clearing that it rests on."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.desk.handover_name import award_of
from adapters.events import Event
from adapters.links.known_as import is_clearing
from adapters.links.link import Found, LinkKind
from ledger.envelope import Envelope
from ledger.market_fact import MarketFactRecorded


def _found(_: str, envelope: Envelope[Event]) -> Iterator[Found]:
    if is_clearing(envelope.causation) and isinstance(envelope.events[0], MarketFactRecorded):
        yield Found(envelope.causation)
        award = award_of(envelope.command)
        if award is not None:
            yield Found(award)


KIND = LinkKind(
    "hands_over", "handed_over_as", (MarketFactRecorded,), "the shared award, the clearing", _found
)
