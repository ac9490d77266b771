"""A bid as it is written: price-quantity segments for each interval of a delivery day, and blocks.

Power is signed as the grid sees the storage: above zero discharging, below zero charging. A curve runs from
its lowest power to its highest, each segment from where the one before it ends, and holds 0 W.

Energy: prices never fall along the curve, and at a clearing price the storage stands at the highest power
whose segments cost no more. Everything else pays for power in either direction: prices never fall away from
0 W, and at a clearing price what costs no more is held ready or delivered. Regulation of 10 MW both ways is
one segment from -10 MW to 10 MW.
"""

from __future__ import annotations

import hashlib
from datetime import date
from functools import cached_property
from typing import Final, Literal

import msgspec

from ledger.identity import checked_id
from ledger.refusal import Refused
from trading.product import Id
from trading.segments import Table

Segment = tuple[int, int, int]
"""From W, to W, price in millionths of the currency per kWh (kW·h, kW)."""
Curve = tuple[Segment, ...]
Origin = Literal["desk", "file", "optimiser"]

_encode: Final = msgspec.json.Encoder(order="deterministic").encode


class Block(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A profile that is taken whole or not at all, at one price, from interval `first` on.

    Of the blocks with one `group` at most one is taken; one with a `parent` only together with it.
    """

    id: Id
    first: int
    profile_w: tuple[int, ...]
    price_u: int
    group: Id | None = None
    parent: Id | None = None

    def __post_init__(self) -> None:
        for place in ("id", "group", "parent"):
            if getattr(self, place) is not None:
                checked_id(getattr(self, place), place)


class Bid(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, dict=True
):
    """What a trading unit offers for one delivery day of one product.

    `curves`: one for each interval of the day, empty where nothing is offered. `schedule_w`: what the desk
    plans to be asked for, one power an interval.
    """

    id: Id
    unit: Id
    market: Id
    product: Id
    day: date
    curves: tuple[Curve, ...]
    blocks: tuple[Block, ...] = ()
    schedule_w: tuple[int, ...] | None = None
    origin: Origin = "desk"
    note: str = ""

    def __post_init__(self) -> None:
        for place in ("id", "unit", "market", "product"):
            checked_id(getattr(self, place), place)

    @cached_property
    def encoded(self) -> bytes:
        """What it says, as JSON in one order; kept, because a day can have thousands of numbers."""
        return _encode(self)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what it says; approvals and receipts name it."""
        return hashlib.sha256(self.encoded).hexdigest()

    @cached_property
    def table(self) -> Table:
        """Its segments as columns; kept, because several look at them.

        Raises:
            Refused: `quantity_range`.
        """
        return Table(self.curves)

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """How many segments each interval has."""
        return tuple(map(len, self.curves))

    @property
    def first(self) -> int:
        """The first interval that is bid for.

        Raises:
            Refused: `bid_empty`.
        """
        starts = [block.first for block in self.blocks]
        curve = next((number for number, count in enumerate(self.counts) if count), None)
        if curve is not None:
            starts.append(curve)
        if not starts:
            raise Refused("bid_empty", "offer something in at least one interval", place="curves")
        return min(starts)


class PackedBid(Bid, frozen=True, kw_only=True):
    """A bid whose curves stay the text that they are written as."""

    curves: msgspec.Raw  # type: ignore[assignment]


def packed(bid: Bid) -> Bid:
    """The same without the thousands of objects that its segments are: with their text and their columns.

    While fifty bids wait together those leave the processor's caches: to write a bid down twice and to forget
    it then takes as long as to read it. A bid with a number too large for columns stays as it is, and whoever
    checks it refuses it in its turn.
    """
    try:
        table = bid.table
    except Refused:
        return bid
    kept = {name: getattr(bid, name) for name in Bid.__struct_fields__}
    found = PackedBid(**kept | {"curves": msgspec.Raw(_encode(bid.curves))})
    vars(found).update(table=table, counts=bid.counts)
    return found


def packed_by_text(bid: PackedBid) -> Bid | None:
    """As `packed`, of curves that somebody else wrote; None where they are not just as they are written here,
    and have to be read in full.
    """
    table = Table.of_text(bytes(bid.curves))
    if table is None:
        return None
    vars(bid).update(table=table, counts=tuple(table.counts.tolist()))
    return bid
