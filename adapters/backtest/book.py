"""A registered site's month from the book, as of a sequence number: read, never written to."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

import msgspec
import numpy as np

from adapters.backtest.priced_day import PriceHistory, Timing
from adapters.backtest.site_case import SiteKnown
from adapters.integrity.registered_rows import Read, check_read
from adapters.planning import registers
from adapters.postgres.database import Connection
from adapters.queries import registered, settlement_inputs
from adapters.queries.contracts_in_force import in_force
from adapters.queries.forecast_inputs import Wanted, forecast_request
from dispatch.forecasts.day_table import local_slots
from dispatch.forecasts.forecast import Subject
from dispatch.plan_check import Whole
from dispatch.planning.imposed_limit import ImposedLimit
from dispatch.planning.storage_terms import StorageTerms
from dispatch.value.settled_way import check_countable, spot_rule
from dispatch.value.site_month import ImposedIn, SiteMonth, table_of
from ledger.interval import Month, midnight, zone_of
from ledger.meter import Meter
from ledger.refusal import Refused
from ledger.settlement.inputs import Inputs, SiteInputs

_HISTORY_DAYS: Final = 56


class FromBook(NamedTuple):
    """A contract's month in which one site is looked at, and what is known of it beside."""

    inputs: Inputs
    site: SiteInputs
    known: SiteKnown
    position: int

    @property
    def start(self) -> datetime:
        """The first instant of the contract's days."""
        first, _ = self.inputs.contract.days_in(self.inputs.month)
        return midnight(first, zone_of(self.site.site.zone)).astimezone(UTC)

    @property
    def days(self) -> tuple[date, date]:
        """The contract's first day of the month, and its last."""
        first, end = self.inputs.contract.days_in(self.inputs.month)
        return first, end - timedelta(days=1)


class Question(NamedTuple):
    """A site's month, up to a day of it or whole, as known at a sequence number."""

    site: str
    month: Month
    position: int
    through: date | None = None
    timing: Timing = Timing()


def load(connection: Connection, book: str, asked: Question) -> FromBook:
    """What the site's month is settled from, its storage's terms, and what was known before it.

    Raises:
        Refused: `no_contract` for a site that no contract covers in the month, `storage_unstated`,
            `backtest_site`; what loading the month refuses, such as `missing_readings`.
        Discontinuity: a row that is read was changed.
    """
    contracts = registers.contracts_of(connection, asked.position, (asked.site,))
    held = in_force(contracts, asked.month, ())
    names = [name for name, one in held.items() if asked.site in one.document.sites]
    if not names:
        wrong = f"no contract covers site {asked.site!r} in {asked.month}"
        raise Refused("no_contract", wrong, place="site")
    (inputs,) = settlement_inputs.load(
        connection, book, asked.month, asked.position, names[:1], through=asked.through
    )
    site = next(one for one in inputs.sites if one.site.id == asked.site)
    check_countable(site)
    found = FromBook(inputs, site, SiteKnown(_terms(connection, asked, inputs), _none(site)), asked.position)
    if spot_rule(site) is not None:
        history = _prices(connection, book, asked, found)
        return found._replace(known=found.known._replace(prices=history))
    return found._replace(known=found.known._replace(known_w=_loads(connection, book, asked, found)))


def meters_of(connection: Connection, found: FromBook) -> tuple[Meter, ...]:
    """The site's meters, as they are registered last.

    Raises:
        Discontinuity: a row that is read was changed.
    """
    every = registered.load(connection, "meter", Meter, found.position).versions
    own = [one[-1].document for one in every.values() if one[-1].document.site == found.site.site.id]
    rows = frozenset(f"meter.{one.id}" for one in own)
    check_read(connection, Read(rows, frozenset()), found.position)
    return tuple(own)


def _none(site: SiteInputs) -> Whole:
    return np.zeros((0, 86_400 // site.interval_s), dtype=np.int64)


def _terms(connection: Connection, asked: Question, inputs: Inputs) -> StorageTerms:
    found = registers.of(connection, "storage", StorageTerms, asked.position, (asked.site,))
    check_read(connection, Read(frozenset({f"storage.{asked.site}"}), frozenset()), asked.position)
    first, _ = inputs.contract.days_in(inputs.month)
    held = found.at(asked.site, midnight(first, zone_of(inputs.contract.zone)).astimezone(UTC))
    versions = found.versions.get(asked.site, ())
    if held is None and not versions:
        command = f"wattledger storage terms {asked.site} FILE --from DAY --as WHO"
        wrong = f"nobody stated what its storage may be used for: {command}"
        raise Refused("storage_unstated", wrong, place=f"site {asked.site}")
    return (held or versions[0]).document


def imposed(connection: Connection, found: FromBook, month: SiteMonth) -> ImposedIn | None:
    """What was imposed on the site in the month's intervals; None where nothing was."""
    name = month.id
    register = registers.of(connection, "storage_limit", ImposedLimit, found.position, (name,))
    if not register.versions.get(name):
        return None
    check_read(connection, Read(frozenset({f"storage_limit.{name}"}), frozenset()), found.position)
    step = timedelta(seconds=month.interval_s)
    held = (register.at(name, found.start + number * step) for number in range(len(month.load_w)))
    limits = [None if one is None else one.document for one in held]
    return ImposedIn.of(month.terms, limits) if any(one is not None for one in limits) else None


def _loads(connection: Connection, book: str, asked: Question, found: FromBook) -> Whole:
    """The site's load on whole days just before the contract's first, days x slots; the last gap ends it."""
    if found.site.load_wh is None:
        return _none(found.site)
    first, _ = found.days
    wanted = Wanted(Subject("load", asked.site), first, 1, asked.position, found.start)
    load = forecast_request(connection, book, wanted).history
    zone = found.site.site.zone
    ordinal, slot = local_slots(load.start, load.interval_s, zone)
    since = first.toordinal() - _HISTORY_DAYS
    days: list[Whole] = []
    for day in range(since, first.toordinal()):
        at = ordinal == day
        length = _day_seconds(date.fromordinal(day), zone) // load.interval_s
        if int(at.sum()) < length or load.interval_s != found.site.interval_s:
            days.clear()
            continue
        watts = np.rint(load.value[at]).astype(np.int64)
        none = np.zeros(len(watts), dtype=np.int64)
        days.append(table_of(watts, none, slot[at], 86_400 // load.interval_s)[0])
    return np.array(days, dtype=np.int64).reshape(len(days), 86_400 // found.site.interval_s)


def _day_seconds(day: date, zone: str) -> int:
    at = zone_of(zone)
    begin, end = (midnight(one, at).astimezone(UTC) for one in (day, day + timedelta(days=1)))
    return int((end - begin).total_seconds())


def _prices(connection: Connection, book: str, asked: Question, found: FromBook) -> PriceHistory:
    site = found.site.site
    point = site.market_point
    if point is None:
        raise Refused("price_missing", "the site states no market_point", place=f"site {site.id}")
    _, last = found.days
    subject = Subject("price", f"{point.market}:{point.node}:day_ahead")
    request = forecast_request(connection, book, Wanted(subject, last, 1, asked.position, found.start))
    return PriceHistory.published(
        subject, request.currency, site.zone, msgspec.structs.replace(request.history), asked.timing
    )
