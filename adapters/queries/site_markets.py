"""What markets told about the sites of a month, with the metered history that baselines need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from adapters.postgres.database import Connection
from adapters.queries import market_inputs, meter_month
from adapters.queries.market_inputs import Profiles
from adapters.queries.meter_month import MISSING
from adapters.queries.registered import Recorded
from adapters.queries.site_layout import SiteLayout
from ledger.interval import Interval
from ledger.meter import Meter
from ledger.readings import Register as EnergyRegister
from ledger.settlement.line import Source
from ledger.settlement.markets.month import MarketMonth, SpotPricesOf
from ledger.streams.baseline import Profile


class SiteMarkets:
    """What markets told about the sites of the month; their history is read where a baseline needs it."""

    def __init__(
        self, connection: Connection, book: str, position: int, layouts: Iterable[list[SiteLayout]]
    ) -> None:
        self._connection, self._book, self._position = connection, book, position
        self._prices: dict[tuple[object, ...], tuple[SpotPricesOf, tuple[Source, ...]]] = {}
        flat = [layout for group in layouts for layout in group]
        whole = Interval(min(one.interval.start for one in flat), max(one.interval.end for one in flat))
        self._told = market_inputs.told(connection, [one.site.id for one in flat], whole, position)

    def of(self, layout: SiteLayout, covered: Interval) -> MarketMonth | None:
        """The site's market month in the contract's days; None where no market told anything."""
        known = self._told.get(layout.site.id)
        if known is None:
            return None
        profiles = self._profiles(layout) if known.needs_history else Profiles(None, None)
        return market_inputs.market_month(
            self._connection, self._position, known, layout.site, covered, profiles, self._prices
        )

    def _profiles(self, layout: SiteLayout) -> Profiles:
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
