"""Market prices as they were received, block by block, as of a sequence number."""

from __future__ import annotations

from datetime import datetime

import msgspec

from adapters.postgres.database import Connection
from ledger.market_price import Product
from ledger.quantity import decimal_text

Key = tuple[str, str, str, datetime, int]
"""Market, node, product, start and sequence of a block."""


class PricePiece(msgspec.Struct, frozen=True):
    """Consecutive prices per kWh as exact decimals; a later sequence supersedes where two overlap."""

    market: str
    node: str
    product: Product
    start: datetime
    interval_s: int
    currency: str
    prices: tuple[str, ...]
    sequence: int


def page(
    connection: Connection,
    position: int,
    *,
    market: str | None,
    node: str | None,
    product: Product | None,
    start: datetime,
    end: datetime,
    after: Key,
    limit: int,
) -> list[PricePiece]:
    """Blocks that have an interval in [start, end), by market, node, product, start and sequence."""
    rows = connection.execute(
        "SELECT market, node, product, start, interval_s, currency, scale, mantissas, sequence"
        " FROM ledger.price_block WHERE sequence <= %(position)s"
        " AND (%(market)s::text IS NULL OR market = %(market)s)"
        " AND (%(node)s::text IS NULL OR node = %(node)s)"
        " AND (%(product)s::text IS NULL OR product = %(product)s)"
        " AND start < %(end)s"
        " AND start + cardinality(mantissas) * interval_s * interval '1 second' > %(start)s"
        " AND (market, node, product, start, sequence) > (%(m)s, %(n)s, %(p)s, %(s)s, %(q)s)"
        " ORDER BY market, node, product, start, sequence LIMIT %(limit)s",
        {
            "position": position,
            "market": market,
            "node": node,
            "product": product,
            "start": start,
            "end": end,
            "m": after[0],
            "n": after[1],
            "p": after[2],
            "s": after[3],
            "q": after[4],
            "limit": limit,
        },
    )
    return [
        PricePiece(
            market_name, node_name, of, begin, interval_s, currency,
            tuple(decimal_text(mantissa, scale) for mantissa in mantissas), sequence,
        )
        for market_name, node_name, of, begin, interval_s, currency, scale, mantissas, sequence in rows
    ]  # fmt: skip
