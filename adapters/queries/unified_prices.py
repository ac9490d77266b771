"""The unified price of a market whose rule has it computed, as of a sequence number."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.postgres.database import Connection
from adapters.queries.price_series import series
from ledger.interval import Interval
from ledger.market_price import PriceSeries, Product
from ledger.settlement.line import Source
from ledger.settlement.markets.month import SpotPricesOf
from ledger.site import MarketPoint
from ledger.streams.spot import SpotGeneration, nodes_of, unified_series


def load(
    connection: Connection,
    position: int,
    point: MarketPoint,
    told: Sequence[SpotGeneration],
    interval: Interval,
) -> tuple[SpotPricesOf, tuple[Source, ...]]:
    """Both products weighed by the told generation; the reference node by its own price, where there is one.

    Raises:
        Refused: `price_missing` for a node without prices, `generation`.
    """
    sources: list[Source] = []

    def of(node: str, product: Product) -> PriceSeries:
        found, sequences = series(
            connection, position, market=point.market, node=node, product=product, interval=interval
        )
        sources.append(Source(f"prices.{point.market}_{node}_{product}", sequences))
        return found

    def unified(product: Product) -> PriceSeries:
        nodes = {node: of(node, product) for node in nodes_of(told, product)}
        return unified_series(told, nodes, product, interval)

    spot = SpotPricesOf(
        unified("day_ahead"),
        unified("real_time"),
        None if point.reference_node is None else of(point.reference_node, "day_ahead"),
    )
    return spot, tuple(sources)
