"""Bids as they were written: their curves, thousands of numbers, are taken over byte for byte.

A bid's digest, which its event records, is over just what the event says of it: where the two agree, the
curves are those that were checked when it was written, and reading them again would find nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Union, cast, get_args

import msgspec

from adapters.events import Event
from adapters.mapper import EnvelopeMapper, UnknownEvent
from adapters.nats import wire
from ledger.envelope import SCHEMA, TOPIC, Envelope
from trading.bid import PackedBid
from trading.bid_events import BidDrafted
from trading.bid_life import BidState


class _WrittenDraft(BidDrafted, frozen=True, tag_field="kind", tag="bid.drafted.v1"):
    bid: PackedBid


_KINDS: Final = tuple(_WrittenDraft if kind is BidDrafted else kind for kind in get_args(Event))
_decode = cast(
    "Callable[[bytes], Envelope[Event]]",
    msgspec.json.Decoder(Envelope[Union[_KINDS]]).decode,  # type: ignore[valid-type]  # noqa: UP007
)
_mapper: Final = EnvelopeMapper()
_decode_state: Final = msgspec.json.Decoder(BidState).decode


def written(topic: str, state: bytes) -> Envelope[Event] | None:
    """A bid's envelope with its curves as they were written; None where it has to be read in full."""
    if topic != TOPIC:
        return None
    try:
        envelope = _decode(state)
    except msgspec.MsgspecError:
        return None
    drafts = [event for event in envelope.events if isinstance(event, BidDrafted)]
    if envelope.schema > SCHEMA or any(one.bid.digest != one.digest for one in drafts):
        return None
    return envelope


def as_written(payload: bytes) -> BidState:
    """What the event of an archived envelope makes of a bid that it writes anew; its row has no state then.

    Raises:
        UnknownEvent, ValueError: it is no such envelope.
    """
    envelope = _mapper.to_envelope(wire.header_of(payload).topic, wire.state_of(payload))
    (event,) = envelope.events
    if not isinstance(event, BidDrafted):
        raise UnknownEvent(f"{type(event).__name__} writes no bid")
    return event.apply(None)


def in_full(state: BidState) -> BidState:
    """The same with the newest revision's curves read, as whatever happens to a bid may need them."""
    return _decode_state(msgspec.json.encode(state)) if isinstance(state.draft.bid, PackedBid) else state
