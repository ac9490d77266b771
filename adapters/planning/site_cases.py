"""From the book to what a portfolio's sites are planned with: one `SiteCase` a site, and what it rests on.

What is not known is refused by a code that names the site; the other sites are planned without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
import numpy as np

from adapters.planning import registers
from adapters.planning.cases import Cases
from adapters.planning.day_discharge import began_before, taken_out
from adapters.planning.imposed_notes import imposed_notes
from adapters.planning.known_sites import KnownSite, KnownSites
from adapters.planning.matrix import policy_name
from adapters.planning.peak_cases import PeakAsked, Targets
from adapters.planning.portfolio import INTERVAL_S, Horizon, Portfolio, day_of, fits
from adapters.planning.redispatching import AdjustAsked, AtSite, adjusted
from adapters.planning.site_limits import limits_of
from adapters.planning.site_power import Expected, Metered, expected
from adapters.planning.starts import Starts
from adapters.planning.streams import FreeSite, Streams, StreamsAsked, streams_of
from adapters.planning.taken import Taken, takings
from adapters.planning.tariff_prices import micro_of
from adapters.postgres.database import Connection
from adapters.queries.recorded_plans import newest_number
from dispatch.plan_check import SiteLimits
from dispatch.planning.site_case import SiteCase
from ledger.demand import averaging_s
from ledger.refusal import Refused
from ledger.site import Site


class Asked(NamedTuple):
    """Whose plan over which time, as of which sequence number.

    `stored_wh` is what telemetry says of sites at the start, in place of what the plan before it says.
    """

    portfolio: Portfolio
    horizon: Horizon
    position: int
    stored_wh: Mapping[str, int] = {}
    targets: Targets | None = None
    """Found before, where the asker keeps them."""
    now: datetime | None = None
    """When the plan is made: gates that are closed by then trade no more, and limits that are over by then
    hold no more. None: nothing is traded."""


def interval_of(connection: Connection, position: int, portfolio: Portfolio, instant: datetime) -> int:
    """The length over which all its sites' demand is averaged, such as 900 s; 900 where they differ, or
    where such intervals do not begin together on all their clocks."""
    sites = registers.of(connection, "site", Site, position, portfolio.sites)
    lengths: set[int] = set()
    zones = {portfolio.zone}
    for name in portfolio.sites:
        site = sites.at(name, instant)
        if site is None:
            continue
        zones |= {site.document.zone}
        if site.document.account.demand is not None:
            length = averaging_s(site.document.account.demand)
            lengths |= set() if length is None else {length}
    length = lengths.pop() if len(lengths) == 1 else INTERVAL_S
    return length if fits(length, zones, instant) else INTERVAL_S


def site_cases(connection: Connection, book: str, asked: Asked) -> Cases:
    """The cases of all sites that can be planned.

    The horizon ends where the first site's prices do.

    Raises:
        Refused: what stands in the way of the last site, when none can be planned.
        Discontinuity: a row that is read was changed.
    """
    return _Reading(connection, book, asked).cases()


class _Reading:
    def __init__(self, connection: Connection, book: str, asked: Asked) -> None:
        self._connection, self._book, self._asked = connection, book, asked
        self._known = KnownSites(connection, asked.portfolio.sites, asked.horizon, asked.position)
        self._starts = Starts(
            connection, asked.portfolio.id, asked.portfolio.sites, asked.horizon.start, asked.position,
            asked.stored_wh,
        )  # fmt: skip
        self._targets = asked.targets or Targets()

    def cases(self) -> Cases:
        asked = self._asked
        known: dict[str, KnownSite] = {}
        refused: list[Refused] = []
        for name in asked.portfolio.sites:
            try:
                known[name] = self._known.of(name)
            except Refused as problem:
                refused.append(_of_site(problem, name))
        if not known:
            raise refused[-1]
        self._known.check(known)
        count = min(len(one.priced.buy_micro) for one in known.values())
        horizon = asked.horizon.cut(count)
        notes = [note for one in known.values() for note in one.demand.notes]
        if count < asked.horizon.count:
            ends = next(one.priced.ends for one in known.values() if len(one.priced.buy_micro) == count)
            notes.insert(0, f"{count} of {asked.horizon.count} intervals: {ends}")
        for name, one in known.items():
            if self._known.terms_change(one, horizon.end):
                notes.append(f"{name}: the terms of its storage change within the horizon; the first hold")
        taken = takings(self._connection, asked.position, asked.portfolio, horizon)
        metered = [
            Metered(
                one.site.document,
                one.meters,
                one.demand.since,
                one.demand.peak_s,
                began_before(one.terms.document, one.site.document.zone, horizon),
            )
            for one in known.values()
        ]
        streams = self._streams(known, taken.of, horizon)
        spot = frozenset[str]() if streams.spot is None else streams.spot.sites
        offers = {} if streams.regulation is None else streams.regulation.site_w
        rests_on = [*taken.rests_on, *streams.rests_on]
        offered: list[AtSite] = []
        powers: dict[str, Expected] = {}
        discharged: dict[str, int] = {}
        for name, power in expected(self._connection, self._book, metered, horizon, asked.position):
            try:
                if isinstance(power, Refused):
                    raise power
                used, note = self._day_so_far(known[name], power, horizon)
                start = self._starts.of(known[name])
                limits = limits_of(known[name], power, horizon, start, used or 0, self._asked.now)
                case = _case(known[name], power, limits)
            except Refused as problem:
                refused.append(_of_site(problem, name))
                continue
            powers[name] = power
            if used is not None:
                discharged[name] = used
            notes += [note] if note else []
            offered.append(AtSite(case, known[name].site.document))
            rests_on += (*known[name].rests_on, *power.rests_on, start.source)
            notes += imposed_notes(self._connection, known[name], horizon, self._asked.now)
            notes += power.notes
        shared = frozenset(known) - taken.others
        again = adjusted(
            self._connection,
            asked.position,
            AdjustAsked(asked.portfolio, horizon, asked.now, shared),
            offered,
            taken.of,
        )
        rests_on += again.rests_on
        notes += again.notes
        cases: list[SiteCase] = []
        guarded: list[SiteCase] = []
        peaks: dict[str, int] = {}
        for case, site in offered:
            name = site.id
            left = again.taken.get(name)
            if left is not None:
                case = msgspec.structs.replace(case, limits=left.left_of(case.limits))
            case = msgspec.structs.replace(case, spot=name in spot, regulation_w_max=offers.get(name, 0))
            cases.append(case)
            held, peak_w, note = self._guarded(known[name], powers[name], case, horizon, left)
            guarded.append(held)
            if peak_w is not None:
                peaks[name] = peak_w
            notes += [note] if note else []
        if not cases:
            raise refused[-1]
        day = day_of(asked.portfolio.zone, horizon.start)
        return Cases(
            position=asked.position,
            horizon=horizon,
            cases=tuple(cases),
            guarded=tuple(guarded),
            peak_w=peaks,
            discharged_wh=discharged,
            streams=streams,
            whole=tuple(one.case.limits for one in offered),
            taken=again.taken,
            reasons=again.reasons,
            refused=tuple(refused),
            rests_on=tuple(dict.fromkeys(rests_on)),
            notes=tuple(notes),
            before=self._starts.holding,
            number=newest_number(self._connection, asked.position, asked.portfolio.id, day),
        )

    def _streams(
        self, known: Mapping[str, KnownSite], taken: Mapping[str, Taken], horizon: Horizon
    ) -> Streams:
        asked = self._asked
        if asked.now is None:
            return Streams()
        sites = [
            FreeSite(
                one.site.document,
                one.tariff.document,
                one.barred,
                policy_name(None if one.contract is None else one.contract.document.exclusivity),
            )
            for name, one in known.items()
            if name not in taken
        ]
        return streams_of(
            self._connection,
            asked.position,
            StreamsAsked(portfolio=asked.portfolio, horizon=horizon, sites=sites, now=asked.now),
        )

    def _guarded(
        self, one: KnownSite, power: Expected, case: SiteCase, horizon: Horizon, left: Taken | None
    ) -> tuple[SiteCase, int | None, str]:
        """The case with its reserve, the peak to hold, and why there is none."""
        until, name = one.demand.until, one.site.id
        if until is None or not case.peak_price_micro:
            return case, None, ""
        if power.seen is None:
            return case, None, f"{name}: no peak target: no meter tells what it uses behind its storage"
        zone = one.site.document.zone
        moved = np.zeros(horizon.count, dtype=np.int64) if left is None else left.path_w
        asked = PeakAsked(case, power.seen, self._known.day_micro(one), until, zone, moved)
        found = self._targets.guarded(asked, horizon)
        if isinstance(found, str):
            return case, None, f"{name}: {found}"
        return found.case, found.target_w, ""

    def _day_so_far(self, one: KnownSite, power: Expected, horizon: Horizon) -> tuple[int | None, str]:
        terms, zone = one.terms.document, one.site.document.zone
        if terms.day_discharge_wh is None:
            return None, ""
        began = began_before(terms, zone, horizon)
        if began is None:
            return 0, ""
        return taken_out(one.site.id, terms, power.discharged, (began, horizon.start), self._starts.leading)


def _case(one: KnownSite, power: Expected, limits: SiteLimits) -> SiteCase:
    terms, site, count = one.terms.document, one.site.document, len(limits.load_w)
    price = site.account.export_price
    sell = 0 if price is None else micro_of(price)
    case = SiteCase(
        limits=limits,
        buy_micro=one.priced.buy_micro[:count],
        sell_micro=np.full(count, sell, dtype=np.int64),
        end_wh=terms.end_wh,
        peak_w=max(power.peak_w, one.demand.least_w),
        peak_price_micro=one.demand.price_micro,
        wear_micro=terms.wear_micro,
        barred=one.barred,
        weights={stream: permille * 1000 for stream, permille in terms.stream_permille.items()},
    )
    case.to_optimise()
    return case


def _of_site(refused: Refused, name: str) -> Refused:
    place = f"site {name}"
    if name in refused.place:
        return refused
    reason = f"{refused.reason} ({refused.place})" if refused.place else refused.reason
    return Refused(refused.code, reason, place=place)


def refusals(refused: Sequence[Refused]) -> tuple[str, ...]:
    """As a plan's head tells them."""
    return tuple(f"{one.place}: {one.code}: {one.reason}" for one in refused)
