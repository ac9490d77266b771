"""Market prices of a time as series, as of a sequence number: the newest block holds for an interval."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from adapters.postgres.database import Connection
from ledger.interval import Interval
from ledger.market_price import PriceBlock, PriceSeries, Product
from ledger.refusal import Refused

_MANTISSA_MAX = 2**63


def series(
    connection: Connection, position: int, *, market: str, node: str, product: Product, interval: Interval
) -> tuple[PriceSeries, tuple[tuple[int, int], ...]]:
    """The prices of `interval` and the events that they rest on.

    A gap stays a gap: whoever reads a price there is refused.

    Raises:
        Refused: `price_missing` when there is none at all, `price_interval` for blocks of unequal length.
    """
    rows = connection.execute(
        "SELECT start, interval_s, currency, scale, mantissas, sequence FROM ledger.price_block"
        " WHERE market = %s AND node = %s AND product = %s AND sequence <= %s AND start < %s"
        " AND start + cardinality(mantissas) * interval_s * interval '1 second' > %s ORDER BY sequence",
        [market, node, product, position, interval.end, interval.start],
    ).fetchall()
    place = f"{market} {node} {product}"
    if not rows:
        raise Refused("price_missing", f"no price from {interval.start} to {interval.end}", place=place)
    if len({(row[1], row[2]) for row in rows}) > 1:
        raise Refused("price_interval", "blocks of different lengths or currencies", place=place)
    interval_s, currency = rows[0][1], rows[0][2]
    blocks = _painted(rows, interval, interval_s)
    sources = tuple((row[5], row[5]) for row in rows)
    return PriceSeries(market, node, product, interval_s, currency, blocks), sources


def _painted(
    rows: Sequence[tuple[datetime, int, str, int, list[int], int]], interval: Interval, interval_s: int
) -> tuple[PriceBlock, ...]:
    """The newest price of each interval at one scale, as blocks without a gap inside."""
    step = timedelta(seconds=interval_s)
    count = -(-(interval.end - interval.start) // step)
    scale = max(row[3] for row in rows)
    values = np.zeros(count, dtype=np.int64)
    known = np.zeros(count, dtype=np.bool_)
    for start, _, _, own, mantissas, _ in rows:
        factor = 10 ** (scale - own)
        if max(map(abs, mantissas)) * factor >= _MANTISSA_MAX:
            raise Refused("price_range", "a price is too large for 64 bits", place=str(start))
        first, off = divmod(start - interval.start, step)
        if off:
            raise Refused("price_interval", f"{start} is not a multiple of {interval_s} s", place=str(start))
        begin, end = max(first, 0), min(first + len(mantissas), count)
        values[begin:end] = np.array(mantissas[begin - first : end - first], dtype=np.int64) * factor
        known[begin:end] = True
    edges = np.flatnonzero(np.diff(known.astype(np.int8), prepend=0, append=0)).tolist()
    return tuple(
        PriceBlock(interval.start + begin * step, values[begin:end].copy(), scale)
        for begin, end in zip(edges[::2], edges[1::2], strict=True)
    )
