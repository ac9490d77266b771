"""What contracts of a month are settled from, read in one transaction as of one sequence number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from math import ceil
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from adapters.postgres.database import Connection
from adapters.queries import market_inputs, meter_month, registered
from adapters.queries.market_inputs import Profiles
from adapters.queries.meter_month import MISSING, Key, MeterMonth
from adapters.queries.registered import Recorded, Register
from ledger.capital.account import CapitalAccounts
from ledger.capital.record import CapitalRecorded
from ledger.clauses.facts import NO_FACTS, MonthFacts
from ledger.contract import Contract
from ledger.exclusivity.policy import Policy
from ledger.interval import Interval, Month, midnight, zone_of
from ledger.meter import Meter
from ledger.metering.estimated_share import estimated_share
from ledger.power_factor import Reactive
from ledger.quantity import decimal_text
from ledger.readings import Register as EnergyRegister
from ledger.refusal import Refused
from ledger.settlement.inputs import Inputs, SiteInputs
from ledger.settlement.line import Source
from ledger.settlement.markets.month import MarketMonth, SpotPricesOf
from ledger.site import Site
from ledger.stored_energy import Stored
from ledger.streams.baseline import Profile
from ledger.tariff import Tariff
from ledger.waterfall import PriorMonth

_TICK = timedelta(microseconds=1)
_ACTUAL: Final = ord("A")
"""The first quality letter; every other one stands for a value that was not measured."""


class _Book(NamedTuple):
    """The registers as of a position; `meters_of` names the meters that ever stood at a site."""

    contracts: Register[Contract]
    sites: Register[Site]
    meters: Register[Meter]
    tariffs: Register[Tariff]
    meters_of: dict[str, list[str]]


def load(
    connection: Connection, book: str, month: Month, position: int, contracts: Sequence[str] = ()
) -> list[Inputs]:
    """The inputs of the named contracts, or of all that hold in `month`.

    Raises:
        Refused: `no_contract`, `contract_overlap`, `contract_gap`, `contract_change`, `unknown_site`,
            `unknown_tariff`, `site_change`, `meter_layout`, `open_import`, `missing_readings`.
    """
    meters = registered.load(connection, "meter", Meter, position)
    register = _Book(
        registered.load(connection, "contract", Contract, position),
        registered.load(connection, "site", Site, position),
        meters,
        registered.load(connection, "tariff", Tariff, position),
        _meters_of(meters),
    )
    in_force = _in_force(register.contracts, month, contracts)
    everything = {**_in_force(register.contracts, month, ()), **in_force} if contracts else in_force
    _check_coverage(everything, month, {site for one in in_force.values() for site in one.document.sites})
    layouts = {
        name: [_layout(register, site, month) for site in contract.document.sites]
        for name, contract in in_force.items()
    }
    _refuse_open_imports(connection, month, layouts.values(), position)
    readings = _readings(connection, book, layouts.values(), position)
    priors = _priors(connection, list(in_force), month, position)
    policies = registered.load(connection, "exclusivity", Policy, position)
    capital = registered.load(connection, "capital", CapitalRecorded, position)
    markets = _Markets(connection, book, position, layouts.values())
    return [
        Inputs(
            contract.document,
            month,
            position,
            tuple(
                _site_inputs(
                    layout, contract.document, month, readings, markets, priors.get(name, _NOTHING).stored
                )
                for layout in layouts[name]
            ),
            priors.get(name, _NOTHING).carry,
            _source("contract", contract),
            _policy(policies, contract.document.exclusivity),
            _facts(capital.versions.get(name, ()), contract.document, month),
        )
        for name, contract in in_force.items()
    ]


class _Before(msgspec.Struct, frozen=True):
    """What a contract's latest settled month hands on."""

    carry: PriorMonth | None = None
    stored: dict[str, Stored] = {}


_NOTHING: Final = _Before()


