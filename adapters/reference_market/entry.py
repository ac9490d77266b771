"""What the market remembers: everything that happened to it, as its journal keeps it."""

from __future__ import annotations

from datetime import date

import msgspec

from adapters.reference_market.day_result import DayResult
from adapters.reference_market.offer import Offer
from adapters.reference_market.parameters import Product
from ledger.interval import Instant


class Opened(msgspec.Struct, frozen=True, tag_field="entry", tag="opened"):
    """The market that the journal is of; always the first entry."""

    market: str
    node: str
    currency: str
    zone: str
    interval_s: int
    lot_w: int


class OfferAccepted(msgspec.Struct, frozen=True, tag_field="entry", tag="offer_accepted"):
    participant: str
    product: Product
    day: date
    key: str
    sha256: str
    """Of the body or file as it was sent."""
    accepted_at: Instant
    offer: Offer


class OfferWithdrawn(msgspec.Struct, frozen=True, tag_field="entry", tag="offer_withdrawn"):
    participant: str
    product: Product
    day: date
    key: str
    revision: int
    withdrawn_at: Instant


class ClockSet(msgspec.Struct, frozen=True, tag_field="entry", tag="clock_set"):
    now: Instant


class PublicationDelayed(msgspec.Struct, frozen=True, tag_field="entry", tag="publication_delayed"):
    product: Product
    day: date
    until: Instant


class ResultPublished(msgspec.Struct, frozen=True, tag_field="entry", tag="result_published"):
    result: DayResult


Entry = Opened | OfferAccepted | OfferWithdrawn | ClockSet | PublicationDelayed | ResultPublished
