"""Prices of single intervals, in any order, as a series of blocks; what is missing stays missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

import numpy as np

from ledger.market_price import PriceBlock, PriceSeries, Product
from ledger.quantity import Price
from ledger.refusal import Refused

_INT64: Final = 2**63
_SHOWN: Final = 5


def series_of(
    prices: Mapping[datetime, Price], *, market: str, node: str, product: Product, interval_s: int
) -> PriceSeries:
    """The series of prices by their interval's start (UTC): one block a run without a gap.

    Raises:
        Refused: `price_missing` when there is none, `price_range` beyond 64 bits, `currency` when two
            are mixed.
    """
    if not prices:
        raise Refused("price_missing", "there is no price", place=node)
    currencies = sorted({price.currency for price in prices.values()})
    if len(currencies) != 1:
        raise Refused("currency", f"prices of {' and '.join(currencies)} are not one series", place=node)
    blocks = tuple(_block(run, prices) for run in runs(sorted(prices), interval_s))
    return PriceSeries(market, node, product, interval_s, currencies[0], blocks)


def runs(starts: Sequence[datetime], interval_s: int) -> list[list[datetime]]:
    """Ascending starts cut where one does not follow the one before.

    >>> at = datetime(2025, 1, 1)
    >>> [len(run) for run in runs([at, at + timedelta(hours=1), at + timedelta(hours=3)], 3600)]
    [2, 1]
    """
    step = timedelta(seconds=interval_s)
    found = [[starts[0]]]
    for start, following in pairwise(starts):
        if following - start == step:
            found[-1].append(following)
        else:
            found.append([following])
    return found


def coverage(series: PriceSeries) -> str:
    """What a series holds and where it has gaps, for people: a file cut short shows here."""
    count = sum(block.mantissas.size for block in series.blocks)
    spans = [
        f"{block.start:%Y-%m-%dT%H:%MZ} to {block.end(series.interval_s):%Y-%m-%dT%H:%MZ}"
        for block in series.blocks
    ]
    more = f" and {len(spans) - _SHOWN} more" if len(spans) > _SHOWN else ""
    told = f"{series.node}: {count} prices of {series.interval_s} s from {', '.join(spans[:_SHOWN])}{more}"
    return f"{told}; none is known between" if len(spans) > 1 else told


def _block(run: Sequence[datetime], prices: Mapping[datetime, Price]) -> PriceBlock:
    told = [prices[start] for start in run]
    scale = max(price.scale for price in told)
    mantissas = [price.mantissa * 10 ** (scale - price.scale) for price in told]
    if max(map(abs, mantissas)) >= _INT64:
        raise Refused("price_range", "a price is too large for 64 bits", place=f"{run[0]:%Y-%m-%dT%H:%MZ}")
    return PriceBlock(run[0], np.array(mantissas, dtype=np.int64), scale)
