"""Bids as people read them: MW, the market's prices, its local time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import groupby
from zoneinfo import ZoneInfo

from adapters.desk.bid_csv import mw, price_name, price_text
from adapters.desk.checking import CheckedBid, LimitUse
from adapters.desk.desk import Desk
from adapters.front_door import Receipt
from adapters.queries.bids import FoundBid
from adapters.queries.unit_day import UnitDayAnswer
from ledger.clauses.flow import grouped
from ledger.interval import zone_of
from ledger.quantity import decimal_text, round_half_away
from trading.bid import Bid
from trading.bid_life import Standing
from trading.envelope import SLOT_S
from trading.feasibility import Commitment
from trading.product import Market, Product


def stored(desk: Desk, name: str, receipt: Receipt) -> str:
    """How the bid stands after a command, and where the fact is."""
    state = desk.state(name)
    return (
        f"bid {name} revision {state.draft.revision}: {state.status}, digest {state.draft.digest[:16]},"
        f" event {receipt.sequence}"
    )


def line(found: FoundBid) -> str:
    """One line of a list."""
    draft, standing = found.state.draft, found.state.standing
    bid = draft.bid
    at = "" if standing is None else f", revision {standing.draft.revision} {standing.status}"
    return (
        f"{bid.id:<28} {bid.day}  {bid.market} {bid.product}  {bid.unit:<16}"
        f" revision {draft.revision} {found.state.status}{at}, event {found.sequence}"
    )


def shown(found: FoundBid, market: Market, product: Product) -> str:
    """The newest revision, and what stands at the market."""
    draft, standing = found.state.draft, found.state.standing
    bid = draft.bid
    lines = [
        f"bid {bid.id}: {product.title} of {market.id} ({bid.product}) on {bid.day}, unit {bid.unit}",
        f"revision {draft.revision} {found.state.status}, by {draft.by}, event {found.sequence}",
        f"digest {draft.digest}",
    ]
    if draft.approvals:
        lines.append(f"approved by {', '.join(draft.approvals)}")
    if draft.overridden:
        lines.append(f"may exceed {', '.join(draft.overridden)}")
    if bid.note:
        lines.append(f"note: {bid.note}")
    lines += ["", f"local time of {market.zone}, MW, {price_name(market, product)}"]
    lines += _curves(bid, market, product)
    for block in bid.blocks:
        power = ", ".join(map(mw, block.profile_w))
        ties = "".join(
            f", {name} {one}" for name, one in (("group", block.group), ("parent", block.parent)) if one
        )
        price = price_text(product, block.price_u)
        lines.append(f"  block {block.id} from interval {block.first + 1}: {power} at {price}{ties}")
    while standing is not None:
        lines += ["", *_standing(standing, market, product)]
        standing = standing.behind
    return "\n".join(lines) + "\n"


def checked(found: CheckedBid) -> str:
    """What a check found."""
    lines = [
        f"digest {found.digest}",
        f"{found.intervals} intervals on {found.day}",
        f"gate {_instant(found.gate_opens)} to {_instant(found.gate_closes)}",
        f"volume {grouped(str(found.volume_wh))} Wh",
        f"at worst {grouped(found.payable)} payable, {grouped(found.imbalance)} imbalance {found.currency}",
        f"{found.approvals_needed} other person(s) must approve it",
        *map(_limit, found.limits),
    ]
    lines += [f"refused ({one.code}): {one.place}: {one.reason}" for one in found.problems]
    if not found.problems:
        lines.append("it would be accepted")
    return "\n".join(lines) + "\n"


def _limit(one: LimitUse) -> str:
    exceeded = "" if one.kept else "  EXCEEDED"
    return (
        f"limit {one.limit} of {one.value} ({one.measure}): {grouped(one.used)} used,"
        f" {grouped(one.asked)} asked for, of {grouped(one.most)}{exceeded}"
    )


def _curves(bid: Bid, market: Market, product: Product) -> Iterator[str]:
    """Intervals that say the same are one line."""
    plan = bid.schedule_w or (None,) * len(bid.curves)
    rows = list(zip(bid.curves, plan, strict=True))
    number = 0
    for (curve, planned), same in groupby(rows):
        count = len(list(same))
        segments = "; ".join(
            f"{mw(low)} to {mw(high)} at {price_text(product, price)}" for low, high, price in curve
        )
        schedule = "" if planned is None else f"  (schedule {mw(planned)})"
        if curve or planned:
            yield f"  {_span(market, product, bid, number, count)}  {segments or 'nothing'}{schedule}"
        number += count


def _standing(standing: Standing, market: Market, product: Product) -> Iterator[str]:
    yield (
        f"at the market: revision {standing.draft.revision} {standing.status}, submitted by {standing.by} at"
        f" {_instant(standing.at)}"
    )
    yield f"  gate {_instant(standing.gate_opens)} to {_instant(standing.gate_closes)}"
    if standing.reference:
        yield f"  the market's reference {standing.reference}"
    if standing.reason:
        yield f"  {standing.reason}"
    for part in standing.uses:
        used = decimal_text(round_half_away(Fraction(part.amount) * 100), 2)
        yield f"  uses {grouped(used)} of limit {part.limit} for {part.value}"
    if standing.clearing:
        yield f"  awarded by {standing.clearing}:"
        yield from _awards(standing.awarded_w, standing.draft.bid, market, product)
    if standing.conflict is not None:
        most, beside = max(standing.conflict.short_w), ", ".join(standing.conflict.beside)
        yield f"  conflict: up to {mw(most)} MW of it are sold to {beside} since an earlier run"


def _awards(power_w: Sequence[int], bid: Bid, market: Market, product: Product) -> Iterator[str]:
    if not any(power_w):
        yield "  nothing in any interval"
    number = 0
    for power, same in groupby(power_w):
        count = len(list(same))
        if power:
            yield f"  {_span(market, product, bid, number, count)}  {mw(power)} MW"
        number += count


def _span(market: Market, product: Product, bid: Bid, number: int, count: int) -> str:
    step = timedelta(seconds=product.interval_s)
    return _times(market.start_of(bid.day), zone_of(market.zone), step, number, count)


def _times(start: datetime, zone: ZoneInfo, step: timedelta, number: int, count: int) -> str:
    """From the start of interval `number` to the end of the last of `count`, by the zone's clocks."""
    first, end = ((start + at * step).astimezone(zone).strftime("%H:%M") for at in (number, number + count))
    return f"{first}-{'24:00' if end == '00:00' else end}"


def _instant(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds")


def quarter_hours(day: UnitDayAnswer, one: Commitment) -> Iterator[tuple[str, int, int]]:
    """The local times in which a commitment binds anything, with the W up and down."""
    zone, step, number = zone_of(day.zone), timedelta(seconds=SLOT_S), 0
    for (up, down), same in groupby(zip(one.up_w, one.down_w, strict=True)):
        count = len(list(same))
        if up or down:
            yield _times(day.starts, zone, step, number, count), up, down
        number += count
