"""What is known of a trading unit's delivery days: bids, clearings, meters, prices, settled lines, as of a
sequence number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from functools import cached_property
from typing import Final, NamedTuple

import msgspec
import numpy as np

from adapters.postgres.database import Connection
from adapters.queries import bids, meter_month, registered, statements, unit_facts
from adapters.queries.bids import BidFilter
from adapters.queries.kept import kept
from adapters.queries.meter_month import MISSING, Key
from adapters.queries.price_series import series
from adapters.queries.registered import Register, last_holding
from ledger.effective import History
from ledger.interval import Interval, Month, interval_starts, midnight, zone_of
from ledger.market_price import Product as PriceProduct
from ledger.meter import Meter
from ledger.refusal import Refused
from ledger.settlement.result import Result
from ledger.site import MarketPoint, Site
from ledger.trading_unit import TradingUnit, members_during
from trading.bid_life import BidState
from trading.clearing import Clearing
from trading.envelope import SLOT_S, UnitEnvelope
from trading.position import Metered, Stand
from trading.product import Market

DAYS_MAX: Final = 62
_SPOT: Final = "spot"
_decode_clearing: Final = msgspec.json.Decoder(Clearing).decode


class UnitDay(NamedTuple):
    """One delivery day; `settled` is what the ledger's spot lines of all members say of it, None before."""

    day: date
    start: datetime
    stands: tuple[Stand, ...]
    metered: Metered
    settled: Fraction | None


