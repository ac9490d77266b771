"""What contracts of a month are settled from, read in one transaction as of one sequence number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, timedelta
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from adapters.founded import book_at
from adapters.postgres.database import Connection
from adapters.queries import meter_month, registered
from adapters.queries.contract_facts import ContractFacts
from adapters.queries.contracts_in_force import check_coverage, covered_by, in_force, local_month
from adapters.queries.cycle_days import contract_days, refuse_tail
from adapters.queries.kept import kept
from adapters.queries.meter_month import MISSING, Key
from adapters.queries.opening_stock import Opening, OpeningStock
from adapters.queries.registered import Recorded, Register
from adapters.queries.site_layout import (
    Registers,
    SiteLayout,
    billing_interval,
    meters_of_sites,
    site_layout,
)
from adapters.queries.site_markets import SiteMarkets
from adapters.queries.site_profiles import MonthRows
from ledger.contract import Contract
from ledger.exclusivity.policy import Policy
from ledger.interval import Interval, Month, midnight, zone_of
from ledger.meter import Meter
from ledger.metering.estimated_share import EstimatedShare, estimated_share
from ledger.power_factor import Reactive
from ledger.readings import REACTIVE
from ledger.readings import Register as EnergyRegister
from ledger.refusal import Refused
from ledger.settlement.ended import CODE as ENDED
from ledger.settlement.inputs import Inputs, MonthEnergy, SiteInputs, contract_digest
from ledger.settlement.line import Source
from ledger.settlement.provisional import check_through, to_date
from ledger.site import Site
from ledger.storage_saving import FeederEnergy
from ledger.tariff import Tariff
from ledger.waterfall import PriorMonth

_ACTUAL: Final = ord("A")
"""The first quality letter; every other one stands for a value that was not measured."""

_SITES_AT_ONCE: Final = 200
"""Their month of quarter-hours, with the history before it, is some fifty megabytes."""


def load(
    connection: Connection,
    book: str,
    month: Month,
    position: int,
    contracts: Sequence[str] = (),
    *,
    through: date | None = None,
    under: Mapping[str, str] | None = None,
) -> list[Inputs]:
    """The inputs of the named contracts, or of all that hold in `month`.

    With `through` those of a provisional run: of the month's days up to and with that one. Later readings
    and market days are neither needed nor looked at. With `under`, contract -> `contract_digest`, a contract
    is taken as if none of its versions after that one had been recorded; whether its days meet another
    contract's is not looked at then.

    Raises:
        Refused: `no_contract`, `contract_overlap`, `contract_gap`, `contract_change`, `unknown_site`,
            `unknown_tariff`, `site_change`, `meter_layout`, `unknown_feeder`, `feeder_missing`,
            `feeder_meter`, `cycle_tail`, `open_import`, `missing_readings`, `unknown_book`; `through` and
            `not_in_force` for a day that is not of the month, or before the contract's first.
    """
    found = batches(connection, book, month, position, contracts, through=through, under=under)
    return [inputs for batch in found for inputs in batch]


def batches(
    connection: Connection,
    book: str,
    month: Month,
    position: int,
    contracts: Sequence[str] = (),
    *,
    through: date | None = None,
    under: Mapping[str, str] | None = None,
) -> Iterator[list[Inputs]]:
    """As `load`, some contracts at a time, which are read when they are asked for: what a portfolio's month
    is settled from is several times the memory that its results are.

    Raises:
        Refused: as `load`.
    """
    meters = registered.load(connection, "meter", Meter, position)
    register = Registers(
        _up_to(registered.load(connection, "contract", Contract, position), under or {}),
        registered.load(connection, "site", Site, position),
        meters,
        registered.load(connection, "tariff", Tariff, position),
        meters_of_sites(meters),
    )
    held = in_force(register.contracts, month, contracts)
    everything = {**in_force(register.contracts, month, ()), **held} if contracts else held
    if under is None:
        check_coverage(everything, month, {site for one in held.values() for site in one.document.sites})
    if through is not None:
        held = _begun(held, month, through, all_of_them=bool(contracts))
    layouts = {
        name: [_until(site_layout(register, site, month), through) for site in contract.document.sites]
        for name, contract in held.items()
    }
    _refuse_open_imports(connection, month, layouts.values(), position)
    priors = _priors(connection, list(held), month, position)
    policies = registered.load(connection, "exclusivity", Policy, position)
    facts = ContractFacts(connection, position)
    owner = book_at(connection, position).owner
    documents = [one.document for one in everything.values()]
    sites = {layout.site.id for found in layouts.values() for layout in found}
    openings = OpeningStock(connection, register.contracts, month, sites, position)
    markets = SiteMarkets(connection, book, position, layouts.values(), month, documents)
    for names in _some_at_a_time(layouts):
        own = [layouts[name] for name in names]
        readings = _readings(connection, book, own, position)
        markets.take((layout for group in own for layout in group), readings)
        yield [
            Inputs(
                held[name].document,
                month,
                position,
                tuple(
                    _site_inputs(
                        layout,
                        held[name].document,
                        register.contracts.versions[name],
                        month,
                        readings,
                        markets,
                        openings.of(held[name].document, layout.site),
                    )
                    for layout in layouts[name]
                ),
                _prior(priors.get(name, _NOTHING).carry, held[name].document, month, through),
                _source("contract", held[name]),
                _policy(policies, held[name].document.exclusivity),
                *facts.of(held[name].document, month),
                through,
                owner,
            )
            for name in names
        ]


def _some_at_a_time(layouts: Mapping[str, Sequence[SiteLayout]]) -> Iterator[list[str]]:
    """The contracts in their order, so many together that their sites are about `_SITES_AT_ONCE`."""
    names: list[str] = []
    sites = 0
    for name, own in layouts.items():
        if names and sites + len(own) > _SITES_AT_ONCE:
            yield names
            names, sites = [], 0
        names.append(name)
        sites += len(own)
    if names:
        yield names


def _up_to(register: Register[Contract], last: Mapping[str, str]) -> Register[Contract]:
    """Of the contracts in `last` the versions up to the newest one of that digest."""
    found = dict(register.versions)
    for name, digest in last.items():
        numbers = [n for n, one in enumerate(found[name], 1) if contract_digest(one.document) == digest]
        found[name] = found[name][: max(numbers, default=0)]
    return Register(found)


class _Before(msgspec.Struct, frozen=True):
    """What a contract's latest settled month hands on."""

    carry: PriorMonth | None = None


