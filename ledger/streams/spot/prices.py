"""A market's prices at its settlement interval, exact: an hour's price is the mean of its published ones."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor, lcm
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.clauses.flow import exact_text
from ledger.interval import Interval, interval_starts, zone_of
from ledger.market_price import PriceBlock, PriceSeries, Product
from ledger.refusal import Refused
from ledger.streams.spot.rule import SpotRule

Whole = npt.NDArray[np.int64]
_INT64: Final = 2**63
_Wanted = tuple[str, PriceSeries, Product, int]


class SpotPrices(msgspec.Struct, frozen=True, eq=False):
    """Price = numerator / `denominator` in major units per kWh, one of each product per interval."""

    rule: str
    interval: Interval
    interval_s: int
    currency: str
    denominator: int
    day_ahead: Whole
    real_time: Whole
    reference: Whole | None
    """Day-ahead at the reference node, where contracts settle there."""
    days: tuple[str, ...]
    """The market's local days, in order."""
    day_starts: Whole
    """The position of each day's first interval."""

    @property
    def intervals(self) -> int:
        return len(self.day_ahead)


def spot_prices(
    rule: SpotRule,
    interval: Interval,
    day_ahead: PriceSeries | None,
    real_time: PriceSeries,
    reference: PriceSeries | None = None,
) -> SpotPrices:
    """The prices of every settlement interval of `interval`; computed once for all units at one price point.

    Where the rule has one settlement, contracts too differ from the real-time price. `reference` is the
    day-ahead price at the reference node; it is needed where contracts settle there.

    Raises:
        Refused: `price_missing` naming the instant, `price_interval`, `product` or `currency` for a series
            that is not the rule's, `price_limit` for a price outside the rule's limits, `price_reference`
            for one missing or not used, `price_range`, `interval`.
    """
    if (reference is None) == (rule.contract_point == "reference_node"):
        raise Refused(
            "price_reference",
            f"contracts of {rule.id} settle at the {rule.contract_point.replace('_', ' ')}",
            place="reference",
        )
    interval_starts(interval, rule.interval_s)
    second: _Wanted = ("real_time", real_time, "real_time", rule.real_time_interval_s)
    first = second
    if rule.settlements == "two":
        if day_ahead is None:
            raise Refused("price_missing", f"rule {rule.id} settles day-ahead prices", place="day_ahead")
        first = ("day_ahead", day_ahead, "day_ahead", rule.day_ahead_interval_s)
    wanted: list[_Wanted] = [first, second]
    if reference is not None:
        wanted.append(("reference", reference, "day_ahead", rule.day_ahead_interval_s))
    sums: list[tuple[Whole, int]] = []
    for place, series, product, seconds in wanted:
        _check_series(rule, series, product, seconds, place)
        block = series.between(interval)
        _check_limits(rule, block, product, seconds)
        sums.append(_mean(block, rule.interval_s // seconds))
    denominator = lcm(*(parts for _, parts in sums))
    columns = [_times(values, denominator // parts) for values, parts in sums]
    days, day_starts = _days(rule, interval)
    return SpotPrices(
        rule.id,
        interval,
        rule.interval_s,
        rule.currency,
        denominator,
        columns[0],
        columns[1],
        columns[2] if reference is not None else None,
        days,
        day_starts,
    )


def _check_series(rule: SpotRule, series: PriceSeries, product: Product, seconds: int, place: str) -> None:
    if series.product != product:
        raise Refused("product", f"{series.product} is not {product}", place=place)
    if series.currency != rule.currency:
        raise Refused("currency", f"{series.currency} is not {rule.currency}", place=place)
    if series.interval_s != seconds:
        raise Refused(
            "price_interval", f"the prices are of {series.interval_s} s, not {seconds} s", place=place
        )


def _check_limits(rule: SpotRule, block: PriceBlock, product: Product, seconds: int) -> None:
    limits = rule.limits_of(product)
    if limits is None:
        return
    least, most = ceil(limits[0] * 10**block.scale), floor(limits[1] * 10**block.scale)
    wrong = np.flatnonzero((block.mantissas < least) | (block.mantissas > most))
    if wrong.size:
        at = block.start + timedelta(seconds=seconds * int(wrong[0]))
        price = Fraction(int(block.mantissas[wrong[0]]), 10**block.scale)
        raise Refused(
            "price_limit",
            f"{product} {exact_text(price)} per kWh is outside {' to '.join(map(exact_text, limits))}",
            place=str(at),
        )


def _mean(block: PriceBlock, count: int) -> tuple[Whole, int]:
    """The sums of every `count` prices, and the number of parts that make them means."""
    if _peak(block.mantissas) * count >= _INT64:
        raise Refused("price_range", "the prices are too large to be averaged in 64 bits")
    return block.mantissas.reshape(-1, count).sum(axis=1), count * 10**block.scale


def _times(values: Whole, factor: int) -> Whole:
    """With a bit to spare, so that two prices may be subtracted."""
    if _peak(values) * factor >= _INT64 // 2:
        raise Refused("price_range", "the prices do not fit 64 bits on their common denominator")
    return values * factor


def _peak(values: Whole) -> int:
    return max(int(values.max()), -int(values.min()), 1)


def _days(rule: SpotRule, interval: Interval) -> tuple[tuple[str, ...], Whole]:
    zone = zone_of(rule.zone)
    names = [str(start.astimezone(zone).date()) for start in interval_starts(interval, rule.interval_s)]
    firsts = [0, *(number for number, (a, b) in enumerate(pairwise(names), 1) if a != b)]
    return tuple(names[first] for first in firsts), np.array(firsts, dtype=np.int64)
