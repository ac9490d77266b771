"""Market prices as facts: one block of consecutive intervals of a market's product at a node."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from ledger.identity import checked_id
from ledger.interval import Instant, checked_year
from ledger.market_price import PriceBlock, PriceSeries, Product
from ledger.refusal import Refused


class PricesRecorded(msgspec.Struct, frozen=True, tag_field="kind", tag="market.prices_recorded.v1"):
    """Price = mantissa x 10^-scale per kWh. A later block supersedes an earlier one where they overlap."""

    market: str
    node: str
    product: Product
    interval_s: int
    currency: str
    start: Instant
    scale: int
    mantissas: tuple[int, ...]
    source: str

    def apply(self, _: object) -> PriceMonth:
        return PriceMonth()


class PriceMonth(msgspec.Struct, frozen=True):
    """A product's month; the figures live in the projections."""


class RecordPrices(msgspec.Struct, frozen=True):
    """Store one block; it lies within one UTC month."""

    prices: PricesRecorded

    @property
    def aggregate(self) -> str:
        p = self.prices
        return f"price.{p.market}_{p.node}_{p.product}_{p.start:%Y-%m}"

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, _: object, __: Mapping[str, object]) -> tuple[PricesRecorded]:
        p = self.prices
        checked_id(p.market, "market")
        checked_id(p.node, "node")
        if not p.source.strip():
            raise Refused("source", "prices name where they come from", place="source")
        if not p.mantissas:
            raise Refused("price_block", "a block is one or more prices", place="mantissas")
        if any(not -(2**63) <= mantissa < 2**63 for mantissa in p.mantissas):
            raise Refused("price_range", "a mantissa fits 64 bits", place="mantissas")
        block = PriceBlock(p.start, np.array(p.mantissas, dtype=np.int64), p.scale)
        PriceSeries(p.market, p.node, p.product, p.interval_s, p.currency, (block,))
        checked_year(p.start, "start")
        if len(_by_month(block, p.interval_s)) > 1:
            raise Refused("price_block", "a block lies within one UTC month", place="start")
        return (p,)


def blocks_of(series: PriceSeries, source: str) -> list[PricesRecorded]:
    """The series as facts, cut at UTC months."""
    return [
        PricesRecorded(
            series.market,
            series.node,
            series.product,
            series.interval_s,
            series.currency,
            piece.start,
            piece.scale,
            tuple(piece.mantissas.tolist()),
            source,
        )
        for block in series.blocks
        for piece in _by_month(block, series.interval_s)
    ]


def _by_month(block: PriceBlock, interval_s: int) -> list[PriceBlock]:
    pieces: list[PriceBlock] = []
    rest = block
    while True:
        year, month = rest.start.year + rest.start.month // 12, rest.start.month % 12 + 1
        end = rest.start.replace(year=year, month=month, day=1, hour=0, minute=0, second=0)
        count = int((end - rest.start).total_seconds()) // interval_s
        if count >= len(rest.mantissas):
            return [*pieces, rest]
        pieces.append(PriceBlock(rest.start, rest.mantissas[:count], rest.scale))
        rest = PriceBlock(end, rest.mantissas[count:], rest.scale)