def _facts(recorded: Sequence[Recorded[CapitalRecorded]], contract: Contract, month: Month) -> MonthFacts:
    """The parties' capital over the contract's days of the month, where accounts are kept."""
    accounts: CapitalAccounts | None = None
    for one in recorded:
        accounts = one.document.apply(accounts)
    return NO_FACTS if accounts is None else MonthFacts(capital=accounts.average(*contract.days_in(month)))


def _policy(policies: Register[Policy], name: str) -> Policy | None:
    versions = policies.versions.get(name)
    return versions[-1].document if versions else None


def _meters_of(register: Register[Meter]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name in sorted(register.versions):
        for site in {version.document.site for version in register.versions[name]}:
            found[site].append(name)
    return found


def _in_force(
    register: Register[Contract], month: Month, names: Sequence[str]
) -> dict[str, Recorded[Contract]]:
    """The one version of each contract that holds in the month."""
    for name in names:
        if name not in register.versions:
            raise Refused("no_contract", f"no contract {name!r} is registered", place="contract")
    found: dict[str, Recorded[Contract]] = {}
    for name in names or sorted(register.versions):
        holding = [
            version
            for version in register.versions[name]
            if version.period is not None
            and version.period.overlaps(_local_month(month, version.document.zone))
            and version.document.has_days_in(month)
        ]
        if not holding:
            if names:
                raise Refused("no_contract", f"contract {name} does not hold in {month}", place="contract")
            continue
        latest = holding[-1]
        for older in holding[:-1]:
            days = latest.document.days_in(month)
            first, end = older.document.days_in(month)
            if first < days[0] or end > days[1]:
                raise Refused(
                    "contract_change",
                    f"contract {name} changes inside {month}; let its new version begin on a first",
                    place=f"contract {name}",
                )
        found[name] = latest
    if not found:
        raise Refused("no_contract", f"no contract holds in {month}", place="month")
    return found


def _check_coverage(everything: dict[str, Recorded[Contract]], month: Month, sites: set[str]) -> None:
    """No day of one of `sites` under two contracts at once, and none of them under none."""
    spans: dict[str, list[tuple[Interval, str]]] = defaultdict(list)
    for name, contract in everything.items():
        for site in sites.intersection(contract.document.sites):
            spans[site].append((_covered(contract.document, month), name))
    for site, held in spans.items():
        held.sort(key=lambda span: span[0].start)
        for (before, one), (after, other) in pairwise(held):
            if before.overlaps(after):
                raise Refused(
                    "contract_overlap",
                    f"site {site} is under contracts {one} and {other} at once in {month}",
                    place=f"site {site}",
                )
            if before.end < after.start:
                raise Refused(
                    "contract_gap",
                    f"site {site} is under no contract from {before.end:%Y-%m-%d %H:%M}Z"
                    f" to {after.start:%Y-%m-%d %H:%M}Z, between {one} and {other}",
                    place=f"site {site}",
                )


def _covered(contract: Contract, month: Month) -> Interval:
    return _local_days(*contract.days_in(month), contract.zone)


@lru_cache(maxsize=256)
def _local_days(first: date, end: date, zone: str) -> Interval:
    """[first, end) on the clocks of a zone; a thousand contracts share one answer."""
    return Interval(midnight(first, zone_of(zone)), midnight(end, zone_of(zone)))


@lru_cache(maxsize=256)
def _local_month(month: Month, zone: str) -> Interval:
    return month.interval(zone_of(zone))


class _Layout(NamedTuple):
    """A site, its tariff and its meters by what they measure."""

    site: Recorded[Site]
    tariff: Recorded[Tariff]
    interval: Interval
    interval_s: int
    storage: tuple[Recorded[Meter], ...]
    grid: tuple[Recorded[Meter], ...]
    load: tuple[Recorded[Meter], ...]
    pv: tuple[Recorded[Meter], ...]

    @property
    def keys(self) -> list[Key]:
        meters = (*self.storage, *self.grid, *self.load, *self.pv)
        return [(meter.id, register) for meter in meters for register in meter.document.registers]


def _layout(register: _Book, name: str, month: Month) -> _Layout:
    versions = register.sites.versions.get(name)
    if versions is None:
        raise Refused("unknown_site", f"no site {name!r} is registered", place="site")
    interval = _local_month(month, versions[-1].document.zone)
    site = register.sites.at(name, interval.end - _TICK)
    if site is None:
        raise Refused("unknown_site", f"site {name} is not registered for {month}", place=f"site {name}")
    begun = register.sites.at(name, interval.start)
    if begun is not None and begun.document != site.document:
        raise Refused(
            "site_change",
            f"site {name} changes inside {month}; let its new version begin on the first of a month",
            place=f"site {name}",
        )
    tariff = register.tariffs.versions.get(site.document.tariff)
    if tariff is None:
        raise Refused(
            "unknown_tariff", f"no tariff {site.document.tariff!r} is published", place=f"site {name}"
        )
    standing = (register.meters.at(meter, interval.end - _TICK) for meter in register.meters_of.get(name, ()))
    meters = [meter for meter in standing if meter is not None and meter.document.site == name]
    lengths = {meter.document.interval_s for meter in meters}
    layout = _Layout(
        site,
        tariff[-1],
        interval,
        max(lengths, default=0),
        *(
            tuple(meter for meter in meters if meter.document.position == place)
            for place in ("storage", "grid", "load", "pv")
        ),
    )
    _check_layout(layout, lengths)
    return layout


def _check_layout(layout: _Layout, lengths: set[int]) -> None:
    name = layout.site.id
    if not layout.storage:
        raise Refused("meter_layout", "no storage meter is registered", place=f"site {name}")
    for meter in layout.storage:
        if not {"charge", "discharge"} <= set(meter.document.registers):
            raise Refused(
                "meter_layout", f"storage meter {meter.id} needs charge and discharge", place=f"site {name}"
            )
    if layout.grid and layout.load:
        raise Refused("meter_layout", "a grid meter or load meters, not both", place=f"site {name}")
    if len(lengths) > 1:
        raise Refused(
            "meter_layout",
            f"its meters read every {sorted(lengths)} s; one length is needed",
            place=f"site {name}",
        )


def _refuse_open_imports(
    connection: Connection, month: Month, layouts: Iterable[list[_Layout]], position: int
) -> None:
    flat = [layout for group in layouts for layout in group]
    meters = sorted({meter for layout in flat for meter, _ in layout.keys})
    found = connection.execute(
        "SELECT id, document->>'file_name' FROM ledger.meter_import"
        " WHERE status = 'open' AND from_seq <= %s AND (to_seq IS NULL OR to_seq > %s)"
        " AND covers_from < %s AND covers_to > %s AND meters && %s ORDER BY id LIMIT 1",
        [
            position,
            position,
            max(layout.interval.end for layout in flat),
            min(layout.interval.start for layout in flat),
            meters,
        ],
    ).fetchone()
    if found is not None:
        raise Refused(
            "open_import",
            f"import {found[0]} ({found[1]}) in {month} is not finished: run it again, or abandon it",
            place="month",
        )


class _Matrix(NamedTuple):
    """The readings of all meters of one interval length, and which row holds which register."""

    readings: MeterMonth
    rows: dict[Key, int]
    all_actual: bool
    """Whether not one value was estimated or substituted."""


_Readings = dict[tuple[Interval, int], _Matrix]


def _readings(
    connection: Connection, book: str, layouts: Iterable[list[_Layout]], position: int
) -> _Readings:
    keys: dict[tuple[Interval, int], list[Key]] = defaultdict(list)
    for group in layouts:
        for layout in group:
            keys[layout.interval, layout.interval_s].extend(layout.keys)
    found: _Readings = {}
    for (interval, interval_s), wanted in keys.items():
        month = meter_month.load(connection, book, wanted, interval, interval_s, position)
        rows = {key: row for row, key in enumerate(wanted)}
        found[interval, interval_s] = _Matrix(month, rows, bool((month.quality <= _ACTUAL).all()))
    return found


def _priors(connection: Connection, contracts: list[str], month: Month, position: int) -> dict[str, _Before]:
    rows = connection.execute(
        "SELECT DISTINCT ON (contract) contract,"
        " jsonb_build_object('carry', result->'carry', 'stored', result->'stored')::text"
        " FROM ledger.settlement"
        " WHERE contract = ANY(%s) AND month < %s AND sequence <= %s AND run_kind <> 'provisional'"
        " ORDER BY contract, month DESC, run DESC",
        [contracts, str(month), position],
    )
    return {name: msgspec.json.decode(text, type=_Before) for name, text in rows}


class _Markets:
    """What markets told about the sites of the month; their history is read where a baseline needs it."""

    def __init__(
        self, connection: Connection, book: str, position: int, layouts: Iterable[list[_Layout]]
    ) -> None:
        self._connection, self._book, self._position = connection, book, position
        self._prices: dict[tuple[object, ...], tuple[SpotPricesOf, tuple[Source, ...]]] = {}
        flat = [layout for group in layouts for layout in group]
        whole = Interval(min(one.interval.start for one in flat), max(one.interval.end for one in flat))
        self._told = market_inputs.told(connection, [one.site.id for one in flat], whole, position)

    def of(self, layout: _Layout, covered: Interval) -> MarketMonth | None:
        """The site's market month in the contract's days; None where no market told anything."""
        known = self._told.get(layout.site.id)
        if known is None:
            return None
        profiles = self._profiles(layout) if known.needs_history else Profiles(None, None)
        return market_inputs.market_month(
            self._connection, self._position, known, layout.site, covered, profiles, self._prices
        )

    def _profiles(self, layout: _Layout) -> Profiles:
        span = Interval(layout.interval.start - market_inputs.HISTORY, layout.interval.end)
        found = meter_month.load(
            self._connection, self._book, layout.keys, span, layout.interval_s, self._position
        )

        def summed(*terms: tuple[int, Sequence[Recorded[Meter]], EnergyRegister]) -> Profile:
            count = found.wh.shape[1]
            total, missing = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.bool_)
            for sign, meters, register in terms:
                for meter in meters:
                    if register in meter.document.registers:
                        row = found.wh[found.row((meter.id, register))]
                        missing |= row == MISSING
                        total += sign * np.where(row == MISSING, 0, row)
            return Profile(span.start, layout.interval_s, layout.site.document.zone, total, missing)

        storage = summed((1, layout.storage, "charge"), (-1, layout.storage, "discharge"))
        if layout.grid:
            return Profiles(summed((1, layout.grid, "import"), (-1, layout.grid, "export")), storage)
        if layout.load:
            return Profiles(
                summed(
                    (1, layout.load, "load"),
                    (1, layout.load, "import"),
                    (-1, layout.pv, "pv"),
                    (1, layout.storage, "charge"),
                    (-1, layout.storage, "discharge"),
                ),
                storage,
            )
        return Profiles(None, storage)


