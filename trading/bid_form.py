"""Whether a bid has the form that its product asks for: the first check that fails tells, with its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from ledger.refusal import Refused
from trading.bid import Bid, Block
from trading.product import Market, Product
from trading.segments import offered_range_w, whole_numbers

_HOURS_OF_A_DAY: Final = 24
_S_PER_HOUR: Final = 3600


def check_bid(bid: Bid, market: Market, product: Product) -> None:
    """That a bid has the form which the product asks for.

    The checks are made in the order in which docs/bid-refusals.md lists them; the first that fails tells.

    Raises:
        Refused: `calendar_year`, `delivery_day`, `bid_intervals`, `bid_empty`, `quantity_range`,
            `segment_count`, `block`, `segment_overlap`, `segment_gap`, `segment_price_order`,
            `bid_direction`, `price_limit`, `price_tick`, `lot`, `quantity_min`, `quantity_max`,
            `bid_schedule`.
    """
    if not market.delivers(product, bid.day):
        raise Refused(
            "delivery_day", f"{product.id} is delivered on {product.delivery_days} days only", place="day"
        )
    count = market.intervals(product, bid.day)
    if len(bid.counts) != count:
        usual = count * product.interval_s == _HOURS_OF_A_DAY * _S_PER_HOUR
        why = "" if usual else ", because the clocks change"
        wrong = f"{bid.day} has {count} intervals of {product.interval_s} s{why}, not {len(bid.counts)}"
        raise Refused("bid_intervals", wrong, place="curves")
    if not bid.blocks and not any(bid.counts):
        raise Refused("bid_empty", "offer something in at least one interval", place="curves")
    form = _Form(bid, product)
    for check in _CHECKS:
        check(form)


class _Form:
    """What the checks look at; a number that is too large to be looked at is refused here."""

    def __init__(self, bid: Bid, product: Product) -> None:
        self.bid = bid
        self.product = product
        self.table = bid.table
        self.low, self.high = self.table.range_w
        self.blocks: list[tuple[str, Block]] = []
        for number, block in enumerate(bid.blocks):
            whole_numbers((*block.profile_w, block.price_u), f"blocks[{number}]")
            self.blocks.append((f"blocks[{number}]", block))
        self.schedule_w = None if bid.schedule_w is None else whole_numbers(bid.schedule_w, "schedule_w")


def _segment_count(form: _Form) -> None:
    most = int(form.table.counts.max())
    if most > form.product.segments_max:
        place = f"curves[{int(form.table.counts.argmax())}]"
        raise Refused(
            "segment_count", f"at most {form.product.segments_max} segments, not {most}", place=place
        )


def _block(form: _Form) -> None:
    product, count = form.product, len(form.bid.counts)
    if len(form.blocks) > product.blocks_max:
        raise Refused("block", f"{product.id} takes {product.blocks_max} blocks at most", place="blocks")
    known = {block.id: block for _, block in form.blocks}
    if len(known) != len(form.blocks):
        raise Refused("block", "each block has an id of its own", place="blocks")
    for place, block in form.blocks:
        if block.first < 0 or not block.profile_w or block.first + len(block.profile_w) > count:
            raise Refused("block", f"one or more intervals within the day's {count}", place=place)
        if not any(block.profile_w):
            raise Refused("block", "a block offers more than 0 W", place=f"{place}.profile_w")
        if block.group is not None and not product.exclusive_groups:
            raise Refused("block", f"{product.id} has no exclusive groups", place=f"{place}.group")
        if block.parent is not None:
            _check_parent(block, known, product, f"{place}.parent")


def _check_parent(block: Block, known: dict[str, Block], product: Product, place: str) -> None:
    if not product.linked_blocks:
        raise Refused("block", f"{product.id} links no blocks", place=place)
    seen, at = {block.id}, block
    while at.parent is not None:
        if at.parent not in known or at.parent in seen:
            raise Refused("block", "a parent is another block of the bid, in no ring", place=place)
        if block.group is not None and known[at.parent].group == block.group:
            raise Refused("block", "a parent of its own exclusive group is never taken with it", place=place)
        seen.add(at.parent)
        at = known[at.parent]


def _segment_overlap(form: _Form) -> None:
    table = form.table
    wrong = table.to_w <= table.from_w
    if wrong.any():
        allowed = "a segment runs from a lower power to a higher one"
        raise Refused("segment_overlap", allowed, place=table.place(wrong))
    wrong[1:] = ~table.first[1:] & (table.from_w[1:] < table.to_w[:-1])
    if wrong.any():
        allowed = "a segment begins where the one before it ends, not below"
        raise Refused("segment_overlap", allowed, place=table.place(wrong))


def _segment_gap(form: _Form) -> None:
    table = form.table
    wrong = np.zeros(len(table.price_u), dtype=np.bool_)
    wrong[1:] = ~table.first[1:] & (table.from_w[1:] > table.to_w[:-1])
    if wrong.any():
        allowed = "a segment begins where the one before it ends, not above"
        raise Refused("segment_gap", allowed, place=table.place(wrong))
    wrong = (table.first & (table.from_w > 0)) | (table.last & (table.to_w < 0))
    if wrong.any():
        allowed = "the curve holds 0 W: it begins at most there and ends at least there"
        raise Refused("segment_gap", allowed, place=table.place(wrong))


def _segment_price_order(form: _Form) -> None:
    table = form.table
    wrong = np.zeros(len(table.price_u), dtype=np.bool_)
    falls, rises = table.price_u[1:] < table.price_u[:-1], table.price_u[1:] > table.price_u[:-1]
    if form.product.kind == "energy":
        allowed = "a price is not below that of the segment before it"
        wrong[1:] = ~table.first[1:] & falls
    else:
        allowed = "power further away from 0 W is not cheaper than what is nearer"
        bound_w = table.from_w[1:]
        wrong[1:] = ~table.first[1:] & (((bound_w > 0) & falls) | ((bound_w < 0) & rises))
    if wrong.any():
        raise Refused("segment_price_order", allowed, place=table.place(wrong))


def _bid_direction(form: _Form) -> None:
    table, direction = form.table, form.product.direction
    if direction != "both":
        wrong = table.from_w < 0 if direction == "discharge" else table.to_w > 0
        allowed = "from 0 W up" if direction == "discharge" else "up to 0 W"
        if wrong.any():
            allowed = f"{form.product.id} is for {direction}: {allowed}"
            raise Refused("bid_direction", allowed, place=table.place(wrong))
    for place, block in form.blocks:
        signs = {"discharge" if power > 0 else "charge" for power in block.profile_w if power}
        if len(signs) > 1 or (direction != "both" and direction not in signs):
            allowed = f"one direction, as {form.product.id} allows: {direction}"
            raise Refused("bid_direction", allowed, place=f"{place}.profile_w")


def _price_limit(form: _Form) -> None:
    table, product = form.table, form.product
    limits = f"{product.price_floor} to {product.price_cap} per {product.price_unit}"
    wrong = (table.price_u < product.floor_u) | (table.price_u > product.cap_u)
    if wrong.any():
        raise Refused("price_limit", limits, place=table.place(wrong))
    for place, block in form.blocks:
        if not product.floor_u <= block.price_u <= product.cap_u:
            raise Refused("price_limit", limits, place=f"{place}.price_u")


def _price_tick(form: _Form) -> None:
    table, product = form.table, form.product
    ticks = f"whole ticks of {product.price_tick} per {product.price_unit}"
    wrong = table.price_u % product.tick_u != 0
    if wrong.any():
        raise Refused("price_tick", ticks, place=table.place(wrong))
    for place, block in form.blocks:
        if block.price_u % product.tick_u:
            raise Refused("price_tick", ticks, place=f"{place}.price_u")


def _lot(form: _Form) -> None:
    table, lot_w = form.table, form.product.lot_w
    wrong = (table.from_w % lot_w != 0) | (table.to_w % lot_w != 0)
    if wrong.any():
        raise Refused("lot", f"whole lots of {lot_w} W", place=table.place(wrong))
    for place, block in form.blocks:
        if any(power % lot_w for power in block.profile_w):
            raise Refused("lot", f"whole lots of {lot_w} W", place=f"{place}.profile_w")


def _quantity_min(form: _Form) -> None:
    least = form.product.quantity_min_w
    allowed = f"at least {least} W in a direction that is offered"
    wrong = ((form.low < 0) & (-form.low < least)) | ((form.high > 0) & (form.high < least))
    if wrong.any():
        raise Refused("quantity_min", allowed, place=f"curves[{int(wrong.argmax())}]")
    for place, block in form.blocks:
        if max(map(abs, block.profile_w)) < least:
            raise Refused("quantity_min", allowed, place=f"{place}.profile_w")


def _quantity_max(form: _Form) -> None:
    most = form.product.quantity_max_w
    if most is None:
        return
    wrong = np.maximum(-form.low, form.high) > most
    if wrong.any():
        raise Refused("quantity_max", f"at most {most} W", place=f"curves[{int(wrong.argmax())}]")
    for place, block in form.blocks:
        if max(map(abs, block.profile_w)) > most:
            raise Refused("quantity_max", f"at most {most} W", place=f"{place}.profile_w")


def _bid_schedule(form: _Form) -> None:
    if form.schedule_w is None:
        return
    if len(form.schedule_w) != len(form.bid.counts):
        allowed = f"one power for each of {len(form.bid.counts)} intervals"
        raise Refused("bid_schedule", allowed, place="schedule_w")
    low, high = offered_range_w(form.bid)
    wrong = (form.schedule_w < low) | (form.schedule_w > high)
    if wrong.any():
        number = int(wrong.argmax())
        allowed = f"what is offered there, {low[number]} to {high[number]} W"
        raise Refused("bid_schedule", allowed, place=f"schedule_w[{number}]")


_CHECKS: Final[tuple[Callable[[_Form], None], ...]] = (
    _segment_count,
    _block,
    _segment_overlap,
    _segment_gap,
    _segment_price_order,
    _bid_direction,
    _price_limit,
    _price_tick,
    _lot,
    _quantity_min,
    _quantity_max,
    _bid_schedule,
)
"""In order of precedence, each code once: docs/bid-refusals.md."""
