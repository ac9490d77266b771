"""A site's metered consumption, with the history that baselines look back to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final, NamedTuple

import numpy as np

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


def load(
    connection: Connection, book: str, layouts: Sequence[SiteLayout], span: Interval, position: int
) -> dict[str, Profiles]:
    """The profiles of sites whose meters read in one interval length, by site."""
    keys = [key for layout in layouts for key in layout.keys]
    found = meter_month.load(connection, book, keys, span, layouts[0].interval_s, position)
    rows = {key: row for row, key in enumerate(found.keys)}
    return {layout.site.id: _of(layout, span, found, rows) for layout in layouts}


def _of(layout: SiteLayout, span: Interval, found: MeterMonth, rows: Mapping[Key, int]) -> Profiles:
    """The site's consumption over `span`, of the rows that its meters have in `found`."""

    def summed(*terms: tuple[int, Sequence[Recorded[Meter]], EnergyRegister]) -> Profile:
        count = found.wh.shape[1]
        total, missing = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.bool_)
        for sign, meters, register in terms:
            for meter in meters:
                if register in meter.document.registers:
                    row = found.wh[rows[meter.id, register]]
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