_NOTHING: Final = _Before()
_decode_before: Final = msgspec.json.Decoder(_Before).decode


def _begun(
    held: dict[str, Recorded[Contract]], month: Month, through: date, *, all_of_them: bool
) -> dict[str, Recorded[Contract]]:
    """The contracts as they stand up to the day `through`; one that begins later is left out, or refused."""
    check_through(month, through)
    found = {
        name: msgspec.structs.replace(one, document=to_date(one.document, through))
        for name, one in held.items()
        if all_of_them or one.document.effective_from <= through
    }
    if not found:
        raise Refused("no_contract", f"no contract holds in {month} up to {through}", place="through")
    return found


def _until(layout: SiteLayout, through: date | None) -> SiteLayout:
    if through is None:
        return layout
    end = midnight(through + timedelta(days=1), zone_of(layout.site.document.zone))
    interval = Interval(layout.interval.start, min(layout.interval.end, end))
    return layout._replace(interval=interval, month=Interval(layout.month.start, end))


def _prior(
    carry: PriorMonth | None, contract: Contract, month: Month, through: date | None
) -> PriorMonth | None:
    """What the months before hand on. In a month's first days the one before is often not settled yet: a
    provisional run needs it only where a clause keeps an account."""
    if through is None or carry is None or carry.settled_to == contract.days_in(month)[0]:
        return carry
    return carry if any(clause.account is not None for clause in contract.clauses) else None


def _policy(policies: Register[Policy], name: str) -> Policy | None:
    versions = policies.versions.get(name)
    return versions[-1].document if versions else None


