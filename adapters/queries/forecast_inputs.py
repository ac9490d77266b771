"""What a forecast is made of, read from the book as of a sequence number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

import numpy as np

from adapters.founded import book_at
from adapters.integrity.registered_rows import Read, check_read
from adapters.postgres.database import Connection
from adapters.queries import meter_month, registered
from adapters.queries.as_of import recorded_at_max
from adapters.queries.meter_month import MISSING, Key
from adapters.queries.price_series import series
from dispatch.forecasts.cold_start import DAYS as COLD_DAYS
from dispatch.forecasts.earnings import earnings
from dispatch.forecasts.forecast import Subject
from dispatch.forecasts.known import Known
from dispatch.forecasts.request import ForecastRequest, PeerHistory
from ledger.calendars import Calendar, calendar_in
from ledger.demand import ContractDemand, DemandTerms
from ledger.interval import Interval, midnight, zone_of
from ledger.market_price import PriceSeries, Product
from ledger.meter import Meter
from ledger.readings import Register
from ledger.refusal import Refused
from ledger.site import Site
from trading.product import Market

_PRICE_DAYS: Final = 760
_METER_DAYS: Final = 400
_PEERS_MAX: Final = 20
_MICRO: Final = 1_000_000
_PRODUCTS: Final[dict[str, Product]] = {"day_ahead": "day_ahead", "real_time": "real_time"}


class Wanted(NamedTuple):
    """Whole local days from `first_day` on, as of a sequence number and the instant of issue."""

    subject: Subject
    first_day: date
    days: int
    position: int
    issued_at: datetime


def forecast_request(connection: Connection, book: str, wanted: Wanted) -> ForecastRequest:
    """History, peers and calendar of a subject; everything is known since the position's own instant.

    Raises:
        Refused: `unknown_site`, `price_missing`, `price_interval`, `product`, `meter_layout` for a site
            without the meters that tell the quantity, `forecast_market` for revenue without a market point.
        Discontinuity: a row that is read was changed.
    """
    inner = _Inputs(connection, book, wanted)
    match wanted.subject.quantity:
        case "price":
            return inner.price()
        case "revenue":
            return inner.revenue()
        case "load" | "pv":
            return inner.metered()


class _Inputs:
    def __init__(self, connection: Connection, book: str, wanted: Wanted) -> None:
        self._connection, self._book, self._wanted = connection, book, wanted
        self._known_at = int(recorded_at_max(connection, wanted.position).timestamp())

    def price(self) -> ForecastRequest:
        market, node, product = self._wanted.subject.name.split(":")
        calendar = self._calendar_of(market)
        found = self._prices(market, node, product, calendar)
        return self._request(_money(found, self._known_at), calendar, currency=found.currency)

    def revenue(self) -> ForecastRequest:
        site = self._site(self._wanted.subject.name)
        point = site.market_point
        if point is None:
            wrong = f"site {site.id} names no market point, whose prices its storage could earn from"
            raise Refused("forecast_market", wrong, place="subject")
        calendar = calendar_in(site.zone)
        found = self._prices(point.market, point.node, "day_ahead", calendar)
        price = _money(found, self._known_at)
        table = price.table(calendar.zone)
        lead = max((self._wanted.first_day - table.last_whole).days, 1)
        power, energy = site.storage_power_w / 1000, site.storage_energy_wh / 1000
        earned = earnings(price, self._wanted.issued_at, calendar, lead, power_kw=power, energy_kwh=energy)
        return self._request(earned, calendar, currency=found.currency)

    def metered(self) -> ForecastRequest:
        site = self._site(self._wanted.subject.name)
        meters = self._meters()
        own = self._power(site, meters.get(site.id, ()))
        calendar = calendar_in(site.zone)
        peers: tuple[PeerHistory, ...] = ()
        if len(own.start) < COLD_DAYS * 86_400 // own.interval_s:
            peers = tuple(self._peers(site, meters, own.interval_s))
        capacity = self._capacity(site, meters.get(site.id, ()))
        return self._request(own, calendar, peers=peers, capacity_w=capacity)

    def _request(
        self,
        history: Known,
        calendar: Calendar,
        *,
        currency: str = "",
        peers: tuple[PeerHistory, ...] = (),
        capacity_w: float = 0.0,
    ) -> ForecastRequest:
        asked = self._wanted
        return ForecastRequest(
            subject=asked.subject,
            history=history,
            calendar=calendar,
            issued_at=asked.issued_at,
            first_day=asked.first_day,
            days=asked.days,
            trained_through=asked.position,
            currency=currency,
            peers=peers,
            capacity_w=capacity_w,
        )

    def _prices(self, market: str, node: str, product: str, calendar: Calendar) -> PriceSeries:
        if product not in _PRODUCTS:
            raise Refused("product", f"{product!r} is not one of {', '.join(_PRODUCTS)}", place="subject")
        found, sources = series(
            self._connection,
            self._wanted.position,
            market=market,
            node=node,
            product=_PRODUCTS[product],
            interval=self._interval(calendar.zone, _PRICE_DAYS),
        )
        events = frozenset(first for first, _ in sources)
        check_read(self._connection, Read(frozenset(), events), self._wanted.position)
        return found

    def _interval(self, zone: str, days: int) -> Interval:
        first = self._wanted.first_day
        begin, end = first - timedelta(days=days), first + timedelta(days=self._wanted.days)
        at = zone_of(zone)
        return Interval(midnight(begin, at).astimezone(UTC), midnight(end, at).astimezone(UTC))

    def _calendar_of(self, market: str) -> Calendar:
        """That of the market's zone; of the book's, where the market's products are not published."""
        position = self._wanted.position
        known = registered.load(self._connection, "market", Market, position, market).versions.get(market)
        zone = known[-1].document.zone if known else book_at(self._connection, position).zone
        return calendar_in(zone)

    def _site(self, name: str) -> Site:
        position = self._wanted.position
        known = registered.load(self._connection, "site", Site, position, name).versions.get(name)
        if known is None:
            raise Refused("unknown_site", f"no site {name!r} is registered", place="subject")
        check_read(self._connection, Read(frozenset({f"site.{name}"}), frozenset()), position)
        return known[-1].document

    def _meters(self) -> dict[str, list[Meter]]:
        found: dict[str, list[Meter]] = {}
        every = registered.load(self._connection, "meter", Meter, self._wanted.position).versions
        for versions in every.values():
            found.setdefault(versions[-1].document.site, []).append(versions[-1].document)
        return found

    def _power(self, site: Site, meters: Sequence[Meter]) -> Known:
        """Mean power in W of each interval that every meter of the quantity has read."""
        signs = signs_of(site, meters, self._wanted.subject.quantity)
        interval_s = _length(site, meters, signs)
        rows = frozenset({f"site.{site.id}", *(f"meter.{name}" for name, _ in signs)})
        check_read(self._connection, Read(rows, frozenset()), self._wanted.position)
        interval = self._interval(site.zone, _METER_DAYS)
        month = meter_month.load(
            self._connection, self._book, list(signs), interval, interval_s, self._wanted.position
        )
        read = (month.wh != MISSING).all(axis=0)
        total = np.array(list(signs.values()), dtype=np.int64) @ month.wh
        start = int(interval.start.timestamp()) + interval_s * np.arange(len(read), dtype=np.int64)
        return Known(
            interval_s=interval_s,
            start=start[read],
            value=total[read] * 3600.0 / interval_s,
            known_at=np.full(int(read.sum()), self._known_at, dtype=np.int64),
        )

    def _capacity(self, site: Site, meters: Sequence[Meter]) -> float:
        """W contracted: declared demand or transformer; of PV what its meters can measure; 0 if neither."""
        if self._wanted.subject.quantity == "pv":
            return float(sum(meter.power_w_max for meter in meters if meter.position == "pv"))
        account = site.account
        terms = [account.demand, *(feeder.demand for feeder in account.feeders)]
        return float(sum(_contracted(one) for one in terms if one is not None))

    def _peers(self, site: Site, meters: dict[str, list[Meter]], interval_s: int) -> Iterator[PeerHistory]:
        """Sites with the same zone, meters of the same interval and a contracted power, by id."""
        found = 0
        sites = registered.load(self._connection, "site", Site, self._wanted.position).versions
        for name, every in sorted(sites.items()):
            other = every[-1].document
            capacity = self._capacity(other, meters.get(name, ()))
            if name == site.id or other.zone != site.zone or capacity <= 0 or found == _PEERS_MAX:
                continue
            signs = signs_of(other, meters.get(name, ()), self._wanted.subject.quantity, needed=False)
            if _lengths(meters.get(name, ()), signs) == {interval_s}:
                history = self._power(other, meters[name])
                if len(history.start):
                    found += 1
                    yield PeerHistory(name, history, capacity)