class UnitDays:
    """One unit's days, read in one transaction."""

    def __init__(self, connection: Connection, book: str, position: int, unit: str) -> None:
        """Raises:
        Refused: `unknown_trading_unit`."""
        self._connection, self._book, self._position = connection, book, position
        known = unit_facts.units(connection, position)
        if unit not in known:
            raise Refused("unknown_trading_unit", f"no trading_unit {unit!r} is registered", place="unit")
        self._history: History[TradingUnit] = known[unit].history
        self._unit = unit
        self._results: dict[tuple[str, str], list[Result]] = {}

    @property
    def zone(self) -> str:
        return self._history.latest.document.zone

    def days(self, first: date, last: date) -> list[UnitDay]:
        """The days from `first` up to and with `last`.

        Raises:
            Refused: `position_days`, for none or more than are answered at once; `meter_interval` for a meter
                whose intervals are longer than quarter-hours.
        """
        count = (last - first).days + 1
        if not 1 <= count <= DAYS_MAX:
            raise Refused("position_days", f"1 to {DAYS_MAX} days, first to last", place="last_day")
        return [self._day(first + timedelta(days=number)) for number in range(count)]

    def envelope(self, day: date) -> UnitEnvelope | None:
        """The unit's standing envelope when the day begins."""
        versions = self._envelopes.versions.get(self._unit, ())
        held = last_holding(versions, midnight(day, zone_of(self.zone)))
        return None if held is None else held.document

    def currency(self, market: str, day: date) -> str:
        """In what the market pays."""
        return self._market(market, day).currency

    def last_prices(self, market: str, product: str, day: date) -> tuple[date, tuple[int, ...]] | None:
        """The prices of the last clearing before a day, and its day."""
        found = self._connection.execute(
            "SELECT document::text FROM ledger.registered WHERE kind = 'clearing' AND from_seq <= %(at)s"
            " AND (to_seq IS NULL OR to_seq > %(at)s) AND document->>'market' = %(market)s"
            " AND document->>'product' = %(product)s AND document->>'day' < %(day)s"
            " ORDER BY document->>'day' DESC LIMIT 1",
            {"at": self._position, "market": market, "product": product, "day": day.isoformat()},
        ).fetchone()
        if found is None:
            return None
        clearing = kept(_decode_clearing, found[0], "table registered, clearing")
        return clearing.day, clearing.price_u

    # ------------------------------------------------------------------- one day

    def _day(self, day: date) -> UnitDay:
        zone = zone_of(self.zone)
        whole = Interval(midnight(day, zone), midnight(day + timedelta(days=1), zone))
        members = members_during(self._history, whole)
        settled = self._settled(day, members)
        metered = Metered(
            wh=self._metered(whole, members),
            real_time=self._real_time(whole, members),
            settled=settled is not None,
        )
        return UnitDay(day, whole.start, tuple(self._stands(day)), metered, settled)

    def _stands(self, day: date) -> Iterator[Stand]:
        wanted = BidFilter(unit=self._unit, first_day=day, last_day=day)
        for one in bids.bids(self._connection, self._position, wanted):
            standing = one.state.standing
            if standing is None or not _stands(one.state):
                continue
            bid = standing.bid
            product = self._market(bid.market, day).product(bid.product)
            if standing.status != "cleared":
                yield Stand(bid=bid, product=product)
                continue
            price = self._clearing(standing.clearing).price_u
            yield Stand(
                bid=bid,
                product=product,
                awarded_w=standing.awarded_w,
                price_u=price,
                conflict=standing.conflict,
            )

    def _clearing(self, name: str) -> Clearing:
        found = self._connection.execute(
            "SELECT document::text FROM ledger.registered WHERE kind = 'clearing' AND id = %(id)s"
            " AND from_seq <= %(at)s AND (to_seq IS NULL OR to_seq > %(at)s)",
            {"id": name, "at": self._position},
        ).fetchone()
        assert found is not None, "a bid is cleared together with its clearing"
        return kept(_decode_clearing, found[0], "table registered, clearing")

    def _market(self, name: str, day: date) -> Market:
        versions = self._markets.versions[name]
        held = last_holding(versions, versions[-1].document.start_of(day))
        assert held is not None, "a bid was checked against its market's rules of the day"
        return held.document

    def _metered(self, day: Interval, members: Sequence[str]) -> tuple[int | None, ...]:
        """Discharged less charged energy of all members' storages; None where a reading is missing."""
        slots = day.seconds // SLOT_S
        total, missing = np.zeros(slots, dtype=np.int64), np.zeros(slots, dtype=np.bool_)
        lengths: dict[int, list[str]] = {}
        for site in members:
            found = [one for one in self._meters_at(day.start) if one.site == site]
            missing |= not found
            for meter in found:
                lengths.setdefault(meter.interval_s, []).append(meter.id)
        for interval_s, names in lengths.items():
            if SLOT_S % interval_s:
                wrong = f"meter {names[0]} reads every {interval_s} s; positions are of {SLOT_S} s"
                raise Refused("meter_interval", wrong, place=names[0])
            keys: list[Key] = [(name, "charge") for name in names]
            keys += [(name, "discharge") for name in names]
            read = meter_month.load(self._connection, self._book, keys, day, interval_s, self._position)
            wh = read.wh.reshape(len(keys), slots, -1)
            missing |= (wh == MISSING).any(axis=(0, 2))
            sums = np.where(wh == MISSING, 0, wh).sum(axis=2)
            total += sums[len(names) :].sum(axis=0) - sums[: len(names)].sum(axis=0)
        return tuple(None if gone else wh for wh, gone in zip(total.tolist(), missing.tolist(), strict=True))

    def _meters_at(self, instant: datetime) -> list[Meter]:
        held = (self._meters.at(name, instant) for name in self._meters.versions)
        return [one.document for one in held if one is not None and one.document.position == "storage"]

    def _real_time(self, day: Interval, members: Sequence[str]) -> tuple[Fraction | None, ...]:
        """The real-time price at the members' one node (DOMAIN.md 3.5); None where none is known."""
        slots = day.seconds // SLOT_S
        nothing: tuple[Fraction | None, ...] = (None,) * slots
        points = {self._point(site, day.start) for site in members}
        point = points.pop() if len(points) == 1 else None
        if point is None:
            return nothing
        product: PriceProduct = "real_time"
        try:
            found, _ = series(
                self._connection,
                self._position,
                market=point.market,
                node=point.node,
                product=product,
                interval=day,
            )
        except Refused as refused:
            if refused.code != "price_missing":
                raise
            return nothing
        prices: dict[datetime, Fraction] = {}
        for block in found.blocks:
            for number, mantissa in enumerate(block.mantissas.tolist()):
                at = block.start + timedelta(seconds=number * found.interval_s)
                prices[at] = Fraction(mantissa, 10**block.scale)
        return tuple(_mean(prices, start, found.interval_s) for start in interval_starts(day, SLOT_S))

    def _point(self, site: str, instant: datetime) -> MarketPoint | None:
        held = self._sites.at(site, instant)
        return None if held is None else held.document.market_point

    def _settled(self, day: date, members: Sequence[str]) -> Fraction | None:
        """What spot lines say of the day, where there are some for every member."""
        total, seen = Fraction(0), set()
        for result in self._month_results(str(Month.of(day))):
            for line in result.lines:
                if line.kind == "stream" and line.code == _SPOT and line.site in members:
                    seen.add(line.site)
                    total += sum(
                        (Fraction(term.exact) for term in line.basis if term.label == day.isoformat()),
                        Fraction(0),
                    )
        return total if members and seen == set(members) else None

    def _month_results(self, month: str) -> list[Result]:
        """The newest result of every contract of the month."""
        key = (self._unit, month)
        if key not in self._results:
            newest = {
                one.contract: one for one in statements.runs(self._connection, self._position, month=month)
            }
            found = [
                statements.result(self._connection, one.contract, one.month, one.run)
                for one in newest.values()
            ]
            self._results[key] = [one for one in found if one is not None]
        return self._results[key]

    # ------------------------------------------------------------------ registers

    @cached_property
    def _markets(self) -> Register[Market]:
        return registered.load(self._connection, "market", Market, self._position)

    @cached_property
    def _meters(self) -> Register[Meter]:
        return registered.load(self._connection, "meter", Meter, self._position)

    @cached_property
    def _sites(self) -> Register[Site]:
        return registered.load(self._connection, "site", Site, self._position)

    @cached_property
    def _envelopes(self) -> Register[UnitEnvelope]:
        return registered.load(self._connection, "envelope", UnitEnvelope, self._position)


def _stands(state: BidState) -> bool:
    """Whether the bid is live at the market or was cleared."""
    assert state.standing is not None, "what was never submitted is left out before"
    return state.live is not None or state.standing.status == "cleared"


def _mean(prices: Mapping[datetime, Fraction], start: datetime, interval_s: int) -> Fraction | None:
    """The price of a quarter-hour: of the interval that holds it, or the mean of those within it."""
    if interval_s >= SLOT_S:
        begun = (start - timedelta(seconds=back) for back in range(0, interval_s, SLOT_S))
        return next((prices[at] for at in begun if at in prices), None)
    found = [prices.get(start + timedelta(seconds=at)) for at in range(0, SLOT_S, interval_s)]
    if any(one is None for one in found):
        return None
    return sum((one for one in found if one is not None), Fraction(0)) / len(found)
