"""Which markets a plan trades on: those that the unit trades, that pay what is forecast, and whose gate is
open yet; and of each of the others why it is left out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from adapters.integrity import proven_events
from adapters.mapper import EnvelopeMapper
from adapters.planning.portfolio import Horizon, Portfolio, day_of
from adapters.planning.site_power import resampled
from adapters.postgres.database import Connection
from adapters.queries.market_gates import market_on
from dispatch.forecasts.forecast import Subject
from dispatch.forecasts.issued import ForecastIssued
from dispatch.plan_check import Whole
from ledger.refusal import Refused
from ledger.site import Site
from ledger.tariff import Tariff
from ledger.trading_unit import TradingUnit
from trading.gate import gate_of
from trading.product import Market, Product

_MAPPER: Final = EnvelopeMapper()
_UNPRICED: Final = {
    "demand_response": "what a call will pay is not forecast; what is called is bound by its bid",
    "regulation": "its prices are not forecast; what is awarded is bound by its bid",
    "capacity": "it pays for being there, which no setpoint changes",
}


class SpotPrices(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """Millionths of money per kWh and interval, at which up to `most_w` net may be sold, or bought; by which
    sites."""

    price_micro: Whole
    most_w: int
    sites: frozenset[str]


class Streams(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """`used` and `left_out` are said in the plan; `rests_on` is the forecast's name and version."""

    spot: SpotPrices | None = None
    used: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    rests_on: tuple[str, ...] = ()


class StreamsAsked(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """`sites` are those that the desk bound nothing of, each with its tariff. `now` is the plan's own."""

    portfolio: Portfolio
    horizon: Horizon
    sites: Sequence[tuple[Site, Tariff]]
    now: datetime


def streams_of(connection: Connection, position: int, asked: StreamsAsked) -> Streams:
    """The unit's streams; none of a site that is planned by itself.

    Raises:
        Discontinuity: a forecast that is read is not what was recorded.
    """
    unit = asked.portfolio.unit
    if unit is None:
        return Streams()
    left = [f"{stream}: {_UNPRICED[stream]}" for stream in unit.streams if stream != "spot"]
    if "spot" not in unit.streams:
        return Streams(left_out=tuple(left))
    try:
        spot, source = _spot(connection, position, asked, unit)
    except Refused as refused:
        return Streams(left_out=(f"spot: {refused.reason} ({refused.code})", *left))
    sites = f"{len(spot.sites)} of {len(asked.portfolio.sites)} sites"
    return Streams(
        spot=spot,
        used=(f"spot: {sites}, at the prices of {source}",),
        left_out=tuple(left),
        rests_on=(source,),
    )


def _spot(
    connection: Connection, position: int, asked: StreamsAsked, unit: TradingUnit
) -> tuple[SpotPrices, str]:
    market, _ = market_on(connection, position, unit.market, day_of(unit.zone, asked.horizon.start))
    product = _open_product(market, asked)
    there = [(site, tariff) for site, tariff in asked.sites if _priced_at(site) == unit.market]
    if not there:
        wrong = f"no site is free whose energy is priced at a node of {unit.market}"
        raise Refused("market_point", wrong, place="spot")
    nodes = {site.market_point.node for site, _ in there if site.market_point is not None}
    if len(nodes) != 1:
        wrong = f"its sites are priced at several nodes: {', '.join(sorted(nodes))}"
        raise Refused("market_point", wrong, place="spot")
    (node,) = nodes
    currencies = {tariff.currency for _, tariff in there} | {market.currency}
    if len(currencies) != 1:
        raise Refused("currency", f"tariffs and market are in {', '.join(sorted(currencies))}", place="spot")
    subject = Subject("price", f"{unit.market}:{node}:{product.id}")
    prices, source = _forecast(connection, position, subject, asked.horizon)
    capability = {member.site: member.capability_w for member in unit.members}
    most = sum(capability[site.id] for site, _ in there)
    if product.quantity_max_w is not None:
        most = min(most, product.quantity_max_w)
    return SpotPrices(price_micro=prices, most_w=most, sites=frozenset(site.id for site, _ in there)), source


def _priced_at(site: Site) -> str:
    return "" if site.market_point is None else site.market_point.market


def _open_product(market: Market, asked: StreamsAsked) -> Product:
    """The day-ahead energy product whose gate for the horizon's day is open yet.

    Raises:
        Refused: `unknown_product`, `gate_closed`."""
    day = day_of(market.zone, asked.horizon.start)
    products = [one for one in market.products if (one.kind, one.stage) == ("energy", "day_ahead")]
    if not products:
        raise Refused("unknown_product", f"{market.id} trades no energy day-ahead", place="spot")
    product = products[0]
    if asked.now >= gate_of(market, product, day, 0).closes:
        wrong = f"the gate of {product.id} for {day} is closed: what was bid is bound, and nothing besides"
        raise Refused("gate_closed", wrong, place="spot")
    return product


def _forecast(connection: Connection, position: int, subject: Subject, horizon: Horizon) -> tuple[Whole, str]:
    rows = connection.execute(
        "SELECT from_seq FROM ledger.registered WHERE kind = 'forecast' AND id = %s AND from_seq <= %s"
        " AND effective_from <= %s AND effective_to >= %s ORDER BY from_seq DESC LIMIT 1",
        [subject.id, position, horizon.start, horizon.end],
    ).fetchall()
    for proven in proven_events.at(connection, [row[0] for row in rows]):
        for event in _MAPPER.to_envelope(proven.header.topic, proven.state).events:
            assert isinstance(event, ForecastIssued), "a forecast is issued by itself"
            told, there = resampled(event.forecast, horizon)
            if there.all():
                return told, f"forecast.{subject.id} v{proven.header.version}"
    wrong = f"no forecast of {subject.name} covers the horizon: wattledger forecast price:{subject.name} DAY"
    raise Refused("forecast_missing", wrong, place="spot")
