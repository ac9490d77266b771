"""A site's metered consumption, with the history that baselines look back to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from adapters.queries.meter_month import MISSING, Key, MeterMonth
from adapters.queries.read_ahead import Asked, ReadAhead
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


def asked(layouts: Sequence[SiteLayout], month: Interval, *, before: bool = False) -> Asked:
    """What is read for the profiles of sites whose meters read in one interval length, from `HISTORY` before
    `month` to its end; only what lies `before` it, where the month itself is read already."""
    keys = tuple(key for layout in layouts for key in layout.keys)
    end = month.start if before else month.end
    return Asked(keys, Interval(month.start - HISTORY, end), layouts[0].interval_s)


def load(
    readings: ReadAhead, layouts: Sequence[SiteLayout], month: Interval, read: MonthRows | None = None
) -> dict[str, Profiles]:
    """The profiles, by site, of what is `asked`; `read`: the month's readings if they are there already."""
    question = asked(layouts, month, before=read is not None)
    wh = readings.load(question).wh
    if read is not None:
        wh = np.concatenate([wh, read.readings.wh[[read.rows[key] for key in question.keys]]], axis=1)
    rows = {key: row for row, key in enumerate(question.keys)}
    return {layout.site.id: _of(layout, question.interval.start, wh, rows) for layout in layouts}


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
