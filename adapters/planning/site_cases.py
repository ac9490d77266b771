"""From the book to what a portfolio's sites are planned with: one `SiteCase` a site, and what it rests on.

What is not known is refused by a code that names the site; the other sites are planned without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
import numpy as np

from adapters.integrity.registered_rows import Read, check_read
from adapters.planning import registers
from adapters.planning.cases import Cases
from adapters.planning.day_discharge import began_before, taken_out
from adapters.planning.demand_price import DemandPrice, demand_price
from adapters.planning.matrix import policy_name
from adapters.planning.peak_cases import PeakAsked, Targets
from adapters.planning.portfolio import (
    INTERVAL_S,
    Horizon,
    Portfolio,
    day_of,
    horizon_of_days,
    local_days,
)
from adapters.planning.redispatching import AdjustAsked, AtSite, adjusted
from adapters.planning.seen_storage import seen_at, stored_at
from adapters.planning.site_power import Expected, Metered, expected
from adapters.planning.streams import FreeSite, Streams, StreamsAsked, streams_of
from adapters.planning.taken import Taken, takings
from adapters.planning.tariff_prices import Priced, micro_of, prices_of
from adapters.postgres.database import Connection
from adapters.queries import registered
from adapters.queries.contracts_in_force import held_at
from adapters.queries.recorded_plans import RecordedPlan, newest_number, plan_at
from adapters.queries.registered import Recorded, Register, last_holding
from dispatch.optimiser.site import PLAN_STREAMS, PlanStream
from dispatch.plan_check import SiteLimits
from dispatch.planning.imposed_limit import ImposedLimit
from dispatch.planning.site_case import SiteCase
from dispatch.planning.storage_terms import StorageTerms
from ledger.contract import Contract
from ledger.demand import averaging_s
from ledger.meter import Meter
from ledger.refusal import Refused
from ledger.site import Site
from ledger.tariff import Tariff


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
    """When the plan is made: gates that are closed by then trade no more. None: nothing is traded."""


def interval_of(connection: Connection, position: int, portfolio: Portfolio, instant: datetime) -> int:
    """The length over which all its sites' demand is averaged, such as 900 s; 900 where they differ."""
    sites = registers.of(connection, "site", Site, position, portfolio.sites)
    lengths: set[int] = set()
    for name in portfolio.sites:
        site = sites.at(name, instant)
        if site is not None and site.document.account.demand is not None:
            length = averaging_s(site.document.account.demand)
            lengths |= set() if length is None else {length}
    return lengths.pop() if len(lengths) == 1 else INTERVAL_S


def site_cases(connection: Connection, book: str, asked: Asked) -> Cases:
    """The cases of all sites that can be planned.

    The horizon ends where the first site's prices do.

    Raises:
        Refused: what stands in the way of the last site, when none can be planned.
        Discontinuity: a row that is read was changed.
    """
    return _Reading(connection, book, asked).cases()


class _Known(NamedTuple):
    site: Recorded[Site]
    terms: Recorded[StorageTerms]
    imposed: tuple[Recorded[ImposedLimit], ...]
    contract: Recorded[Contract] | None
    tariff: Recorded[Tariff]
    meters: tuple[Meter, ...]
    priced: Priced
    demand: DemandPrice

    @property
    def rests_on(self) -> tuple[str, ...]:
        found = [f"site.{self.site.id}", f"storage.{self.terms.id}", f"tariff.{self.tariff.id}"]
        versions = [self.site.version, self.terms.version, self.tariff.version]
        if self.imposed:
            found.append(f"storage_limit.{self.imposed[-1].id}")
            versions.append(self.imposed[-1].version)
        if self.contract is not None:
            found.append(f"contract.{self.contract.id}")
            versions.append(self.contract.version)
        return tuple(f"{name} v{version}" for name, version in zip(found, versions, strict=True))


