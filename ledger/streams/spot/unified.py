"""A spot market's unified price: its nodes' prices, weighed by what was generated there (DOMAIN.md 3.5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final

import numpy as np
import numpy.typing as npt

from ledger.interval import Interval, interval_starts
from ledger.market_price import PriceBlock, PriceSeries, Product
from ledger.quantity import round_half_away
from ledger.refusal import Refused
from ledger.streams.spot.facts import SpotGeneration

Whole = npt.NDArray[np.int64]

OFFICIAL_DECIMALS: Final = 6
"""Decimals per kWh of an officially published price: yuan/MWh with three (DOMAIN.md 3.0)."""
UNIFIED: Final = "unified"
"""What the computed series is called in place of a node."""


def unified_series(
    told: Iterable[SpotGeneration], nodes: Mapping[str, PriceSeries], product: Product, interval: Interval
) -> PriceSeries:
    """The market's unified price of `product` through `interval`, as the market would publish it.

    `nodes` are the prices of every node of which generation of the product was told.

    Raises:
        Refused: `generation` for a time of which a node's generation was not told, or told twice; what
            `unified_price` refuses.
    """
    facts = [fact for fact in told if fact.product == product]
    names = nodes_of(facts, product)
    if not names:
        raise Refused("generation", f"no {product} generation was told", place=str(interval.start))
    steps = [nodes[name].interval_s for name in names]
    rows = [
        _generated(name, [fact for fact in facts if fact.node == name], step, interval)
        for name, step in zip(names, steps, strict=True)
    ]
    prices = unified_price([nodes[name] for name in names], rows, interval)
    return published(nodes[names[0]], UNIFIED, interval.start, prices)


def nodes_of(told: Iterable[SpotGeneration], product: Product) -> list[str]:
    """The nodes of which generation of `product` was told, in order."""
    return sorted({fact.node for fact in told if fact.product == product})


def _generated(node: str, facts: Sequence[SpotGeneration], step_s: int, interval: Interval) -> Whole:
    """Wh of each price interval of `interval`."""
    step, count = timedelta(seconds=step_s), interval.seconds // step_s
    found = np.full(count, -1, dtype=np.int64)
    for fact in facts:
        if fact.step_s != step_s:
            wrong = f"the generation is told every {fact.step_s} s, the prices are of {step_s} s"
            raise Refused("generation", wrong, place=f"{fact.id} at {node}")
        first, off = divmod(fact.interval.start - interval.start, step)
        if off:
            raise Refused("generation", f"{fact.interval.start} cuts a price's interval", place=fact.id)
        for number, wh in enumerate(fact.generation_wh, first):
            if not 0 <= number < count:
                continue
            if found[number] >= 0:
                at = interval.start + number * step
                raise Refused("generation", f"{fact.id} tells {node} at {at} again", place=fact.id)
            found[number] = wh
    missing = np.flatnonzero(found < 0)
    if missing.size:
        at = interval.start + int(missing[0]) * step
        raise Refused("generation", f"the generation of {node} at {at} was not told", place=node)
    return found


def unified_price(
    nodes: Sequence[PriceSeries], generation_wh: Sequence[Whole], interval: Interval
) -> tuple[Fraction, ...]:
    """The generation-weighted node price of each interval, exact (DOMAIN.md 3.5).

    `generation_wh` has one row for each node, one energy for each of its price intervals.

    Raises:
        Refused: `profile` for rows that do not match, `generation` where an interval has none at all or
            one below zero, and what `PriceSeries.between` refuses.
    """
    if not nodes or len(nodes) != len(generation_wh):
        raise Refused("profile", "give the generation of each node, one row for each", place="generation_wh")
    if len({(node.interval_s, node.currency, node.product) for node in nodes}) > 1:
        raise Refused("price_interval", "the nodes differ in interval, currency or product", place="nodes")
    blocks = [node.between(interval) for node in nodes]
    starts = interval_starts(interval, nodes[0].interval_s)
    found: list[Fraction] = []
    for number, start in enumerate(starts):
        weighted, total = Fraction(0), 0
        for block, row in zip(blocks, generation_wh, strict=True):
            if len(row) != len(starts):
                raise Refused(
                    "profile", f"{len(row)} energies for {len(starts)} prices", place="generation_wh"
                )
            energy = int(row[number])
            if energy < 0:
                raise Refused("generation", f"{energy} Wh is below zero", place=str(start))
            total += energy
            weighted += energy * Fraction(int(block.mantissas[number]), 10**block.scale)
        if not total:
            raise Refused("generation", "no node generated: there is nothing to weigh by", place=str(start))
        found.append(weighted / total)
    return tuple(found)


def published(like: PriceSeries, node: str, start: datetime, prices: Sequence[Fraction]) -> PriceSeries:
    """Computed prices as a market publishes them: six decimals per kWh, half away from zero (DOMAIN.md 3.0).

    Raises:
        Refused: `price_block` without any price.
    """
    mantissas = [round_half_away(price * 10**OFFICIAL_DECIMALS) for price in prices]
    block = PriceBlock(start, np.array(mantissas, dtype=np.int64), OFFICIAL_DECIMALS)
    return PriceSeries(like.market, node, like.product, like.interval_s, like.currency, (block,))
