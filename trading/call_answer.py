"""Whether a call is followed, and what it asks for in the product's intervals once it was changed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Literal, NamedTuple

from ledger.interval import zone_of
from ledger.refusal import Refused
from trading.bid import Bid
from trading.product import Market, Product
from trading.response_call import Call, CallState, Step
from trading.segments import offered_range_w


class Slot(NamedTuple):
    """An interval of a delivery day of the product."""

    day: date
    number: int


class Asked(NamedTuple):
    """What a call asks of a bid in one slot, in W; `price_u` where the call tells it."""

    bid: str
    power_w: int
    price_u: int | None


class Answer(NamedTuple):
    decision: Literal["accepted", "declined"]
    code: str
    reason: str
    bids: dict[date, str]


def slots_of(market: Market, product: Product, call: Call) -> dict[Slot, tuple[int, int | None]]:
    """Power and price of each of the product's intervals that the call covers.

    Raises:
        Refused: `call_interval` for a call whose intervals are not whole intervals of the product.
    """
    found: dict[Slot, tuple[int, int | None]] = {}
    step = timedelta(seconds=product.interval_s)
    for number, interval in enumerate(call.intervals):
        at = interval.start
        while at < interval.end:
            day = at.astimezone(zone_of(market.zone)).date()
            slot, off = divmod(at - market.start_of(day), step)
            if off or at + step > interval.end:
                wrong = f"{interval.start} to {interval.end} is not of whole {product.interval_s} s"
                raise Refused("call_interval", wrong, place=f"intervals[{number}]")
            found[Slot(day, slot)] = (interval.power_w, interval.price_u)
            at += step
    return found


def in_force(market: Market, product: Product, state: CallState) -> dict[Slot, Asked]:
    """What is asked in each slot, all versions considered: a later one holds from when it was heard on.

    What had begun when a call was changed or withdrawn was asked as it stood until then. A version that is
    declined asks nothing, and neither does what the operator withdrew.
    """
    found: dict[Slot, Asked] = {}
    for step in state.steps:
        if step.decision == "open":
            continue
        found = {slot: asked for slot, asked in found.items() if _begins(market, product, slot) < step.at}
        if step.call is not None and step.decision == "accepted":
            for slot, (power, price) in slots_of(market, product, step.call).items():
                if _begins(market, product, slot) >= step.at and slot not in found:
                    found[slot] = Asked(step.bids[slot.day], power, price)
    return found


def answer(
    market: Market,
    product: Product,
    state: CallState,
    standing: Mapping[date, Bid],
    others: Iterable[Slot],
    notice_s: int,
) -> Answer:
    """Whether the unit follows the version that was heard last, in this order of reasons.

    What cannot be read as power; a trial; a call that is over; one that begins before it was heard, or with
    less notice than agreed; intervals that are not the product's; none of the unit's bids at the market for a
    day; an interval that another call has; more than was offered. Of a change of a call that was accepted,
    only what begins after it was heard is looked at.
    """
    before = in_force(market, product, CallState(state.steps[:-1]))
    call = state.steps[-1].call
    assert call is not None, "a withdrawn call is not answered"
    if call.wrong:
        return Answer("declined", call.wrong, call.why, {})
    try:
        bids = _followed(market, product, state, standing, set(others), notice_s)
    except Refused as refused:
        return Answer("declined", refused.code, refused.reason, {})
    return Answer("accepted", "", "", bids | {slot.day: one.bid for slot, one in before.items()})


def _followed(
    market: Market,
    product: Product,
    state: CallState,
    standing: Mapping[date, Bid],
    taken: set[Slot],
    notice_s: int,
) -> dict[date, str]:
    """The bid of each day, where the version that was heard last can be followed.

    Raises:
        Refused: `call_trial`, `call_past`, `call_late`, `call_interval`, `call_without_bid`, `call_overlap`,
            `call_beyond_bid`.
    """
    call = state.steps[-1].call
    assert call is not None, "a withdrawn call is not answered"
    _check_time(call, notice_s, accepted_before=_accepted(state.steps[:-1]))
    asked = slots_of(market, product, call)
    for slot, (power, _) in asked.items():
        bid = standing.get(slot.day)
        if bid is None:
            wrong = f"no bid of unit {call.unit} stands for {slot.day}"
            raise Refused("call_without_bid", wrong, place=call.event)
        if _begins(market, product, slot) < call.received:
            continue
        if slot in taken:
            wrong = f"interval {slot.number} of {slot.day} is called already"
            raise Refused("call_overlap", wrong, place=call.event)
        low, high = offered_range_w(bid)
        if not low[slot.number] <= power <= high[slot.number]:
            offered = f"{low[slot.number]} to {high[slot.number]} W of bid {bid.id}"
            wrong = f"{power} W are called in interval {slot.number} of {slot.day}, beyond {offered}"
            raise Refused("call_beyond_bid", wrong, place=call.event)
    return {slot.day: standing[slot.day].id for slot in asked}


def _check_time(call: Call, notice_s: int, *, accepted_before: bool) -> None:
    if call.trial:
        raise Refused("call_trial", "it is marked as a trial, which is not settled", place=call.event)
    if call.end is not None and call.end <= call.received:
        wrong = f"it was over at {call.end}, and heard at {call.received}"
        raise Refused("call_past", wrong, place=call.event)
    if not accepted_before and call.start < call.received + timedelta(seconds=notice_s):
        wrong = f"it begins at {call.start}, and was heard at {call.received}: {notice_s} s of notice"
        raise Refused("call_late", wrong, place=call.event)


def _accepted(steps: tuple[Step, ...]) -> bool:
    """Whether the call is followed by the time of the last of those steps."""
    return bool(steps) and steps[-1].call is not None and steps[-1].decision == "accepted"


def _begins(market: Market, product: Product, slot: Slot) -> datetime:
    return market.start_of(slot.day) + timedelta(seconds=slot.number * product.interval_s)
