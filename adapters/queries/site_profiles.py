"""A site's metered consumption, with the history that baselines look back to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from adapters.postgres.database import Connection
from adapters.queries import meter_month
from adapters.queries.meter_month import MISSING, Key, MeterMonth
from adapters.queries.registered import Recorded
from adapters.queries.site_layout import SiteLayout
from ledger.interval import Interval
from ledger.meter import Meter
from ledger.readings import Register as EnergyRegister
from ledger.streams.baseline import Profile

HISTORY: Final = timedelta(days=60)
"""How far back the facts and readings for baselines reach: farther than any method's pool of days."""

SITES_AT_ONCE: Final = 64
"""Their three months of quarter-hours are some ten megabytes."""


class Profiles(NamedTuple):
    """A site's consumption at the grid connection, with the storage, and the storage's own."""

    grid: Profile | None
    storage: Profile | None


class MonthRows(NamedTuple):
    """What was read of many meters for a month, and which row holds which register."""

    readings: MeterMonth
    rows: Mapping[Key, int]


def load(
    connection: Connection,
    book: str,
    layouts: Sequence[SiteLayout],
    month: Interval,
    position: int,
    read: MonthRows | None = None,
) -> dict[str, Profiles]:
    """The profiles of sites whose meters read in one interval length, by site, from `HISTORY` before `month`
    to its end. Where the month's readings are there already as `read`, only those before it are read."""
    keys = [key for layout in layouts for key in layout.keys]
    span = Interval(month.start - HISTORY, month.end if read is None else month.start)
    wh = meter_month.load(connection, book, keys, span, layouts[0].interval_s, position).wh
    if read is not None:
        wh = np.concatenate([wh, read.readings.wh[[read.rows[key] for key in keys]]], axis=1)
    rows = {key: row for row, key in enumerate(keys)}
    return {layout.site.id: _of(layout, span.start, wh, rows) for layout in layouts}


def _of(layout: SiteLayout, start: datetime, wh: npt.NDArray[np.int64], rows: Mapping[Key, int]) -> Profiles:
    """The site's consumption from `start` on, of the rows that its meters have in `wh`."""

    def summed(
        *terms: tuple[int, Sequence[Recorded[Meter]], EnergyRegister], beside: Profile | None = None
    ) -> Profile:
        count = wh.shape[1]
        total, missing = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.bool_)
        if beside is not None:
            total, missing = beside.wh.copy(), beside.missing.copy()
        for sign, meters, register in terms:
            for meter in meters:
                if register in meter.document.registers:
                    row = wh[rows[meter.id, register]]
                    gaps = row == MISSING
                    missing |= gaps
                    total += sign * np.where(gaps, 0, row)
        return Profile(start, layout.interval_s, layout.site.document.zone, total, missing)

    storage = summed((1, layout.storage, "charge"), (-1, layout.storage, "discharge"))
    if layout.grid:
        return Profiles(summed((1, layout.grid, "import"), (-1, layout.grid, "export")), storage)
    if layout.load:
        return Profiles(
            summed(
                (1, layout.load, "load"),
                (1, layout.load, "import"),
                (-1, layout.pv, "pv"),
                beside=storage,
            ),
            storage,
        )
    return Profiles(None, storage)