class _Site:
    """One site's rows of the month's matrix."""

    def __init__(self, layout: _Layout, matrix: _Matrix) -> None:
        self._readings = matrix.readings
        self._all_actual = matrix.all_actual
        self._rows = {key: matrix.rows[key] for key in layout.keys}
        self._layout = layout

    def total(
        self, meters: Sequence[Recorded[Meter]], register: EnergyRegister, days: slice
    ) -> npt.NDArray[np.int64]:
        """The sum of a register over meters, zero outside `days`; a missing interval is refused."""
        count = self._readings.wh.shape[1]
        total = np.zeros(count, dtype=np.int64)
        for meter in meters:
            if register not in meter.document.registers:
                continue
            row = self._readings.wh[self._rows[meter.id, register], days]
            if row.min(initial=0) < 0:
                missing = np.flatnonzero(row == MISSING)
                self._refuse_missing(meter.id, register, len(missing), (days.start or 0) + int(missing[0]))
            total[days] += row
        return total

    def _refuse_missing(self, meter: str, register: str, count: int, first: int) -> None:
        at = self._layout.interval.start + timedelta(seconds=first * self._layout.interval_s)
        raise Refused(
            "missing_readings",
            f"{count} intervals of register {register} are missing, the first at"
            f" {at.astimezone(UTC):%Y-%m-%dT%H:%MZ}; import or substitute them, missing is not zero",
            place=f"meter {meter}",
        )

    def estimated(self) -> str:
        """The estimated part of the site's energy, in percent rounded up to a tenth; empty for none."""
        if self._all_actual:
            return ""
        numbers = list(self._rows.values())
        found = estimated_share(
            [register for _, register in self._rows],
            self._readings.wh[numbers],
            self._readings.quality[numbers],
        )
        if not found.estimated_intervals:
            return ""
        return f"{decimal_text(ceil(found.of_energy * 1000), 1)} %"

    def sources(self) -> tuple[Source, ...]:
        found = [
            _source("site", self._layout.site),
            Source(f"tariff.{self._layout.tariff.id}", _one(self._layout.tariff.sequence)),
        ]
        for (meter, register), row in self._rows.items():
            if self._readings.sequences[row]:
                found.append(Source(f"readings.{meter}/{register}", self._readings.sequences[row]))
        return tuple(found)


