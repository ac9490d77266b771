"""What contracts of a month are settled from, read in one transaction as of one sequence number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from adapters.postgres.database import Connection
from adapters.queries import meter_month, registered
from adapters.queries.contracts_in_force import check_coverage, covered_by, in_force
from adapters.queries.meter_month import MISSING, Key, MeterMonth
from adapters.queries.registered import Recorded, Register
from adapters.queries.site_layout import Registers, SiteLayout, meters_of_sites, site_layout
from adapters.queries.site_markets import SiteMarkets
from ledger.capital.account import CapitalAccounts
from ledger.capital.record import CapitalRecorded
from ledger.clauses.facts import NO_FACTS, MonthFacts
from ledger.contract import Contract
from ledger.exclusivity.policy import Policy
from ledger.interval import Interval, Month
from ledger.meter import Meter
from ledger.metering.estimated_share import estimated_share
from ledger.power_factor import Reactive
from ledger.quantity import decimal_text
from ledger.readings import Register as EnergyRegister
from ledger.refusal import Refused
from ledger.settlement.inputs import Inputs, SiteInputs
from ledger.settlement.line import Source
from ledger.site import Site
from ledger.stored_energy import Stored
from ledger.tariff import Tariff
from ledger.waterfall import PriorMonth

_ACTUAL: Final = ord("A")
"""The first quality letter; every other one stands for a value that was not measured."""


def load(
    connection: Connection, book: str, month: Month, position: int, contracts: Sequence[str] = ()
) -> list[Inputs]:
    """The inputs of the named contracts, or of all that hold in `month`.

    Raises:
        Refused: `no_contract`, `contract_overlap`, `contract_gap`, `contract_change`, `unknown_site`,
            `unknown_tariff`, `site_change`, `meter_layout`, `open_import`, `missing_readings`.
    """
    meters = registered.load(connection, "meter", Meter, position)
    register = Registers(
        registered.load(connection, "contract", Contract, position),
        registered.load(connection, "site", Site, position),
        meters,
        registered.load(connection, "tariff", Tariff, position),
        meters_of_sites(meters),
    )
    held = in_force(register.contracts, month, contracts)
    everything = {**in_force(register.contracts, month, ()), **held} if contracts else held
    check_coverage(everything, month, {site for one in held.values() for site in one.document.sites})
    layouts = {
        name: [site_layout(register, site, month) for site in contract.document.sites]
        for name, contract in held.items()
    }
    _refuse_open_imports(connection, month, layouts.values(), position)
    readings = _readings(connection, book, layouts.values(), position)
    priors = _priors(connection, list(held), month, position)
    policies = registered.load(connection, "exclusivity", Policy, position)
    capital = registered.load(connection, "capital", CapitalRecorded, position)
    markets = SiteMarkets(connection, book, position, layouts.values())
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
        for name, contract in held.items()
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
    connection: Connection, book: str, layouts: Iterable[list[SiteLayout]], position: int
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


class _Site:
    """One site's rows of the month's matrix."""

    def __init__(self, layout: SiteLayout, matrix: _Matrix) -> None:
        self._readings = matrix.readings
        self._all_actual = matrix.all_actual
        self._rows = {key: matrix.rows[key] for key in layout.keys}
        self.site_layout = layout

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
        at = self.site_layout.interval.start + timedelta(seconds=first * self.site_layout.interval_s)
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
            _source("site", self.site_layout.site),
            Source(f"tariff.{self.site_layout.tariff.id}", _one(self.site_layout.tariff.sequence)),
        ]
        for (meter, register), row in self._rows.items():
            if self._readings.sequences[row]:
                found.append(Source(f"readings.{meter}/{register}", self._readings.sequences[row]))
        return tuple(found)


def _site_inputs(
    layout: SiteLayout,
    contract: Contract,
    month: Month,
    readings: _Readings,
    markets: SiteMarkets,
    stored: Mapping[str, Stored],
) -> SiteInputs:
    rows = _Site(layout, readings[layout.interval, layout.interval_s])
    whole = slice(0, layout.interval.seconds // layout.interval_s)
    covered = covered_by(contract, month)
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


def _intervals(layout: SiteLayout, instant: datetime) -> int:
    return max(0, int((instant - layout.interval.start).total_seconds()) // layout.interval_s)


def _source(kind: str, recorded: Recorded[Contract] | Recorded[Site]) -> Source:
    return Source(f"{kind}.{recorded.id}", _one(recorded.sequence))


def _one(sequence: int) -> tuple[tuple[int, int], ...]:
    return ((sequence, sequence),)
