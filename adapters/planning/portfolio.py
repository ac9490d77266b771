"""What is planned together: a trading unit's sites, or a site by itself."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec
import numpy as np

from adapters.postgres.database import Connection
from adapters.queries import registered
from adapters.queries.registered import Register
from dispatch.plan_check import Whole
from ledger.interval import midnight, zone_of
from ledger.refusal import Refused
from ledger.site import Site
from ledger.trading_unit import TradingUnit

DAYS_MAX: Final = 7
_YEAR_MIN: Final = 1970
_YEAR_END: Final = 9999
_HALF_YEAR: Final = timedelta(days=182)
INTERVAL_S: Final = 900
"""Of a plan, where the sites' demand is not averaged over another length."""


class Portfolio(NamedTuple):
    """`id` is the unit's or the site's; `zone` says which its days are; sites by id."""

    id: str
    zone: str
    sites: tuple[str, ...]
    unit: TradingUnit | None


class Horizon(msgspec.Struct, frozen=True):
    """`count` equal intervals from `start` on."""

    start: datetime
    interval_s: int
    count: int

    @property
    def end(self) -> datetime:
        return self.start + timedelta(seconds=self.interval_s * self.count)

    def at(self, number: int) -> datetime:
        """When the interval of that number begins."""
        return self.start + timedelta(seconds=self.interval_s * number)

    def local(self, zone: str) -> list[datetime]:
        """When the intervals begin there."""
        at = zone_of(zone)
        return [self.at(number).astimezone(at) for number in range(self.count)]

    def cut(self, count: int) -> Horizon:
        return msgspec.structs.replace(self, count=count)


def portfolio_of(connection: Connection, position: int, name: str, instant: datetime) -> Portfolio:
    """The unit of that id with those that are members at `instant`, or the site of that id.

    Raises:
        Refused: `unknown_portfolio`, `portfolio_ambiguous` where a unit and a site have that id, `no_members`
            for a unit that has none then.
    """
    unit = registered.load(connection, "trading_unit", TradingUnit, position, name).at(name, instant)
    site = registered.load(connection, "site", Site, position, name).at(name, instant)
    if unit is not None and site is not None:
        wrong = f"a trading unit and a site are registered as {name}: they cannot be told apart"
        raise Refused("portfolio_ambiguous", wrong, place="portfolio")
    if site is not None:
        return Portfolio(name, site.document.zone, (name,), None)
    if unit is None:
        wrong = f"no trading unit or site {name!r} is registered at {instant:%Y-%m-%dT%H:%M}Z"
        raise Refused("unknown_portfolio", wrong, place="portfolio")
    sites = sorted({one.site for one in unit.document.members if one.stands_at(instant)})
    if not sites:
        raise Refused("no_members", f"unit {name} has no sites at that time", place="portfolio")
    return Portfolio(name, unit.document.zone, tuple(sites), unit.document)


def to_be_planned(units: Register[TradingUnit], stated: frozenset[str], instant: datetime) -> tuple[str, ...]:
    """Units with a site whose storage's terms are `stated`, and such sites that no unit has, by id."""
    found: set[str] = set()
    left = set(stated)
    for name in units.versions:
        unit = units.at(name, instant)
        members = set() if unit is None else {m.site for m in unit.document.members if m.stands_at(instant)}
        if members & stated:
            found.add(name)
            left -= members
    return tuple(sorted(found | left))


def day_of(zone: str, instant: datetime) -> date:
    """The local day of an instant."""
    return instant.astimezone(zone_of(zone)).date()


@lru_cache(maxsize=64)
def local_days(horizon: Horizon, zone: str) -> Whole:
    """Which local day each interval begins on, the first being 0."""
    days = [day_of(zone, horizon.at(number)).toordinal() for number in range(horizon.count)]
    found = np.array(days, dtype=np.int64) - days[0]
    found.setflags(write=False)
    return found


def horizon_of_days(zone: str, first: date, days: int, interval_s: int) -> Horizon:
    """Whole local days: where the clocks change a day has 92 or 100 quarter-hours.

    Raises:
        Refused: `plan_horizon`.
    """
    if not 1 <= days <= DAYS_MAX:
        raise Refused("plan_horizon", f"{days} is not 1..{DAYS_MAX} days", place="days")
    if not _YEAR_MIN <= first.year < _YEAR_END:
        raise Refused("plan_horizon", f"a day of {_YEAR_MIN} to {_YEAR_END - 1}", place="day")
    at = zone_of(zone)
    start = midnight(first, at).astimezone(UTC)
    end = midnight(first + timedelta(days=days), at).astimezone(UTC)
    return Horizon(start, interval_s, int((end - start).total_seconds()) // interval_s)


def boundary(instant: datetime, interval_s: int, zone: str, *, after: bool) -> datetime:
    """The begin of the interval of the zone's clock that `instant` is in; with `after` of the first one from
    it on.

    >>> boundary(datetime(2026, 8, 20, 4, 10, tzinfo=UTC), 3600, "Asia/Kolkata", after=True).isoformat()
    '2026-08-20T04:30:00+00:00'
    """
    second = int(instant.timestamp())
    floor = second - (second + _offset_s(instant, zone)) % interval_s
    if after and (floor != second or instant.microsecond):
        floor += interval_s
    return datetime.fromtimestamp(floor, UTC)


def fits(interval_s: int, zones: Iterable[str], instant: datetime) -> bool:
    """Whether intervals of that length begin together on all the zones' clocks, also half a year later."""
    instants = (instant, instant + _HALF_YEAR)
    return len({_offset_s(one, zone) % interval_s for zone in zones for one in instants}) <= 1


def _offset_s(instant: datetime, zone: str) -> int:
    offset = instant.astimezone(zone_of(zone)).utcoffset()
    assert offset is not None, "a local time has an offset"
    return int(offset.total_seconds())
