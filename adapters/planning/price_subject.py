"""Under which name the price that a bid is cleared at is told and forecast.

What is cleared is the product's to say (its kind and stage), where it is cleared the sites': each names the
market and node at which its energy is priced, and settles there. So a market of prices may have another name
than the market that is bid at.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from adapters.founded import book_at
from adapters.planning.portfolio import day_of
from adapters.postgres.database import Connection
from adapters.queries import registered
from dispatch.forecasts.forecast import Subject
from ledger.market_price import Product as PriceKind
from ledger.refusal import Refused
from ledger.site import MarketPoint, Site
from ledger.trading_unit import TradingUnit
from trading.product import Market, Product, Stage

_KIND: Final[dict[Stage, PriceKind]] = {"day_ahead": "day_ahead", "real_time": "real_time"}


def price_kind(product: Product) -> PriceKind:
    """The series of prices that an energy product is cleared at.

    Raises:
        Refused: `proposal_product` for what is no energy, or is cleared between day-ahead and real time.
    """
    if product.kind != "energy" or product.stage not in _KIND:
        wrong = f"an energy product of {' or '.join(_KIND)}: others are offered by hand"
        raise Refused("proposal_product", wrong, place="product")
    return _KIND[product.stage]


def points_of(sites: Iterable[Site], market: str) -> tuple[MarketPoint, ...]:
    """Where sites that trade at a market are priced: at its own nodes, else at those of another name."""
    stated = {site.market_point for site in sites if site.market_point is not None}
    own = {point for point in stated if point.market == market}
    return tuple(sorted(own or stated, key=lambda point: (point.market, point.node)))


def points_of_unit(
    connection: Connection, position: int, unit: str, market: str, instant: datetime
) -> tuple[MarketPoint, ...]:
    """Those of the unit's sites; none where no site states its own."""
    known = registered.load(connection, "trading_unit", TradingUnit, position, unit).at(unit, instant)
    members = () if known is None else known.document.members
    sites = registered.load(connection, "site", Site, position)
    held = (sites.at(member.site, instant) for member in members if member.stands_at(instant))
    return points_of((one.document for one in held if one is not None), market)


def subject_at(point: MarketPoint, product: Product) -> Subject:
    """What is forecast of a product's price there.

    Raises:
        Refused: as `price_kind`.
    """
    return Subject("price", f"{point.market}:{point.node}:{price_kind(product)}")


def forecast_command(
    connection: Connection, position: int, subject: str, start: datetime, end: datetime
) -> str:
    """What to type for a forecast of a price (market, node and kind) that covers a time: whole days of its
    market, or of the book where that market's products are not published."""
    market = subject.partition(":")[0]
    known = registered.load(connection, "market", Market, position, market).versions.get(market)
    zone = known[-1].document.zone if known else book_at(connection, position).zone
    first, last = day_of(zone, start), day_of(zone, end - timedelta(seconds=1))
    days = (last - first).days + 1
    return f"wattledger forecast price:{subject} {first}" + (f" --days {days}" if days > 1 else "")
