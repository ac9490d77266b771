"""The market's prices in the trading week: recorded when they are published, and what is known of them."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from typing import Final

from adapters import price_file
from adapters.demo.portfolio_book import once
from adapters.demo.trading_book import POINT, PRICE_FILE, TradingBook, local
from adapters.desk.sender import ACTOR as GATEWAY
from adapters.queries import price_series
from ledger.interval import Interval
from ledger.market_price import PriceBlock, PriceSeries, Product
from ledger.recorded_price import RecordPrices, blocks_of

PRICE_SCALE: Final = 6
INTERVAL_S: Final = 3600
_DAY: Final = timedelta(days=1)


def known_prices(book: TradingBook, product: Product, day: date) -> tuple[int, ...]:
    """A day's prices in millionths per kWh, as the book knows them now.

    Raises:
        Refused: `price_missing` where they are not published yet.
    """
    with book.reading() as (connection, position):
        series, _ = price_series.series(
            connection,
            position,
            market=POINT.market,
            node=POINT.node,
            product=product,
            interval=hours_of(day),
        )
    block = series.between(hours_of(day))
    factor = Fraction(10**PRICE_SCALE, 10**block.scale)
    return tuple(int(mantissa * factor) for mantissa in block.mantissas.tolist())


def record_published(book: TradingBook, product: Product, day: date) -> None:
    """What the platform published for the day."""
    both = price_file.parse(
        PRICE_FILE.read_bytes(), market=POINT.market, node=POINT.node, currency="CNY", interval_s=INTERVAL_S
    )
    series = both[0 if product == "day_ahead" else 1]
    record(book, series, series.between(hours_of(day)), f"{PRICE_FILE.name}, {day}")


def record(book: TradingBook, series: PriceSeries, block: PriceBlock, source: str) -> None:
    one = PriceSeries(
        series.market, series.node, series.product, series.interval_s, series.currency, (block,)
    )
    for part in blocks_of(one, source):
        once(book.door, RecordPrices(part), GATEWAY)


def hours_of(day: date) -> Interval:
    return Interval(local(day, "00:00"), local(day + _DAY, "00:00"))
