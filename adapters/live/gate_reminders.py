"""Gates that open or close soon, told by the clock: they are no facts, so they have no sequence.

A reminder is told once, to who listens then; the gates themselves are answered by the API at any time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

from adapters.live.message import SPECVERSION, GateMoment, GateNews, LiveMessage, source_of
from adapters.queries.registered import Register
from ledger.interval import zone_of
from ledger.refusal import Refused
from trading.moment import IntervalMoment, Moment
from trading.product import Market, Product

MINUTES: Final = (60, 15, 5, 0)
"""How long before the moment it is told; 0 as it comes."""
AHEAD: Final = timedelta(hours=6)
"""For how long moments are reckoned at once."""

_log = logging.getLogger("wattledger.live")


class GateMomentAt(NamedTuple):
    """A gate's opening or closing; `interval` is the first it is for, where each has its own gate."""

    at: datetime
    market: str
    product: str
    day: date
    moment: GateMoment
    interval: int | None


class GateReminders:
    """Of the markets it was given, between any two looks at the clock."""

    def __init__(self, book: str, markets: Register[Market], since: datetime) -> None:
        self._book = book
        self._markets = markets
        self._told_until = since
        self._until = since
        self._moments: list[GateMomentAt] = []

    def due(self, now: datetime) -> list[LiveMessage]:
        """What came due since the last look, in order; nothing when the clock was turned back."""
        if now <= self._told_until:
            return []
        if now > self._until - timedelta(minutes=max(MINUTES)):
            self._until = now + AHEAD
            self._moments = moments(self._markets, self._told_until, self._until)
        found = [
            (due, one, minutes)
            for one in self._moments
            for minutes in MINUTES
            if self._told_until < (due := one.at - timedelta(minutes=minutes)) <= now
        ]
        self._told_until = now
        return [_message(self._book, due, one, minutes) for due, one, minutes in sorted(found, key=_order)]


def _order(one: tuple[datetime, GateMomentAt, int]) -> tuple[datetime, str, str, date, str, int]:
    due, gate, _ = one
    return due, gate.market, gate.product, gate.day, gate.moment, gate.interval or 0


def _message(book: str, due: datetime, one: GateMomentAt, minutes: int) -> LiveMessage:
    part = "" if one.interval is None else f":{one.interval}"
    name = f"{one.market}:{one.product}:{one.day}{part}"
    return LiveMessage(
        specversion=SPECVERSION,
        id=f"{book}:gate:{name}:{one.moment}:{minutes}",
        source=source_of(book),
        type=f"gate.{one.moment}.v1",
        subject=f"market.{one.market}",
        time=due,
        market=one.market,
        data=GateNews(
            product=one.product,
            day=one.day,
            moment=one.moment,
            at=one.at,
            minutes=minutes,
            interval=one.interval,
        ),
    )


def moments(markets: Register[Market], start: datetime, end: datetime) -> list[GateMomentAt]:
    """The openings and closings in (start, end], in order, by the rules in force as the delivery day begins.

    A day whose calendar is not known yet has none to tell, and the log says so.
    """
    found = [
        one
        for name, versions in markets.versions.items()
        for version in versions
        for product in version.document.products
        for one in _of_product(version.document, product, start, end)
        if start < one.at <= end and markets.at(name, version.document.start_of(one.day)) is version
    ]
    return sorted(found, key=lambda one: (one.at, one.market, one.product, one.day))


def _of_product(market: Market, product: Product, start: datetime, end: datetime) -> Iterator[GateMomentAt]:
    named: tuple[tuple[GateMoment, Moment], ...] = (
        ("opens", product.gate_opens),
        ("closes", product.gate_closes),
    )
    for name, moment in named:
        for day in _days(market, moment, start, end):
            try:
                if not market.delivers(product, day):
                    continue
                yield from _of_day(market, product, day, name, moment)
            except Refused as refused:
                _log.warning("no gate of %s %s on %s: %s", market.id, product.id, day, refused)


def _of_day(
    market: Market, product: Product, day: date, name: GateMoment, moment: Moment
) -> Iterator[GateMomentAt]:
    if isinstance(moment, IntervalMoment):
        for number in range(market.intervals(product, day)):
            at = market.moment(moment, product, day, number)
            yield GateMomentAt(at, market.id, product.id, day, name, number)
    else:
        yield GateMomentAt(market.moment(moment, product, day), market.id, product.id, day, name, None)


def _days(market: Market, moment: Moment, start: datetime, end: datetime) -> Iterator[date]:
    """The delivery days whose moment may lie between: a few more than needed, the instant decides."""
    zone = zone_of(market.zone)
    first, last = start.astimezone(zone).date(), end.astimezone(zone).date()
    if isinstance(moment, IntervalMoment):
        days = abs(moment.minutes_before) // (24 * 60) + 1
        low, high = -days, days
    else:
        low = high = moment.days_before
        if moment.working_days:
            low, high = (2 * low - 20, high) if low < 0 else (low, 2 * high + 20)
    day = first + timedelta(days=low - 1)
    while day <= last + timedelta(days=high + 1):
        yield day
        day += timedelta(days=1)
