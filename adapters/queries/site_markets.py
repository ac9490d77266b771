"""What markets told about the sites of a month, with the metered history that baselines need."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from adapters.postgres.database import Connection
from adapters.queries import market_inputs, site_profiles
from adapters.queries.contracts_in_force import covered_by, local_month
from adapters.queries.market_inputs import SitesTold, Told
from adapters.queries.site_layout import SiteLayout
from adapters.queries.site_profiles import SITES_AT_ONCE, MonthRows, Profiles
from ledger.contract import Contract
from ledger.interval import Interval, Month, zone_of
from ledger.settlement.line import Source
from ledger.settlement.markets.month import MarketMonth, SpotPricesOf
from ledger.site import Site


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
        self._prices: dict[tuple[object, ...], tuple[SpotPricesOf | None, tuple[Source, ...]]] = {}
        months = {layout.site.id: layout.month for group in layouts for layout in group}
        self._everything = SitesTold(connection, book, months, position)
        self._told: dict[str, Told] = {}
        self._read_already: Mapping[tuple[Interval, int], MonthRows] = {}
        self._history: dict[str, Profiles] = {}
        self._waiting: dict[tuple[Interval, int], list[SiteLayout]] = {}

    def take(
        self, layouts: Iterable[SiteLayout], read: Mapping[tuple[Interval, int], MonthRows] | None = None
    ) -> SiteMarkets:
        """These sites are asked for next, and those before them no more. `read`: what was read of their
        meters already, by time and interval length.

        Raises:
            Refused: as `SitesTold.of`.
        """
        self._told, self._history, self._waiting = {}, {}, defaultdict(list)
        self._read_already = read or {}
        for layout in layouts:
            known = self._everything.of(layout.site.id)
            if known is not None:
                self._told[layout.site.id] = known
                if known.needs_history:
                    self._waiting[layout.month, layout.interval_s].append(layout)
        return self

    def of(self, layout: SiteLayout, covered: Interval) -> MarketMonth | None:
        """The market month in the contract's days of a site that was taken; None where no market told
        anything."""
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
            self._history = self._read(waiting[at : at + SITES_AT_ONCE])
        return self._history.pop(layout.site.id)

    def _read(self, layouts: Sequence[SiteLayout]) -> dict[str, Profiles]:
        first = layouts[0]
        month = self._read_already.get((first.month, first.interval_s))
        if month is not None and any(layout.interval != first.month for layout in layouts):
            month = None  # The storage's registers alone were read of a month that is no billing cycle.
        return site_profiles.load(self._connection, self._book, layouts, first.month, self._position, month)


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
