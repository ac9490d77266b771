"""What markets told about the sites of a month, with the metered history that baselines need."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from adapters.postgres.database import Connection
from adapters.queries import market_inputs, meter_month
from adapters.queries.contracts_in_force import covered_by, local_month
from adapters.queries.market_inputs import Profiles, Told
from adapters.queries.meter_month import MISSING, Key, MeterMonth
from adapters.queries.registered import Recorded
from adapters.queries.site_layout import SiteLayout
from ledger.contract import Contract
from ledger.interval import Interval, Month, zone_of
from ledger.meter import Meter
from ledger.readings import Register as EnergyRegister
from ledger.settlement.line import Source
from ledger.settlement.markets.month import MarketMonth, SpotPricesOf
from ledger.site import Site
from ledger.streams.baseline import Profile

_SITES_AT_ONCE: Final = 64
"""Their three months of quarter-hours are some ten megabytes."""


class SiteMarkets:
    """What markets told about the sites of the month; their history is read where a baseline needs it."""

    def __init__(
        self,
        connection: Connection,
        book: str,
        position: int,
        layouts: Iterable[list[SiteLayout]],
        month: Month,
        contracts: Iterable[Contract],
    ) -> None:
        """`contracts` are all that hold in the month, those that are not settled now too."""
        self._connection, self._book, self._position = connection, book, position
        self._month, self._contracts = month, tuple(contracts)
        self._prices: dict[tuple[object, ...], tuple[SpotPricesOf, tuple[Source, ...]]] = {}
        self._history: dict[str, Profiles] = {}
        flat = [layout for group in layouts for layout in group]
        self._told = market_inputs.told(connection, {one.site.id: one.month for one in flat}, position)
        self._waiting: dict[tuple[Interval, int], list[SiteLayout]] = defaultdict(list)
        for layout in flat:
            known = self._told.get(layout.site.id)
            if known is not None and known.needs_history:
                self._waiting[layout.month, layout.interval_s].append(layout)

    def of(self, layout: SiteLayout, covered: Interval) -> MarketMonth | None:
        """The site's market month in the contract's days; None where no market told anything."""
        known = self._told.get(layout.site.id)
        if known is None:
            return None
        known = _so_far(known, layout)
        profiles = self._profiles(layout) if known.needs_history else Profiles(None, None)
        found = market_inputs.market_month(
            self._connection, self._position, known, layout.site, covered, profiles, self._prices
        )
        return found._replace(uncovered=self._uncovered(layout.site.document))

    def _uncovered(self, site: Site) -> tuple[Interval, ...]:
        held = [one for one in self._contracts if site.id in one.sites]
        return uncovered([covered_by(one, self._month) for one in held], local_month(self._month, site.zone))

    def _profiles(self, layout: SiteLayout) -> Profiles:
        """The site's history, read with that of the sites asked for next: one question for many."""
        if layout.site.id not in self._history:
            waiting = self._waiting[layout.month, layout.interval_s]
            at = waiting.index(layout)
            self._history = self._read(waiting[at : at + _SITES_AT_ONCE])
        return self._history.pop(layout.site.id)

    def _read(self, layouts: Sequence[SiteLayout]) -> dict[str, Profiles]:
        first = layouts[0]
        span = Interval(first.month.start - market_inputs.HISTORY, first.month.end)
        keys = [key for layout in layouts for key in layout.keys]
        found = meter_month.load(self._connection, self._book, keys, span, first.interval_s, self._position)
        rows = {key: row for row, key in enumerate(found.keys)}
        return {layout.site.id: profiles_of(layout, span, found, rows) for layout in layouts}


def uncovered(held: Iterable[Interval], month: Interval) -> tuple[Interval, ...]:
    """The times of the month that none of `held` covers."""
    found: list[Interval] = []
    reached = month.start
    for one in sorted(held, key=lambda interval: interval.start):
        if reached < one.start:
            found.append(Interval(reached, one.start))
        reached = max(reached, one.end)
    if reached < month.end:
        found.append(Interval(reached, month.end))
    return tuple(found)


def _so_far(known: Told, layout: SiteLayout) -> Told:
    """Without statements that reach beyond a provisional run's last day: the month's end has them."""
    zone = layout.site.document.zone
    month = Month.of(layout.month.start.astimezone(zone_of(zone)).date())
    if not known.allocated or layout.month.end == local_month(month, zone).end:
        return known
    ended = tuple(one for one in known.allocated if one.share.interval.end <= layout.month.end)
    return known._replace(allocated=ended)


def profiles_of(layout: SiteLayout, span: Interval, found: MeterMonth, rows: Mapping[Key, int]) -> Profiles:
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
