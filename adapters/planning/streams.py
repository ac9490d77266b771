"""Which markets a plan trades on: those that the unit trades, that pay what is forecast, and whose gate is
open yet; and of each of the others why it is left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from adapters.integrity import proven_events
from adapters.integrity.registered_rows import Read, check_read
from adapters.mapper import EnvelopeMapper
from adapters.planning.matrix import NO_MATRIX, Matrix, matrix_of, policy_of
from adapters.planning.portfolio import Horizon, Portfolio, day_of
from adapters.planning.price_subject import forecast_command, points_of, subject_at
from adapters.planning.regulation_stream import RegulationTerms, open_product, regulation_terms
from adapters.planning.resampled import resampled
from adapters.postgres.database import Connection
from adapters.queries import registered
from adapters.queries.market_gates import market_on
from adapters.queries.registered import Recorded
from dispatch.forecasts.forecast import Subject
from dispatch.forecasts.issued import ForecastIssued
from dispatch.optimiser.site import PlanStream
from dispatch.plan_check import Whole
from ledger.exclusivity.policy import Policy
from ledger.refusal import Refused
from ledger.site import Site
from ledger.tariff import Tariff
from trading.product import Market

_MAPPER: Final = EnvelopeMapper()
_UNPRICED: Final = {
    "demand_response": "which intervals are called is not known before the call; what is called is bound by"
    " its bid",
    "capacity": "it pays for being there, which no setpoint changes",
}


class SpotPrices(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """Millionths of money per kWh and interval, at which up to `most_w` net may be sold, or bought; by which
    sites."""

    price_micro: Whole
    most_w: int
    sites: frozenset[str]


class Streams(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """`used` and `left_out` are said in the plan; `rests_on` names the forecasts, rules and facts.

    `matrix` is what settlement will let stand beside each other at the sites that trade.
    """

    spot: SpotPrices | None = None
    regulation: RegulationTerms | None = None
    matrix: Matrix = NO_MATRIX
    used: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    rests_on: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Whether the plan trades at all."""
        return self.spot is not None or self.regulation is not None


class FreeSite(NamedTuple):
    """A site that the desk bound nothing of; `policy` is the exclusivity policy that it settles under."""

    site: Site
    tariff: Tariff
    barred: frozenset[PlanStream]
    policy: str


class StreamsAsked(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """`now` is the plan's own."""

    portfolio: Portfolio
    horizon: Horizon
    sites: Sequence[FreeSite]
    now: datetime


class _Used(NamedTuple):
    """A stream that is used, in words, and what it rests on."""

    says: str
    rests_on: tuple[str, ...]


def streams_of(connection: Connection, position: int, asked: StreamsAsked) -> Streams:
    """The unit's streams; none of a site that is planned by itself.

    Raises:
        Discontinuity: a forecast, a rule or a fact that is read is not what was recorded.
    """
    unit = asked.portfolio.unit
    if unit is None:
        return Streams()
    left: list[str] = []
    used: list[_Used] = []
    spot: SpotPrices | None = None
    regulation: RegulationTerms | None = None
    free = _Free(connection, position, asked.sites)
    of_all = f"of {len(asked.portfolio.sites)} sites"
    for stream in unit.streams:
        if stream in _UNPRICED:
            left.append(f"{stream}: {_UNPRICED[stream]}")
            continue
        try:
            market, _ = market_on(connection, position, unit.market, day_of(unit.zone, asked.horizon.start))
            there = free.of(market, "spot" if stream == "spot" else "ancillary")
            capability = {m.site: m.capability_w for m in unit.members if m.stands_at(asked.horizon.start)}
            trading = {one.site.id: capability[one.site.id] for one in there}
            if stream == "spot":
                spot, source = _spot(connection, position, asked, market, there, trading)
                used.append(_Used(f"spot: {len(spot.sites)} {of_all}, at the prices of {source}", (source,)))
            else:
                paid = regulation_terms(connection, position, market, asked.horizon, trading, asked.now)
                regulation = paid.terms
                used.append(_Used(f"regulation: {len(trading)} {of_all}, {paid.says}", paid.rests_on))
        except Refused as refused:
            left.append(f"{stream}: {refused.reason} ({refused.code})")
    names = set() if spot is None else set(spot.sites)
    names |= set() if regulation is None else set(regulation.site_w)
    matrix = matrix_of(free.policies(names))
    return Streams(
        spot=spot,
        regulation=regulation,
        matrix=matrix,
        used=tuple(one.says for one in used),
        left_out=tuple(left),
        rests_on=tuple(dict.fromkeys((*matrix.rests_on, *(name for one in used for name in one.rests_on)))),
    )


class _Free:
    """The sites that may trade: those whose contract does not forbid it, and whose matrix is known."""

    def __init__(self, connection: Connection, position: int, sites: Sequence[FreeSite]) -> None:
        self._sites = {one.site.id: one for one in sites}
        self._policies = registered.load(connection, "exclusivity", Policy, position)
        names = frozenset(f"exclusivity.{name}" for name in self._policies.versions)
        check_read(connection, Read(names, frozenset()), position)

    def of(self, market: Market, stream: PlanStream) -> list[FreeSite]:
        """Raises:
        Refused: `unit_stream` where no site may; `exclusivity_missing` where no matrix of theirs is known;
            `currency`."""
        there = [one for one in self._sites.values() if stream not in one.barred]
        if not there:
            raise Refused("unit_stream", "no site is free whose contract allows it", place=stream)
        known = [one for one in there if one.policy in self._policies.versions]
        if not known:
            policy_of(self._policies, there[0].policy)
        currencies = {one.tariff.currency for one in known} | {market.currency}
        if len(currencies) != 1:
            wrong = f"tariffs and market are in {', '.join(sorted(currencies))}"
            raise Refused("currency", wrong, place=stream)
        return known

    def policies(self, names: Iterable[str]) -> list[tuple[str, Recorded[Policy]]]:
        return [(name, policy_of(self._policies, self._sites[name].policy)) for name in sorted(names)]


def _spot(
    connection: Connection,
    position: int,
    asked: StreamsAsked,
    market: Market,
    free: Sequence[FreeSite],
    capability_w: Mapping[str, int],
) -> tuple[SpotPrices, str]:
    energy = [one for one in market.products if (one.kind, one.stage) == ("energy", "day_ahead")]
    product = open_product(market, energy, asked.horizon, asked.now)
    points = points_of((one.site for one in free), market.id)
    if not points:
        wrong = f"no site is free whose energy is priced at a node of {market.id}: state its market_point"
        raise Refused("market_point", wrong, place="spot")
    if len(points) != 1:
        wrong = f"its sites are priced at several nodes: {', '.join(point.node for point in points)}"
        raise Refused("market_point", wrong, place="spot")
    there = [one.site for one in free if one.site.market_point == points[0]]
    subject = subject_at(points[0], product)
    prices, source = _forecast(connection, position, subject, asked.horizon)
    most = sum(capability_w[site.id] for site in there)
    if product.quantity_max_w is not None:
        most = min(most, product.quantity_max_w)
    return SpotPrices(price_micro=prices, most_w=most, sites=frozenset(site.id for site in there)), source


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
    command = forecast_command(connection, position, subject.name, horizon.start, horizon.end)
    wrong = f"no forecast of {subject.name} covers the horizon: {command}"
    raise Refused("forecast_missing", wrong, place="spot")
