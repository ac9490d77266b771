"""What one site's market streams of a month are settled from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ledger.allocation.unit_allocation import SiteAllocation
from ledger.interval import Interval
from ledger.market_price import PriceSeries
from ledger.settlement.line import Source
from ledger.streams import Fact, Rule
from ledger.streams.baseline import Profile
from ledger.streams.demand_response import DemandResponseInvitation, DemandResponseOutage


class SpotPricesOf(NamedTuple):
    """The published series at a site's price point; `reference` where contracts settle elsewhere.

    `day_ahead` is None where the real-time price is enough: for energy under AGC, and where a market has one
    settlement.
    """

    day_ahead: PriceSeries | None
    real_time: PriceSeries
    reference: PriceSeries | None


class MarketMonth(NamedTuple):
    """One site's: `interval` is the contract's part of the month, `facts` the versions in force.

    `facts` hold what market-wide facts the site's rules need, and demand response of earlier days too:
    a baseline leaves out the days of other events. `grid` is the consumption at the grid connection, with
    the storage, and `storage` the storage's own; both reach back as far as baselines look.
    """

    interval: Interval
    rules: dict[str, Rule]
    facts: tuple[Fact, ...]
    spot: SpotPricesOf | None
    grid: Profile | None
    storage: Profile | None
    sources: tuple[Source, ...]
    allocated: tuple[SiteAllocation, ...] = ()
    """The site's shares of what markets told about trading units."""
    uncovered: tuple[Interval, ...] = ()
    """The days of the month in which the site is under no contract."""

    @property
    def used_rules(self) -> dict[str, Rule]:
        """The rules that what is settled rests on: those of what was told of the site in the settled time,
        with an event among it those of other events, whose windows its baseline leaves out, and those under
        which AGC moved it as a member of a trading unit.

        An outage by itself pays nothing, and what was told of a market as a whole is about the sites that
        stood in it.
        """
        own = [fact for fact in self.facts if hasattr(fact, "site")]
        told = [
            fact
            for fact in own
            if fact.interval.overlaps(self.interval) and not isinstance(fact, DemandResponseOutage)
        ]
        names = {fact.rule for fact in told}
        called = (one.share.under_agc for one in self.allocated)
        names |= {agc.rule for agc in called if agc is not None}
        if any(isinstance(fact, DemandResponseInvitation) for fact in told):
            names |= {fact.rule for fact in own if isinstance(fact, DemandResponseInvitation)}
        return {name: rule for name, rule in self.rules.items() if name in names}

    def prices(self) -> object:
        """The published prices, for a digest."""
        return None if self.spot is None else [_series(one) for one in self.spot]

    def readings(self) -> list[npt.NDArray[np.int64]]:
        """The metered history, for a digest: energies, then which are missing."""
        found: list[npt.NDArray[np.int64]] = []
        for profile in (self.grid, self.storage):
            if profile is not None:
                found += [np.where(profile.missing, 0, profile.wh), profile.missing.astype(np.int64)]
        return found


def nothing_told(interval: Interval) -> MarketMonth:
    """The market month of a site of which no market told anything."""
    return MarketMonth(interval, {}, (), None, None, None, ())


def _series(series: PriceSeries | None) -> object:
    if series is None:
        return None
    blocks = [(block.start, block.scale, block.mantissas.tolist()) for block in series.blocks]
    return [series.market, series.node, series.product, series.interval_s, series.currency, blocks]