def _site_inputs(
    layout: _Layout,
    contract: Contract,
    month: Month,
    readings: _Readings,
    markets: _Markets,
    stored: Mapping[str, Stored],
) -> SiteInputs:
    rows = _Site(layout, readings[layout.interval, layout.interval_s])
    whole = slice(0, layout.interval.seconds // layout.interval_s)
    covered = _covered(contract, month)
    days = slice(_intervals(layout, covered.start), min(whole.stop, max(0, _intervals(layout, covered.end))))
    charge = rows.total(layout.storage, "charge", days)
    discharge = rows.total(layout.storage, "discharge", days)
    load: npt.NDArray[np.int64] | None = None
    if layout.grid:
        own = rows.total(layout.storage, "discharge", whole) - rows.total(layout.storage, "charge", whole)
        load = rows.total(layout.grid, "import", whole) - rows.total(layout.grid, "export", whole) + own
    elif layout.load:
        load = rows.total(layout.load, "load", whole) + rows.total(layout.load, "import", whole)
        load -= rows.total(layout.pv, "pv", whole)
    reactive = None
    metered = [m for m in (*layout.grid, *layout.load) if "reactive_lagging" in m.document.registers]
    if metered:
        reactive = Reactive(
            int(rows.total(metered, "reactive_lagging", whole).sum()),
            int(rows.total(metered, "reactive_leading", whole).sum()),
        )
    market = markets.of(layout, covered)
    return SiteInputs(
        layout.site.document,
        layout.tariff.document,
        layout.interval_s,
        load,
        charge,
        discharge,
        reactive,
        rows.sources() if market is None else (*rows.sources(), *market.sources),
        market,
        stored.get(layout.site.id, Stored()),
        rows.estimated(),
    )


def _intervals(layout: _Layout, instant: datetime) -> int:
    return max(0, int((instant - layout.interval.start).total_seconds()) // layout.interval_s)


def _source(kind: str, recorded: Recorded[Contract] | Recorded[Site]) -> Source:
    return Source(f"{kind}.{recorded.id}", _one(recorded.sequence))


def _one(sequence: int) -> tuple[tuple[int, int], ...]:
    return ((sequence, sequence),)
