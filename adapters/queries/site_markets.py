"""What markets told about the sites of a month, with the metered history that baselines need."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from adapters.postgres.database import Connection
from adapters.queries import market_inputs, site_profiles
from adapters.queries.contracts_in_force import covered_by, local_month
from adapters.queries.market_inputs import SitesTold, Told
from adapters.queries.read_ahead import Asked, ReadAhead
from adapters.queries.site_layout import SiteLayout
from adapters.queries.site_profiles import SITES_AT_ONCE, MonthRows, Profiles
from ledger.contract import Contract
from ledger.interval import Interval, Month, zone_of
from ledger.settlement.line import Source
from ledger.settlement.markets.month import MarketMonth, SpotPricesOf
from ledger.site import Site


class SiteMarkets:
    """What markets told about the sites of the month, which are taken some at a time."""

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
        self._connection, self._position = connection, position
        self._month, self._contracts = month, tuple(contracts)
        self._prices: dict[tuple[object, ...], tuple[SpotPricesOf | None, tuple[Source, ...]]] = {}
        months = {layout.site.id: layout.month for group in layouts for layout in group}
        self._everything = SitesTold(connection, book, months, position)

    def take(self, layouts: Iterable[SiteLayout], readings: ReadAhead) -> TakenSites:
        """What was told of these sites; their history is among `readings`.

        Raises:
            Refused: as `SitesTold.of`.
        """
        found = ((layout, self._everything.of(layout.site.id)) for layout in layouts)
        return TakenSites(self, readings, [(layout, known) for layout, known in found if known is not None])

    def market_month(
        self, layout: SiteLayout, covered: Interval, known: Told, profiles: Profiles
    ) -> MarketMonth:
        """A site's market month in the contract's days."""
        known = _so_far(known, layout)
        found = market_inputs.market_month(
            self._connection, self._position, known, layout.site, covered, profiles, self._prices
        )
        return found._replace(uncovered=self._uncovered(layout.site.document))

    def _uncovered(self, site: Site) -> tuple[Interval, ...]:
        held = [one for one in self._contracts if site.id in one.sites]
        return uncovered([covered_by(one, self._month) for one in held], local_month(self._month, site.zone))


class TakenSites:
    """Sites of a month and what was told of them; their history is read where a baseline needs it."""

    def __init__(
        self, markets: SiteMarkets, readings: ReadAhead, told: Sequence[tuple[SiteLayout, Told]]
    ) -> None:
        self._markets, self._readings = markets, readings
        self._told = {layout.site.id: known for layout, known in told}
        self._history: dict[str, Profiles] = {}
        alike: dict[tuple[Interval, int], list[SiteLayout]] = defaultdict(list)
        for layout, known in told:
            if known.needs_history:
                alike[layout.month, layout.interval_s].append(layout)
        self._together = [
            sites[first : first + SITES_AT_ONCE]
            for sites in alike.values()
            for first in range(0, len(sites), SITES_AT_ONCE)
        ]

    def expected(self) -> Iterator[Asked]:
        """The history that will be read, where the month's readings are there already."""
        for layouts in self._together:
            yield site_profiles.asked(layouts, layouts[0].month, before=_whole_months(layouts))

    def of(
        self,
        layout: SiteLayout,
        covered: Interval,
        read: Mapping[tuple[Interval, int], MonthRows] | None = None,
    ) -> MarketMonth | None:
        """The market month in the contract's days of a site; None where no market told anything. `read`: what
        was read of meters already, by time and interval length."""
        known = self._told.get(layout.site.id)
        if known is None:
            return None
        profiles = self._profiles(layout, read or {}) if known.needs_history else Profiles(None, None)
        return self._markets.market_month(layout, covered, known, profiles)

    def _profiles(self, layout: SiteLayout, read: Mapping[tuple[Interval, int], MonthRows]) -> Profiles:
        """The site's history, read with that of sites asked for next: one question for many."""
        if layout.site.id not in self._history:
            layouts = next(some for some in self._together if layout in some)
            month = read.get((layout.month, layout.interval_s)) if _whole_months(layouts) else None
            self._history = site_profiles.load(self._readings, layouts, layout.month, month)
        return self._history.pop(layout.site.id)


def _whole_months(layouts: Sequence[SiteLayout]) -> bool:
    """Whether all that is read of the sites' meters is read of the month; of one that is no billing cycle
    only the storage's registers are."""
    return all(layout.interval == layout.month for layout in layouts)


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
