"""A unit's day is bound, and a part of a limit used, for a bid, and both are freed of it."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.events import Event
from adapters.links.link import Found, LinkKind
from ledger.envelope import Envelope
from trading.commitment import CommitmentMade, CommitmentReleased
from trading.usage import LimitFreed, LimitUsed


def _found(_: str, envelope: Envelope[Event]) -> Iterator[Found]:
    for event in envelope.events:
        match event:
            case CommitmentMade():
                yield Found(f"bid.{event.commitment.bid}")
            case LimitUsed():
                yield Found(f"bid.{event.used.bid}")
            case CommitmentReleased() | LimitFreed():
                yield Found(f"bid.{event.bid}")
            case _:
                pass


KIND = LinkKind(
    "binds_for",
    "binds",
    (CommitmentMade, CommitmentReleased, LimitUsed, LimitFreed),
    "the bid that it is bound for, or freed of",
    _found,
)
