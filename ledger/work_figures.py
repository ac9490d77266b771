"""What work orders say of a month: how long storage was not available, what a party rendered, how satisfied
those were whom it was done for.

Nothing here is stated by itself: a person states availability and scores from it, with the orders as
evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from itertools import pairwise
from typing import Literal

import msgspec

from ledger.interval import Interval
from ledger.quantity import round_half_away
from ledger.refusal import Refused
from ledger.work_order import WorkOrder

Planned = Literal["counts", "excluded"]
"""Whether planned work makes storage unavailable: the contract's measure of service says which."""
Counted = Literal["done", "on_time", "ratings"]
"""O&M tickets as a party's score of a month: those done, those done in time, or the sum of their ratings."""
Measure = Literal[Counted, "satisfaction", "availability"]
"""What a score can be made of (ledger.work_score)."""


class Satisfaction(msgspec.Struct, frozen=True):
    """The mean of `count` ratings of 1 to 5; None without any."""

    mean: Fraction | None
    count: int


def unavailable_s(
    orders: Iterable[WorkOrder],
    site: str,
    energy_wh: int,
    devices: Mapping[str, int],
    interval: Interval,
    planned: Planned,
) -> int:
    """Seconds of `interval` in which the site's storage was not available, weighted by energy (DOMAIN.md 2.1
    Q12): a device of a quarter of the site's energy that stood for an hour is a quarter of an hour.

    `energy_wh` is the site's, `devices` each device's Wh. What two orders tell of the same hour counts once.

    Raises:
        Refused: `usable_energy` for a site or device without energy, which cannot be weighted.
    """
    if energy_wh <= 0:
        raise Refused("usable_energy", f"site {site} has no stored energy to weight by", place="site")
    out: list[tuple[datetime, datetime, str]] = []
    for order in orders:
        if order.site != site or (order.planned and planned == "excluded"):
            continue
        if order.outages and order.device and devices.get(order.device, 0) <= 0:
            wrong = f"device {order.device} has no stored energy to weight by"
            raise Refused("usable_energy", wrong, place=f"order {order.id}")
        for one in order.outages:
            start, end = max(one.start, interval.start), min(one.end, interval.end)
            if start < end:
                out.append((start, end, order.device))
    edges = sorted({edge for start, end, _ in out for edge in (start, end)})
    lost = 0
    for start, end in pairwise(edges):
        names = {name for first, last, name in out if first <= start and end <= last}
        missing = energy_wh if "" in names else min(energy_wh, sum(devices[name] for name in names))
        length = end - start
        lost += missing * ((length.days * 86_400 + length.seconds) * 1_000_000 + length.microseconds)
    return round_half_away(Fraction(lost, energy_wh * 1_000_000))


def evidence_of(orders: Iterable[WorkOrder], site: str, interval: Interval, planned: Planned) -> str:
    """The orders that `unavailable_s` rests on, as a text."""
    named = sorted(
        order.id
        for order in orders
        if order.site == site
        and not (order.planned and planned == "excluded")
        and any(one.start < interval.end and interval.start < one.end for one in order.outages)
    )
    return f"work orders {', '.join(named) or 'none'}; planned work {planned}"


def service_score(orders: Sequence[WorkOrder], party: str, interval: Interval, measure: Counted) -> int:
    """What a party rendered in the interval by that measure; orders count when they were done."""
    done = [
        order
        for order in orders
        if order.party == party
        and order.done_at is not None
        and interval.start <= order.done_at < interval.end
    ]
    match measure:
        case "done":
            return len(done)
        case "on_time":
            return sum(1 for order in done if order.on_time)
        case "ratings":
            return sum(order.rating or 0 for order in done)


def satisfaction(orders: Iterable[WorkOrder], interval: Interval) -> Satisfaction:
    """Of the orders that were done in the interval and rated (DOMAIN.md 2.1 Q12)."""
    ratings = [
        order.rating
        for order in orders
        if order.rating is not None
        and order.done_at is not None
        and interval.start <= order.done_at < interval.end
    ]
    mean = Fraction(sum(ratings), len(ratings)) if ratings else None
    return Satisfaction(mean, len(ratings))