def signs_of(site: Site, meters: Sequence[Meter], quantity: str, *, needed: bool = True) -> dict[Key, int]:
    """The registers that make the quantity up, and whether each adds or takes away.

    Raises:
        Refused: `meter_layout` where it is `needed` and no meter tells it.
    """
    load: dict[Register, int] = {"load": 1}
    behind: dict[Register, int] = {"import": 1, "export": -1, "discharge": 1, "charge": -1, "pv": 1}
    wanted: dict[Register, int] = {"pv": 1}
    if quantity == "load":
        wanted = load if any(meter.position == "load" for meter in meters) else behind
        if wanted is behind and not any(meter.position == "grid" for meter in meters):
            wanted = {}
    found = {
        (meter.id, register): wanted[register]
        for meter in meters
        for register in meter.registers
        if register in wanted
    }
    if needed and not found:
        raise Refused("meter_layout", f"no meter tells the {quantity} of site {site.id}", place="subject")
    return found


def _length(site: Site, meters: Sequence[Meter], signs: dict[Key, int]) -> int:
    lengths = _lengths(meters, signs)
    if len(lengths) != 1:
        wrong = f"its meters read every {sorted(lengths)} s; one length is needed"
        raise Refused("meter_layout", wrong, place=f"site {site.id}")
    return lengths.pop()


def _lengths(meters: Sequence[Meter], signs: dict[Key, int]) -> set[int]:
    named = {name for name, _ in signs}
    return {meter.interval_s for meter in meters if meter.id in named}


def _contracted(terms: DemandTerms) -> int:
    if isinstance(terms, ContractDemand):
        return terms.contract_w
    return terms.capacity_va or 0


def _money(found: PriceSeries, known_at: int) -> Known:
    """Millionths of the currency per kWh."""
    starts, values = [], []
    for block in found.blocks:
        count = len(block.mantissas)
        starts.append(int(block.start.timestamp()) + found.interval_s * np.arange(count, dtype=np.int64))
        values.append(block.mantissas * (_MICRO / 10.0**block.scale))
    start = np.concatenate(starts)
    return Known(
        interval_s=found.interval_s,
        start=start,
        value=np.concatenate(values).astype(np.float64),
        known_at=np.full(len(start), known_at, dtype=np.int64),
    )
