"""A bid's award was shared out among a unit's sites, as a run of a clearing gave it."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.events import Event
from adapters.links.known_as import clearing_thing
from adapters.links.link import Found, LinkKind
from ledger.envelope import Envelope
from trading.award import AwardShared


def _found(_: str, envelope: Envelope[Event]) -> Iterator[Found]:
    for event in envelope.events:
        if isinstance(event, AwardShared):
            own = event.award
            yield Found(f"bid.{own.bid}")
            yield Found(clearing_thing(own.clearing, own.run))
            yield Found(f"trading_unit.{own.unit}")


KIND = LinkKind("shares_award", "award_shared_by", (AwardShared,), "the bid, the clearing, the unit", _found)