def _refuse_open_imports(
    connection: Connection, month: Month, layouts: Iterable[list[SiteLayout]], position: int
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
            max(max(layout.interval.end, layout.month.end) for layout in flat),
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


_Readings = dict[tuple[Interval, int], MonthRows]


def _readings(
    connection: Connection, book: str, layouts: Iterable[list[SiteLayout]], position: int
) -> _Readings:
    keys: dict[tuple[Interval, int], list[Key]] = defaultdict(list)
    for group in layouts:
        for layout in group:
            keys[layout.interval, layout.interval_s].extend(layout.keys)
            if layout.month != layout.interval:
                keys[layout.month, layout.interval_s].extend(layout.storage_keys)
    found: _Readings = {}
    for (interval, interval_s), wanted in keys.items():
        month = meter_month.load(connection, book, wanted, interval, interval_s, position)
        rows = {key: row for row, key in enumerate(wanted)}
        found[interval, interval_s] = MonthRows(month, rows)
    return found


def _priors(connection: Connection, contracts: list[str], month: Month, position: int) -> dict[str, _Before]:
    rows = connection.execute(
        "SELECT contract, jsonb_build_object('carry', result->'carry')::text FROM ("
        "SELECT DISTINCT ON (contract) contract, result FROM ("
        "SELECT DISTINCT ON (contract, month) contract, month, run, result FROM ledger.settlement"
        " WHERE contract = ANY(%s) AND month < %s AND sequence <= %s AND run_kind <> 'provisional'"
        " ORDER BY contract, month, run DESC) latest"
        " WHERE run = 1 OR NOT result->'warnings' @> jsonb_build_array(jsonb_build_object('code', %s::text))"
        " ORDER BY contract, month DESC) handing_on",
        [contracts, str(month), position, ENDED],
    )
    return {name: kept(_decode_before, text, f"table settlement, {name}") for name, text in rows}


class _Site:
    """One site's rows of a matrix that begins at `start`; a provisional run fills `count` intervals up only
    to its last day."""

    def __init__(self, layout: SiteLayout, matrix: MonthRows, whole: Interval) -> None:
        self._start, self._count = whole.start, whole.seconds // layout.interval_s
        self._readings = matrix.readings
        self._rows = {key: matrix.rows[key] for key in layout.keys if key in matrix.rows}
        self._layout = layout

    def total(
        self, meters: Sequence[Recorded[Meter]], register: EnergyRegister, days: slice
    ) -> npt.NDArray[np.int64]:
        """The sum of a register over meters, zero outside `days`; a missing interval is refused."""
        total = np.zeros(self._count, dtype=np.int64)
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
        at = self._start + timedelta(seconds=first * self._layout.interval_s)
        raise Refused(
            "missing_readings",
            f"{count} intervals of register {register} are missing, the first at"
            f" {at.astimezone(UTC):%Y-%m-%dT%H:%MZ}; import or substitute them, missing is not zero",
            place=f"meter {meter}",
        )

    def estimated(self) -> EstimatedShare:
        """How much of the site's energy was estimated or substituted."""
        numbers = list(self._rows.values())
        registers = [register for _, register in self._rows]
        first, end = numbers[0], numbers[-1] + 1
        rows = slice(first, end) if numbers == list(range(first, end)) else numbers
        wh, quality = self._readings.wh[rows], self._readings.quality[rows]
        if quality.max(initial=0) <= _ACTUAL:
            active = [one not in REACTIVE for one in registers]
            known = wh if quality.all() else wh.clip(0)
            return EstimatedShare(int(np.count_nonzero(quality)), 0, int(known.sum(axis=1)[active].sum()), 0)
        return estimated_share(registers, wh, quality)

    def sources(self) -> tuple[Source, ...]:
        found = [
            _source("site", self._layout.site),
            Source(f"tariff.{self._layout.tariff.id}", _one(self._layout.tariff.sequence)),
        ]
        return (*found, *self.readings())

    def readings(self) -> tuple[Source, ...]:
        return tuple(
            Source(f"readings.{meter}/{register}", self._readings.sequences[row])
            for (meter, register), row in self._rows.items()
            if self._readings.sequences[row]
        )


def _site_inputs(
    layout: SiteLayout,
    contract: Contract,
    versions: Sequence[Recorded[Contract]],
    month: Month,
    readings: _Readings,
    markets: SiteMarkets,
    opening: Opening,
) -> SiteInputs:
    cycle = billing_interval(layout.site.document.account, month)
    rows = _Site(layout, readings[layout.interval, layout.interval_s], cycle)
    whole = slice(0, layout.interval.seconds // layout.interval_s)
    covered = covered_by(contract, month)
    billed: Interval | None = covered
    if cycle != local_month(month, layout.site.document.zone):
        refuse_tail(versions, contract, cycle, month, layout.site.id)
        billed = contract_days(versions, contract, cycle)
    days = slice(0, 0) if billed is None else _days(layout, layout.interval, billed)
    charge = rows.total(layout.storage, "charge", days)
    discharge = rows.total(layout.storage, "discharge", days)
    load, reactive = None, None
    feeders: tuple[FeederEnergy, ...] = ()
    if billed is not None:
        load, reactive = _net_import(rows, layout, whole), _reactive(rows, layout, whole)
        feeders = _feeders(rows, layout, whole, days)
    market = markets.of(layout, covered)
    sources, month_energy = rows.sources(), None
    if market is not None:
        if layout.month != layout.interval:
            month_energy, read = _month_energy(layout, readings, month, covered)
            sources = (*sources, *read)
        unused = {f"market_rule.{name}" for name in market.rules.keys() - market.used_rules.keys()}
        sources = (*sources, *(one for one in market.sources if one.aggregate not in unused))
    return SiteInputs(
        layout.site.document,
        layout.tariff.document,
        layout.interval_s,
        load,
        charge,
        discharge,
        reactive,
        (*sources, *opening.sources),
        market,
        opening.stored,
        rows.estimated(),
        feeders,
        month_energy,
        opening.known,
    )


def _net_import(
    rows: _Site, layout: SiteLayout, whole: slice, feeder: str | None = None
) -> npt.NDArray[np.int64] | None:
    """The site's net import as it would be without its storage, or that of one feeder."""
    storage, grid, loads, pv = (
        [meter for meter in meters if feeder is None or meter.document.feeder == feeder]
        for meters in (layout.storage, layout.grid, layout.load, layout.pv)
    )
    if grid:
        own = rows.total(storage, "discharge", whole) - rows.total(storage, "charge", whole)
        return rows.total(grid, "import", whole) - rows.total(grid, "export", whole) + own
    if loads:
        load = rows.total(loads, "load", whole) + rows.total(loads, "import", whole)
        return load - rows.total(pv, "pv", whole)
    return None


def _feeders(rows: _Site, layout: SiteLayout, whole: slice, days: slice) -> tuple[FeederEnergy, ...]:
    found: list[FeederEnergy] = []
    for feeder in layout.site.document.account.feeders:
        load = _net_import(rows, layout, whole, feeder.id)
        assert load is not None, "the layout has a meter for each feeder"
        storage = [meter for meter in layout.storage if meter.document.feeder == feeder.id]
        charge, discharge = rows.total(storage, "charge", days), rows.total(storage, "discharge", days)
        found.append(FeederEnergy(feeder.id, load, charge, discharge))
    return tuple(found)


def _reactive(rows: _Site, layout: SiteLayout, whole: slice) -> Reactive | None:
    metered = [m for m in (*layout.grid, *layout.load) if "reactive_lagging" in m.document.registers]
    if not metered:
        return None
    return Reactive(
        int(rows.total(metered, "reactive_lagging", whole).sum()),
        int(rows.total(metered, "reactive_leading", whole).sum()),
    )


def _month_energy(
    layout: SiteLayout, readings: _Readings, month: Month, covered: Interval
) -> tuple[MonthEnergy, tuple[Source, ...]]:
    """The storage's calendar month, which markets settle beside a billing cycle of other days."""
    whole = local_month(month, layout.site.document.zone)
    rows = _Site(layout, readings[layout.month, layout.interval_s], whole)
    days = _days(layout, layout.month, covered)
    energy = MonthEnergy(
        rows.total(layout.storage, "charge", days), rows.total(layout.storage, "discharge", days)
    )
    return energy, rows.readings()


def _days(layout: SiteLayout, read: Interval, held: Interval) -> slice:
    """Which intervals of those read lie in `held`."""
    step = timedelta(seconds=layout.interval_s)
    first, end = ((instant - read.start) // step for instant in (held.start, min(held.end, read.end)))
    return slice(max(0, first), max(0, end))


def _source(kind: str, recorded: Recorded[Contract] | Recorded[Site]) -> Source:
    return Source(f"{kind}.{recorded.id}", _one(recorded.sequence))


def _one(sequence: int) -> tuple[tuple[int, int], ...]:
    return ((sequence, sequence),)
