"""A market's gates for a delivery day, by the rules that hold on it, as of a sequence number."""

from __future__ import annotations

from datetime import date

import msgspec

from adapters.postgres.database import Connection
from adapters.queries import registered
from adapters.queries.as_of import position_at
from ledger.interval import Instant
from ledger.refusal import Refused
from trading.bid_life import Draft
from trading.gate import first_of, gate_of
from trading.moment import IntervalMoment
from trading.product import Direction, Kind, Market, PriceUnit, Product


class ProductGate(msgspec.Struct, frozen=True):
    """A product's day: whether it is delivered then, how many intervals it has, and its times in UTC.

    A bid is decided between `opens` and `closes`, and not within `margin_s` of either. `by_interval`: the
    gate follows the first interval that is bid for; the times are those of interval `first`, from 0: the
    first one from that asked for on that can be bid for.
    """

    product: str
    title: str
    kind: Kind
    direction: Direction
    delivers: bool
    intervals: int
    interval_s: int
    price_unit: PriceUnit
    price_floor: str
    price_cap: str
    price_tick: str
    opens: Instant
    closes: Instant
    margin_s: int
    published: Instant
    by_interval: bool
    first: int


class DayGates(msgspec.Struct, frozen=True):
    """`version` is that of the market's rules in force as the day begins, at `starts`."""

    position: int
    market: str
    version: int
    day: date
    zone: str
    currency: str
    starts: Instant
    gates: tuple[ProductGate, ...]


def day_gates(connection: Connection, position: int, name: str, day: date, first: int = 0) -> DayGates:
    """The gates of all products of a market; `first` is the interval, from 0, that a bid would begin with.

    Raises:
        Refused: `unknown_market`, `market_gap`, `delivery_day`, `calendar_year`; `bid_intervals` for a first
            interval that a product's day does not have.
    """
    found, version = market_on(connection, position, name, day)
    gates = tuple(_gate(found, product, day, first) for product in found.products)
    return DayGates(position, name, version, day, found.zone, found.currency, found.start_of(day), gates)


def market_on(connection: Connection, position: int, name: str, day: date) -> tuple[Market, int]:
    """The market's rules in force as a delivery day begins, and their version.

    Raises:
        Refused: `unknown_market`, `market_gap`, `delivery_day`.
    """
    register = registered.load(connection, "market", Market, position)
    versions = register.versions.get(name)
    if versions is None:
        raise Refused("unknown_market", f"no market {name!r} is registered", place="name")
    start = versions[-1].document.start_of(day)
    held = registered.last_holding(versions, start)
    if held is None:
        raise Refused("market_gap", f"no rules of market {name} are in force at {start}", place="day")
    return held.document, held.version


def rules_of(connection: Connection, position: int, draft: Draft) -> tuple[Market, Product]:
    """The rules by which a bid was written: those that were known then, whatever was published since."""
    written = position_at(connection, draft.at, position)
    market, _ = market_on(connection, written, draft.bid.market, draft.bid.day)
    return market, market.product(draft.bid.product)


def _gate(market: Market, product: Product, day: date, first: int) -> ProductGate:
    count = market.intervals(product, day)
    if first >= count:
        raise Refused("bid_intervals", f"{day} has {count} intervals of {product.id}", place="first")
    first = first_of(market, product, day, first)
    gate = gate_of(market, product, day, first)
    moments = (product.gate_opens, product.gate_closes, product.published)
    return ProductGate(
        product=product.id,
        title=product.title,
        kind=product.kind,
        direction=product.direction,
        delivers=market.delivers(product, day),
        intervals=count,
        interval_s=product.interval_s,
        price_unit=product.price_unit,
        price_floor=product.price_floor,
        price_cap=product.price_cap,
        price_tick=product.price_tick,
        opens=gate.opens,
        closes=gate.closes,
        margin_s=gate.margin_s,
        published=market.moment(product.published, product, day, first),
        by_interval=any(isinstance(one, IntervalMoment) for one in moments),
        first=first,
    )
