"""One product's auction of a day: the system and the offers in lots, cleared, and the result in watts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from adapters.reference_market.clearing import Block, Curve, Step, clear
from adapters.reference_market.day_result import BlockResult, DayResult
from adapters.reference_market.offer import IntervalCurve, Offer, OfferedBlock
from adapters.reference_market.parameters import Parameters, Product
from adapters.reference_market.system_supply import SYSTEM, system_supply
from adapters.reference_market.trading_day import starts


def auction(
    parameters: Parameters,
    product: Product,
    day: date,
    published_at: datetime,
    prices: Sequence[int],
    offers: Mapping[str, Offer],
    carried_w: Mapping[str, Sequence[int]],
) -> DayResult:
    """The first run: the offers by participant, stacked with the system around the published `prices`.

    `carried_w` are positions of the day that stand without an offer: in an interval for which its owner
    offers no curve, the position is taken as it is, at any price.
    """
    curves = [
        [system_supply(parameters, price), *_curves(parameters, index, start, offers, carried_w)]
        for index, (start, price) in enumerate(zip(starts(parameters, day), prices, strict=True))
    ]
    blocks = [
        auction_block(parameters, name, block, day)
        for name, offer in offers.items()
        for block in offer.blocks
    ]
    clearing = clear(curves, blocks)
    return DayResult(
        product,
        day,
        1,
        published_at,
        clearing.prices,
        {
            owner: tuple(lots * parameters.lot_w for lots in positions)
            for owner, positions in clearing.lots.items()
            if owner != SYSTEM
        },
        tuple(BlockResult(*key, outcome) for key, outcome in sorted(clearing.outcomes.items())),
        {name: offer.revision for name, offer in offers.items()},
    )


def auction_block(parameters: Parameters, name: str, block: OfferedBlock, day: date) -> Block:
    """An offered block in lots, with 0 in the intervals that it leaves out."""
    powers = {interval.start: interval.power_w for interval in block.intervals}
    lots = tuple(powers.get(start, 0) // parameters.lot_w for start in starts(parameters, day))
    return Block(name, block.id, lots, block.price_micro_per_kwh, block.group or "")


def _curves(
    parameters: Parameters,
    index: int,
    start: datetime,
    offers: Mapping[str, Offer],
    carried_w: Mapping[str, Sequence[int]],
) -> list[Curve]:
    offered = {
        name: curve for name, offer in offers.items() for curve in offer.curves if curve.start == start
    }
    return [_curve(parameters, name, curve) for name, curve in offered.items()] + [
        Curve(name, powers[index] // parameters.lot_w)
        for name, powers in carried_w.items()
        if name not in offered
    ]


def _curve(parameters: Parameters, name: str, curve: IntervalCurve) -> Curve:
    steps = tuple(
        Step(segment.price_micro_per_kwh, (segment.end_w - segment.start_w) // parameters.lot_w)
        for segment in curve.segments
    )
    return Curve(name, curve.segments[0].start_w // parameters.lot_w, steps)
