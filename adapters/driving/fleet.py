"""All devices of one driver: read, looked at together each second, and told what to do.

One event loop. Nothing here waits for the store: what it said last stands until it says something else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Final

from adapters.driving.clock_watch import ClockWatch
from adapters.driving.device_state import instant, meter_tolerance_w, millis
from adapters.driving.device_writes import Found
from adapters.driving.driven import Driven
from adapters.driving.driven_site import DrivenDevice, FleetBook, MeteredSite, device_limits
from adapters.driving.executor import Executor
from adapters.driving.fallback_file import FallbackFile
from adapters.driving.grouped import grouped
from adapters.driving.guarded import site_guard
from adapters.driving.journal import Journal
from adapters.driving.lease_keeper import LASTS_S
from adapters.driving.missing import Missing
from adapters.driving.plans import Plans, SitePlan
from adapters.driving.poller import Poller
from adapters.driving.port import DevicePort
from adapters.driving.quiet_door import QuietDoor
from adapters.driving.regulation import Regulation
from adapters.driving.said import Said
from adapters.driving.site_now import SiteNow
from adapters.driving.stopping import Stops
from adapters.driving.wake import Wake
from adapters.driving.watched_door import WatchedDoor
from adapters.driving.wished import wished
from dispatch.control.fleet_turn import Told, Turned, turn
from dispatch.control.reallocation import NO_GROUP
from dispatch.control.response_part import Rated, response_parts, with_parts
from dispatch.control.site_load import MARGIN_PERMILLE, PowerRange
from dispatch.control.turn_parts import LOST_MS, SiteGuard, TurnDevice, TurnSite, able_range
from dispatch.telemetry.sample import Sample
from ledger.refusal import Refused

TURN_S: Final = 1.0
_SPREAD_S: Final = 60
_READ_S: Final = 2.0


class Fleet:
    """`keep` gets every sample, for telemetry; `say` a line for each change that a person should know of."""

    def __init__(
        self,
        book: FleetBook,
        ports: Mapping[str, DevicePort],
        plans: Plans,
        door: QuietDoor,
        journal: Journal,
        fallbacks: FallbackFile | None,
        clock: Callable[[], datetime],
        holder: str,
        keep: Callable[[Sample], object],
        say: Callable[[str], None],
        *,
        lease_s: int = LASTS_S,
        ended: Callable[[str], bool] = lambda _: False,
        steady_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.book = book
        self.plans: Final = plans
        self.turned: Turned | None = None
        self._clock = clock
        self._keep = keep
        self._said: Final = Said(say, clock)
        self.others: tuple[Rated, ...] = book.others
        self._woken = Wake()
        self._turned_ms: int | None = None
        self._lease_s = lease_s
        self._ended = ended
        self._steady_s = steady_s
        self._watch = ClockWatch(clock, steady_s)
        self.storages: Final[dict[str, Driven]] = {}
        self.stops: Final = Stops(self.storages, door, clock)
        self.regulation: Final = Regulation(self.storages, plans, clock, say)
        self._groups: Final = grouped([one.fleet for one in book.storages])
        self._missing: Final = Missing(self.storages, plans, self._groups.names, self._said)
        self._meters: dict[str, Poller] = {}
        self._metering = {one.fleet.id: one for one in book.meters}
        self._sites: dict[str, SiteNow] = {}
        self._at: dict[str, tuple[Driven, ...]] = {}
        self._loads: dict[str, PowerRange | None] = {}
        everyone: list[DrivenDevice | MeteredSite] = [*book.storages, *book.meters]
        phases: dict[str, float] = {}
        for number, one in enumerate(everyone):
            phase_s = number * _SPREAD_S / len(everyone)
            port = ports[one.fleet.id]
            if isinstance(one, DrivenDevice):
                self._add(one, port, phase_s, door, journal, fallbacks, holder)
            else:
                # Those of a site are read together: what they show is of one moment.
                phase_s = phases.setdefault(one.site, phase_s)
                self._meters[one.fleet.id] = Poller(port, self._metered, phase_s)
        for name in book.sites:
            grid = [m.fleet.id for m in book.meters if m.site == name and m.position == "grid"]
            here = self._at[name] = tuple(one for one in self.storages.values() if one.site == name)
            rated_w = sum(one.one.device.power_w for one in here)
            tolerance_w = {one.id: meter_tolerance_w(one.executor.limits) for one in here}
            gap_ms = {one.id: one.lost_ms for one in here}
            self._sites[name] = SiteNow(grid, rated_w * MARGIN_PERMILLE // 1000, tolerance_w, gap_ms)
            for driven in here:
                driven.executor.beside = partial(self._beside, driven)

    def _add(
        self,
        one: DrivenDevice,
        port: DevicePort,
        phase_s: float,
        door: WatchedDoor,
        journal: Journal,
        fallbacks: FallbackFile | None,
        holder: str,
    ) -> None:
        limits = device_limits(one, self.book.sites[one.device.site])
        poller = Poller(port, self._read, phase_s)
        executor = Executor(
            port,
            poller.lock,
            door,
            one.fleet,
            limits,
            self._clock,
            journal,
            holder,
            fallbacks=fallbacks,
            read=self._read_by_executor,
            lease_s=self._lease_s,
            ended=self._ended,
            seconds=self._steady_s,
        )
        self.storages[one.fleet.id] = Driven(one, executor, poller)

    @property
    def executors(self) -> tuple[Executor, ...]:
        return tuple(one.executor for one in self.storages.values())

    @property
    def pollers(self) -> tuple[Poller, ...]:
        """Those of the storages, then those of the meters."""
        return (*(one.poller for one in self.storages.values()), *self._meters.values())

    async def run(self) -> None:
        """Until it is cancelled; what one of its parts raises ends it."""
        try:
            async with asyncio.TaskGroup() as group:
                for one in self.storages.values():
                    group.create_task(one.executor.run())
                    group.create_task(one.poller.run())
                for poller in self._meters.values():
                    group.create_task(poller.run())
                group.create_task(self._turns())
        finally:
            await self.stops.ended()

    @property
    def responding(self) -> bool:
        """Whether a response stands, for whomever."""
        return any(one.order.kind == "respond_now" for one in self.stops.standing(self._clock()).open)

    def drives(self, portfolio: str) -> bool:
        """Whether a storage here is of that portfolio, or stands at the site of that name."""
        sites = {one.site for one in self.storages.values()}
        return portfolio in sites | {self.plans.portfolio(site) for site in sites}

    def reload(self, book: FleetBook) -> None:
        """What the book says now of the same devices: limits and terms."""
        self.book = book
        self._metering = {one.fleet.id: one for one in book.meters}
        for one in book.storages:
            self.storages[one.fleet.id].executor.limits = device_limits(one, book.sites[one.device.site])

    def look_for_fallbacks(self) -> None:
        """Schedules were stored."""
        for one in self.executors:
            one.look_for_fallback()

    def changed(self) -> None:
        """Emergencies or plans are others: stops go out before anything else is looked at."""
        self.stops.stop_and_allow()
        self._woken.set()

    def _read(self, sample: Sample) -> None:
        driven = self.storages[sample.device]
        driven.executor.seen(sample)
        self._note(driven, sample)

    def _read_by_executor(self, sample: Sample) -> None:
        self._note(self.storages[sample.device], sample)

    def _note(self, driven: Driven, sample: Sample) -> None:
        if not sample.lost and sample.power_w("active_power") is not None:
            driven.good_ms = sample.at_ms
            now = self._sites[driven.site]
            now.stored(sample, driven.told_w())
            if now.waits:
                self._look_at_load(driven.site, sample.at_ms)
        self._keep(sample)

    def _look_at_load(self, site: str, now_ms: int) -> PowerRange | None:
        """What the site draws behind its storage, for everyone; a turn at once where its connection bears
        less than its storage was told."""
        here = self._at[site]
        load = self._sites[site].load([one.id for one in here if not one.apart(now_ms)], now_ms)
        for one in here:
            one.disagrees = self._sites[site].disagrees(one.id)
            wrong = f"it is not believed: {one.disagrees}" if one.disagrees else ""
            self._said.tell(f"power of {one.id}", wrong, loud=False, well="it agrees with its meter again")
            one.executor.site_draws(load, instant(now_ms))
        before, self._loads[site] = self._loads.get(site), load
        if load is not None and load != before:
            ours = [one for one in here if not one.apart(now_ms)]
            aims, connection = _sum(one.aims() for one in ours), self.book.sites[site]
            most_out, most_in = aims.high_w - load.low_w, load.high_w - aims.low_w
            if most_out > connection.export_w or most_in > connection.import_w:
                self._woken.set()
        return load

    def _beside(self, one: Driven) -> PowerRange:
        """What the others of its site go for; what one does that is lost or another's is part of what the
        site draws."""
        now_ms = millis(self._clock())
        return _sum(
            other.aims() for other in self._at[one.site] if other is not one and not other.apart(now_ms)
        )

    def _metered(self, sample: Sample) -> None:
        """A meter of the fleet: at a site's connection, or of its storage."""
        self._keep(sample)
        of = self._metering[sample.device]
        value = sample.power_w("meter_power")
        here = self._at[of.site]
        if of.position == "grid":
            now = self._sites[of.site]
            now.take(sample)
            self._look_at_load(of.site, sample.at_ms)
            if now.moved:
                for one in here:
                    one.poller.hurry()
        elif of.position == "storage" and value is not None:
            alone = not of.fleet.measures and len(here) == 1
            of_it = here if alone else [one for one in here if one.id == of.fleet.measures]
            for one in of_it:
                one.metered = Found(value, sample.at)
                one.executor.metered(of.fleet.meter, value, sample.at)
                self._sites[of.site].measured(one.id, sample.at_ms, value)

    def _hurry_meters(self, site: str) -> None:
        """What its storages do is wanted each second, as their meters measure it."""
        for one in self.book.meters:
            if one.site == site and one.position == "storage":
                self._meters[one.fleet.id].hurry()

    async def _turns(self) -> None:
        while True:
            self._ask_clock()
            self.stops.stop_and_allow()
            await self._after_absence()
            try:
                if self.stops.known and not self.stops.under_way:
                    self._turn(self._clock())
            except Refused as refused:
                self._said.tell("turn", f"refused ({refused.code}): {refused}")
            await self._woken.within(TURN_S)

    def behind(self, now_ms: int) -> bool:
        """Whether it has not looked for so long that how old its readings are says nothing of a device."""
        return self._turned_ms is None or abs(now_ms - self._turned_ms) > LOST_MS

    async def _after_absence(self) -> None:
        """Where it was us who were away, such as on a machine that slept, nobody else is lost for that: who
        answered before is read once more before it is judged."""
        before = self._turned_ms
        if before is not None and self.behind(millis(self._clock())):
            answered = [one.poller for one in self.storages.values() if not one.lost(before)]
            with suppress(TimeoutError):
                async with asyncio.timeout(_READ_S):
                    await asyncio.gather(*(poller.fresh() for poller in (*answered, *self._meters.values())))
        self._turned_ms = millis(self._clock())

    def _ask_clock(self) -> None:
        lost = self._watch.lost
        for one in self.storages.values():
            one.executor.clock_lost = lost
        wrong = "it is not to be trusted: everything stops until it is right again" if lost else ""
        self._said.tell("clock", wrong, well="it is right again")

    def _turn(self, now: datetime) -> None:
        now_ms = millis(now)
        # Of a site of which only a meter is read here the plan is others'.
        plans = {name: self.plans.of(name, now) for name in self.book.sites if self._at[name]}
        for one in self.storages.values():
            one.look(now)
        devices = [self._turn_device(one, now) for one in self.storages.values()]
        sites = [self._turn_site(name, plan, now_ms) for name, plan in plans.items()]
        standing = self.stops.standing(now)
        own = [Rated(one.id, one.site, one.one.device.power_w) for one in self.storages.values()]
        parts = response_parts(standing, own, self.others, now)
        turned = turn(sites, devices, with_parts(standing, parts), now, groups=self._groups.limits)
        self.turned = turned
        bands = self.regulation.bands(turned, plans)
        ends = {one.number: one.order.until for one in standing.open}
        for told in turned.told:
            one = self.storages[told.device]
            ends_at = ends.get(told.emergencies[0]) if told.emergencies else None
            self._want(one, told, plans[one.site], now, bands.get(told.device, 0), ends_at)
        for name in self.regulation.turn(now, now_ms):
            self._hurry_meters(name)
        self._missing.tell(turned, parts, now)

    def _turn_device(self, one: Driven, now: datetime) -> TurnDevice:
        snapshot = one.executor.snapshot
        lost, apart = one.lost(millis(now)), one.apart(millis(now))
        low, high = (0, 0) if apart else one.follower.within(*able_range(snapshot, one.executor.limits))
        if not one.executor.commissioned:
            low, high = 0, 0
        return TurnDevice(
            device=one.id,
            site=one.site,
            low_w=low,
            high_w=high,
            standing_w=one.held_w(now) if lost else snapshot.setpoint_w,
            power_w=None if lost else one.does_w(),
            lost=apart,
            group=self._groups.of.get(one.id, NO_GROUP),
        )

    def _turn_site(self, name: str, plan: SitePlan | None, now_ms: int) -> TurnSite:
        site, load = self.book.sites[name], self._look_at_load(name, now_ms)
        if plan is not None:
            self._sites[name].begin(millis(plan.start))
        return TurnSite(
            site=name,
            portfolio=self.plans.portfolio(name),
            planned_w=None if plan is None else plan.planned_w,
            load=load,
            import_w=site.import_w,
            export_w=site.export_w,
            band_w=0 if plan is None else plan.regulation_w,
            guard=None if plan is None or plan.peak_w is None else self._guard(name, load, plan, now_ms),
        )

    def _guard(self, name: str, load: PowerRange | None, plan: SitePlan, now_ms: int) -> SiteGuard | None:
        return site_guard(self.book.sites[name], self._sites[name], load, self.of(name), plan, now_ms)

    def of(self, site: str) -> tuple[Driven, ...]:
        """The storages of a site."""
        return self._at[site]

    def _want(
        self,
        one: Driven,
        told: Told,
        plan: SitePlan | None,
        now: datetime,
        band_w: int,
        ends_at: datetime | None,
    ) -> None:
        if not one.ours(millis(now)):
            # It cannot be told; what it has of before stays until there is somebody to say what else.
            one.wanted = None
            if one.was_ours:
                one.executor.want(None)
            return
        rated_w = one.one.device.power_w
        one.wanted = (
            None
            if one.stopped
            else wished(one.wanted, told, plan, now, band_w=band_w, rated_w=rated_w, ends_at=ends_at)
        )
        holds_until = None if plan is None or one.wanted is None else plan.holds_until
        one.executor.want(one.wanted, holds_until)


def _sum(ranges: Iterable[PowerRange]) -> PowerRange:
    every = tuple(ranges)
    return PowerRange(sum(each.low_w for each in every), sum(each.high_w for each in every))
