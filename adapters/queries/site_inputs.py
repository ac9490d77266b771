"""What one site's month is settled from: its meters' readings by what they measure, and what markets told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from adapters.queries.contracts_in_force import covered_by, local_month
from adapters.queries.cycle_days import contract_days, refuse_tail
from adapters.queries.meter_month import MISSING
from adapters.queries.opening_stock import Opening
from adapters.queries.registered import Recorded
from adapters.queries.site_layout import SiteLayout, billing_interval
from adapters.queries.site_markets import TakenSites
from adapters.queries.site_profiles import MonthRows
from ledger.contract import Contract
from ledger.interval import Interval, Month
from ledger.meter import Meter
from ledger.metering.estimated_share import EstimatedShare, estimated_share
from ledger.power_factor import Reactive
from ledger.readings import REACTIVE
from ledger.readings import Register as EnergyRegister
from ledger.refusal import Refused
from ledger.settlement.inputs import MonthEnergy, SiteInputs
from ledger.settlement.line import Source
from ledger.storage_saving import FeederEnergy

_ACTUAL: Final = ord("A")
"""The first quality letter; every other one stands for a value that was not measured."""

Readings = Mapping[tuple[Interval, int], MonthRows]
"""By time and interval length."""


def one_event(sequence: int) -> tuple[tuple[int, int], ...]:
    """As a source states it."""
    return ((sequence, sequence),)


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
            Source(f"site.{self._layout.site.id}", one_event(self._layout.site.sequence)),
            Source(f"tariff.{self._layout.tariff.id}", one_event(self._layout.tariff.sequence)),
        ]
        return (*found, *self.readings())

    def readings(self) -> tuple[Source, ...]:
        return tuple(
            Source(f"readings.{meter}/{register}", self._readings.sequences[row])
            for (meter, register), row in self._rows.items()
            if self._readings.sequences[row]
        )


def site_inputs(
    layout: SiteLayout,
    contract: Contract,
    versions: Sequence[Recorded[Contract]],
    month: Month,
    readings: Readings,
    markets: TakenSites,
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
    market = markets.of(layout, covered, readings)
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
    layout: SiteLayout, readings: Readings, month: Month, covered: Interval
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