class _Reading:
    def __init__(self, connection: Connection, book: str, asked: Asked) -> None:
        self._connection, self._book, self._asked = connection, book, asked
        position, sites = asked.position, asked.portfolio.sites
        self._sites = registers.of(connection, "site", Site, position, sites)
        self._terms = registers.of(connection, "storage", StorageTerms, position, sites)
        self._imposed = registers.of(connection, "storage_limit", ImposedLimit, position, sites)
        self._contracts = registers.contracts_of(connection, position, sites)
        self._tariffs = registered.load(connection, "tariff", Tariff, position)
        self._meters = _by_site(registers.meters_of(connection, position, sites), asked.horizon.start)
        self._seen = seen_at(connection, position, sites, asked.horizon.start)
        self._targets = asked.targets or Targets()
        self._prices: dict[tuple[str, datetime, int, int], Priced] = {}

    def cases(self) -> Cases:
        asked = self._asked
        known: dict[str, _Known] = {}
        refused: list[Refused] = []
        for name in asked.portfolio.sites:
            try:
                known[name] = self._known(name)
            except Refused as problem:
                refused.append(_of_site(problem, name))
        if not known:
            raise refused[-1]
        self._check(known)
        count = min(len(one.priced.buy_micro) for one in known.values())
        horizon = asked.horizon.cut(count)
        notes = [note for one in known.values() for note in one.demand.notes]
        if count < asked.horizon.count:
            ends = next(one.priced.ends for one in known.values() if len(one.priced.buy_micro) == count)
            notes.insert(0, f"{count} of {asked.horizon.count} intervals: {ends}")
        for name, one in known.items():
            later = self._terms.at(name, horizon.end)
            if later is not one.terms:
                notes.append(f"{name}: the terms of its storage change within the horizon; the first hold")
        before = self._holding()
        led = plan_at(self._connection, asked.position, asked.portfolio.id, horizon.start, leading=True)
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
                used, note = self._day_so_far(known[name], power, horizon, led)
                case, source = self._case(known[name], power, horizon, led, used or 0)
            except Refused as problem:
                refused.append(_of_site(problem, name))
                continue
            powers[name] = power
            if used is not None:
                discharged[name] = used
            notes += [note] if note else []
            offered.append(AtSite(case, known[name].site.document))
            rests_on += (*known[name].rests_on, *power.rests_on, source)
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
            before=before,
            number=newest_number(self._connection, asked.position, asked.portfolio.id, day),
        )

    def _known(self, name: str) -> _Known:
        horizon = self._asked.horizon
        site = self._sites.at(name, horizon.start)
        if site is None:
            raise Refused("unknown_site", f"no site {name!r} is registered at that time", place="site")
        terms = self._terms.at(name, horizon.start)
        if terms is None:
            command = f"wattledger storage terms {name} FILE --from DAY --as WHO"
            wrong = f"nobody stated what its storage may be used for: {command}"
            raise Refused("storage_unstated", wrong, place=f"site {name}")
        tariffs = self._tariffs.versions.get(site.document.tariff)
        if tariffs is None:
            wrong = f"no tariff {site.document.tariff!r} is published"
            raise Refused("unknown_tariff", wrong, place=f"site {name}")
        demand = demand_price(site.document, tariffs[-1].document, horizon)
        return _Known(
            site,
            terms,
            self._imposed.versions.get(name, ()),
            self._contract(name),
            tariffs[-1],
            self._meters.get(name, ()),
            self._priced(tariffs[-1], horizon),
            demand,
        )

    def _streams(self, known: Mapping[str, _Known], taken: Mapping[str, Taken], horizon: Horizon) -> Streams:
        asked = self._asked
        if asked.now is None:
            return Streams()
        sites = [
            FreeSite(
                one.site.document,
                one.tariff.document,
                _barred(one.contract),
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

    def _contract(self, site: str) -> Recorded[Contract] | None:
        for versions in self._contracts.versions.values():
            held = held_at(versions, self._asked.horizon.start)
            if held is not None and site in held.document.sites:
                return held
        return None

    def _guarded(
        self, one: _Known, power: Expected, case: SiteCase, horizon: Horizon, left: Taken | None
    ) -> tuple[SiteCase, int | None, str]:
        """The case with its reserve, the peak to hold, and why there is none."""
        until, name = one.demand.until, one.site.id
        if until is None or not case.peak_price_micro:
            return case, None, ""
        if power.seen is None:
            return case, None, f"{name}: no peak target: no meter tells what it uses behind its storage"
        zone = one.site.document.zone
        day = self._priced(
            one.tariff, horizon_of_days(zone, day_of(zone, horizon.start), 1, horizon.interval_s)
        )
        prices, slots = day.buy_micro, power.seen.per_day
        moved = np.zeros(horizon.count, dtype=np.int64) if left is None else left.path_w
        asked = PeakAsked(
            case=case, seen=power.seen, until=until, zone=zone, moved_w=moved,
            day_micro=np.pad(prices, (0, max(0, slots - len(prices))), "edge")[:slots],
        )  # fmt: skip
        found = self._targets.guarded(asked, horizon)
        if isinstance(found, str):
            return case, None, f"{name}: {found}"
        return found.case, found.target_w, ""

    def _priced(self, tariff: Recorded[Tariff], horizon: Horizon) -> Priced:
        """Many sites share a tariff."""
        key = (tariff.id, horizon.start, horizon.interval_s, horizon.count)
        if key not in self._prices:
            self._prices[key] = prices_of(tariff.document, horizon)
        return self._prices[key]

    def _check(self, known: Mapping[str, _Known]) -> None:
        names: set[str] = set()
        for name, one in known.items():
            names |= {f"site.{name}", f"storage.{name}", f"tariff.{one.tariff.id}", f"storage_limit.{name}"}
            names |= {f"meter.{meter.id}" for meter in one.meters}
            if one.contract is not None:
                names.add(f"contract.{one.contract.id}")
        check_read(self._connection, Read(frozenset(names), frozenset()), self._asked.position)

    def _case(
        self, one: _Known, power: Expected, horizon: Horizon, led: RecordedPlan | None, used_wh: int
    ) -> tuple[SiteCase, str]:
        terms, site = one.terms.document, one.site.document
        limits, source = self._limits(one, power, horizon, led, used_wh)
        price = site.account.export_price
        sell = 0 if price is None else micro_of(price)
        case = SiteCase(
            limits=limits,
            buy_micro=one.priced.buy_micro[: horizon.count],
            sell_micro=np.full(horizon.count, sell, dtype=np.int64),
            end_wh=terms.end_wh,
            peak_w=max(power.peak_w, one.demand.least_w),
            peak_price_micro=one.demand.price_micro,
            wear_micro=terms.wear_micro,
            barred=_barred(one.contract),
            weights={stream: permille * 1000 for stream, permille in terms.stream_permille.items()},
        )
        case.to_optimise()
        return case, source

    def _day_so_far(
        self, one: _Known, power: Expected, horizon: Horizon, led: RecordedPlan | None
    ) -> tuple[int | None, str]:
        terms, zone = one.terms.document, one.site.document.zone
        if terms.day_discharge_wh is None:
            return None, ""
        began = began_before(terms, zone, horizon)
        if began is None:
            return 0, ""
        return taken_out(one.site.id, terms, power.discharged, (began, horizon.start), led)

    def _limits(
        self, one: _Known, power: Expected, horizon: Horizon, led: RecordedPlan | None, used_wh: int
    ) -> tuple[SiteLimits, str]:
        terms, count = one.terms.document, horizon.count
        start_wh, setpoint_w, source = self._start(one, led)
        ramp = terms.ramp_w_per_min
        day, most = local_days(horizon, one.site.document.zone), terms.day_discharge_wh
        each = None if most is None else (max(0, most - used_wh), *(most,) * int(day[-1]))
        limits = SiteLimits(
            id=one.site.id,
            interval_s=horizon.interval_s,
            load_w=power.load_w,
            pv_w=np.maximum(power.pv_w, 0),
            import_w_max=np.full(count, terms.import_w, dtype=np.int64),
            export_w_max=np.full(count, terms.export_w, dtype=np.int64),
            charge_w_max=np.full(count, terms.charge_w, dtype=np.int64),
            discharge_w_max=np.full(count, terms.discharge_w, dtype=np.int64),
            floor_wh=np.full(count, terms.floor_wh + terms.reserve_wh, dtype=np.int64),
            ceiling_wh=terms.ceiling_wh,
            start_wh=start_wh,
            charge_efficiency_ppm=terms.charge_ppm,
            discharge_efficiency_ppm=terms.discharge_ppm,
            discharge_wh_max=each,
            day=None if most is None else day,
            ramp_w=None if ramp is None else ramp * horizon.interval_s // 60,
            start_setpoint_w=setpoint_w,
        )
        return _imposed(limits, one.imposed, horizon), source

    def _holding(self) -> RecordedPlan | None:
        asked = self._asked
        return plan_at(self._connection, asked.position, asked.portfolio.id, asked.horizon.start)

    def _start(self, one: _Known, led: RecordedPlan | None) -> tuple[int, int, str]:
        """What is stored and runs at the start, and who says so: telemetry, the plan before, or the terms."""
        name = one.site.id
        told = self._asked.stored_wh.get(name)
        start = self._asked.horizon.start
        planned = None if led is None else led.of(name)
        last = None if led is None or planned is None else led.at(start) - 1
        setpoint = 0 if planned is None or last is None else planned.setpoint_w[last]
        if told is not None:
            most = one.site.document.storage_energy_wh
            if not 0 <= told <= most:
                wrong = f"{told} Wh are said to be stored; 0 to the nameplate's {most} can be"
                raise Refused("stored_energy", wrong, place=f"site {name}")
            return told, setpoint, f"start of {name}: telemetry, {told} Wh"
        seen = self._seen.get(name)
        if seen is not None:
            moved = led if seen.stored.at <= start else self._holding()
            stored = stored_at(
                seen.stored, start, moved, name, one.terms.document, one.site.document.storage_energy_wh
            )
            return stored, setpoint, f"start of {name}: {seen.name}, {stored} Wh"
        if led is not None and planned is not None and last is not None:
            stored = max(0, planned.stored_wh[last])
            return stored, setpoint, f"start of {name}: {led.name}, {stored} Wh"
        stored = one.terms.document.end_wh
        return stored, 0, f"start of {name}: its terms' end_wh, {stored} Wh; no plan leads up to it"


def _by_site(register: Register[Meter], instant: datetime) -> dict[str, tuple[Meter, ...]]:
    found: dict[str, tuple[Meter, ...]] = {}
    for name in sorted(register.versions):
        meter = register.at(name, instant)
        if meter is not None:
            site = meter.document.site
            found[site] = (*found.get(site, ()), meter.document)
    return found


def _of_site(refused: Refused, name: str) -> Refused:
    place = f"site {name}"
    if name in refused.place:
        return refused
    reason = f"{refused.reason} ({refused.place})" if refused.place else refused.reason
    return Refused(refused.code, reason, place=place)


def _barred(contract: Recorded[Contract] | None) -> frozenset[PlanStream]:
    if contract is None:
        return frozenset()
    forbidden = contract.document.forbidden_streams
    return frozenset(stream for stream in PLAN_STREAMS if stream in forbidden)


def _imposed(limits: SiteLimits, imposed: Sequence[Recorded[ImposedLimit]], horizon: Horizon) -> SiteLimits:
    """The limits with what is imposed when each interval begins."""
    if not imposed:
        return limits
    found = {
        field: getattr(limits, field).copy()
        for field in ("charge_w_max", "discharge_w_max", "import_w_max", "export_w_max")
    }
    for number in range(horizon.count):
        held = last_holding(imposed, horizon.at(number))
        for field, most in found.items():
            limit = None if held is None else getattr(held.document, field.removesuffix("_max"))
            if limit is not None:
                most[number] = min(int(most[number]), limit)
    return msgspec.structs.replace(limits, **found)


def refusals(refused: Sequence[Refused]) -> tuple[str, ...]:
    """As a plan's head tells them."""
    return tuple(f"{one.place}: {one.code}: {one.reason}" for one in refused)
