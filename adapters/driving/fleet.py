"""All devices of one driver: read, looked at together each second, and told what to do.

One event loop. Nothing here waits for the store: what it said last stands until it says something else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
import numpy as np

from adapters.driving.device_state import millis
from adapters.driving.driven_site import DrivenDevice, FleetBook, MeteredSite, device_limits
from adapters.driving.emergencies import EmergencyBoard, LocalStop
from adapters.driving.executor import Executor, Stopped
from adapters.driving.fallback_file import FallbackFile
from adapters.driving.journal import Journal
from adapters.driving.plans import Plans, SitePlan
from adapters.driving.poller import Poller
from adapters.driving.port import DevicePort
from adapters.driving.quiet_door import QuietDoor
from adapters.driving.regulating import FRESH_S, AgcSignal, RegulationTrace
from adapters.driving.site_now import SiteNow
from adapters.driving.tried import AtDevice
from adapters.driving.watched_door import WatchedDoor
from adapters.links.obeys import emergency_cause
from dispatch.control.emergency import Emergencies, Emergency, EmergencyOrder, Scope
from dispatch.control.fleet_turn import ORIGINS, Told, Turned, turn
from dispatch.control.reallocation import NO_GROUP, Capabilities, Whole, proportional
from dispatch.control.regulation_following import (
    SIGNAL_PPM_MAX,
    STEP_S,
    RegulationBands,
    follow_signal,
)
from dispatch.control.setpoint import Setpoint
from dispatch.control.turn_parts import LOST_MS, SiteGuard, TurnDevice, TurnSite, able_range
from dispatch.telemetry.sample import Sample
from ledger.refusal import Refused

TURN_S: Final = 1.0
OVERLAP: Final = timedelta(seconds=60)
"""A setpoint holds so much longer than its interval: the next one takes its place, none leaves a hole."""
STEADY_PERMILLE: Final = 10
"""A setpoint is not raised by less than this part of the rating: each raise is an intent on record."""
_SPREAD_S: Final = 60
_STOPS_AT_ONCE: Final = 48
_END_S: Final = 5.0
_QUARTER: Final = timedelta(minutes=15)
_SOC_WHOLE: Final = 100_000


class Driven:
    """One storage: who reads it, who tells it, and when it was read well last."""

    def __init__(self, one: DrivenDevice, executor: Executor, poller: Poller) -> None:
        self.one: Final = one
        self.executor: Final = executor
        self.poller: Final = poller
        self.good_ms: int | None = None
        self.stopped = ""
        self.wanted: Setpoint | None = None

    @property
    def id(self) -> str:
        return self.one.fleet.id

    @property
    def site(self) -> str:
        return self.one.device.site

    def lost(self, now_ms: int) -> bool:
        return self.good_ms is None or abs(now_ms - self.good_ms) > LOST_MS


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
    ) -> None:
        self.book = book
        self.plans: Final = plans
        self.turned: Turned | None = None
        self.board: EmergencyBoard | None = None
        self._clock = clock
        self._keep = keep
        self._say = say
        self._said: dict[str, str] = {}
        self._woken = asyncio.Event()
        self._at_once = asyncio.Semaphore(_STOPS_AT_ONCE)
        self._door = door
        self._stopping: set[asyncio.Task[Stopped]] = set()
        self._signals: dict[str, AgcSignal] = {}
        self.traces: dict[str, RegulationTrace] = {}
        self.storages: dict[str, Driven] = {}
        self._meters: list[Poller] = []
        self._sites: dict[str, SiteNow] = {}
        everyone: list[DrivenDevice | MeteredSite] = [*book.storages, *book.meters]
        for number, one in enumerate(everyone):
            phase_s = number * _SPREAD_S / len(everyone)
            port = ports[one.fleet.id]
            if isinstance(one, DrivenDevice):
                self._add(one, port, phase_s, door, journal, fallbacks, holder)
            else:
                self._meters.append(Poller(port, self._metered, phase_s))
        for name in book.sites:
            grid = [m.fleet.id for m in book.meters if m.site == name and m.position == "grid"]
            self._sites[name] = SiteNow(grid)

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
        )
        self.storages[one.fleet.id] = Driven(one, executor, poller)

    @property
    def executors(self) -> tuple[Executor, ...]:
        return tuple(one.executor for one in self.storages.values())

    async def run(self) -> None:
        """Until it is cancelled; what one of its parts raises ends it."""
        try:
            async with asyncio.TaskGroup() as group:
                for one in self.storages.values():
                    group.create_task(one.executor.run())
                    group.create_task(one.poller.run())
                for poller in self._meters:
                    group.create_task(poller.run())
                group.create_task(self._turns())
        finally:
            # A stop that has begun is ended, however this ends.
            if self._stopping:
                await asyncio.wait(self._stopping, timeout=_END_S)

    def reload(self, book: FleetBook) -> None:
        """What the book says now of the same devices: limits and terms."""
        self.book = book
        for one in book.storages:
            self.storages[one.fleet.id].executor.limits = device_limits(one, book.sites[one.device.site])

    def changed(self) -> None:
        """Emergencies or plans are others: stops go out before anything else is looked at."""
        self._stop_and_allow()
        self._woken.set()

    async def until_stopped(self) -> tuple[Stopped, ...]:
        """What became of the stops that are under way."""
        return tuple(await asyncio.gather(*self._stopping))

    def signalled(self, signal: AgcSignal) -> None:
        """A market's regulation signal came: its portfolio follows at once, within the bands that stand."""
        before = self._signals.get(signal.portfolio)
        if before is not None and signal.at <= before.at:
            return
        self._signals[signal.portfolio] = signal
        self._follow(signal)

    def _follow(self, signal: AgcSignal) -> None:
        now_ms = millis(self._clock())
        found: list[tuple[Driven, AtDevice, int, int]] = []
        for one in self.storages.values():
            standing = one.executor.standing
            if self.plans.portfolio(one.site) != signal.portfolio or standing is None or one.lost(now_ms):
                continue
            if standing.confirmed and standing.setpoint.band_w:
                low, high = able_range(one.executor.snapshot, one.executor.limits)
                found.append((one, standing, low, high))
        if not found:
            return
        shared = follow_signal(signal.signal_ppm, *_regulated(found))
        for (one, _, _, _), power_w in zip(found, shared.setpoint_w.tolist(), strict=True):
            one.executor.follow(power_w)
        for name in {one.site for one, _, _, _ in found}:
            here = [standing.setpoint for one, standing, _, _ in found if one.site == name]
            band = sum(point.band_w for point in here) * signal.signal_ppm // SIGNAL_PPM_MAX
            self._trace(name).asked(signal, sum(point.setpoint_w for point in here) + band)

    def _trace(self, site: str) -> RegulationTrace:
        if site not in self.traces:
            rated = sum(one.one.device.power_w for one in self.storages.values() if one.site == site)
            self.traces[site] = RegulationTrace(site, rated)
        return self.traces[site]

    def _regulate(self, now: datetime, now_ms: int) -> None:
        """Signals that stopped coming are followed no longer; what sites did is noted for measuring."""
        for portfolio, signal in tuple(self._signals.items()):
            if not signal.fresh(now):
                del self._signals[portfolio]
                self._say(f"{portfolio}: no regulation signal for {FRESH_S} s")
                for one in self.storages.values():
                    if self.plans.portfolio(one.site) == portfolio:
                        one.executor.follow(None)
        for name, trace in self.traces.items():
            here = [one for one in self.storages.values() if one.site == name and not one.lost(now_ms)]
            powers = [one.executor.snapshot.power_w for one in here]
            known = [power for power in powers if power is not None]
            if len(known) == sum(one.site == name for one in self.storages.values()):
                trace.sampled(now_ms, sum(known))

    def _bands(self, turned: Turned, plans: Mapping[str, SitePlan | None]) -> dict[str, int]:
        """Each device's part of the regulation that its site's plan offers, by the room around its
        setpoint."""
        found: dict[str, int] = {}
        for name, plan in plans.items():
            if plan is None or not plan.regulation_w:
                continue
            told = [
                one for one in turned.told if self.storages[one.device].site == name and one.why == "plan"
            ]
            rooms = [self._room(one) for one in told]
            of = np.zeros(len(told), dtype=np.int64)
            parts = proportional(np.array([plan.regulation_w]), np.array(rooms, dtype=np.int64), of)
            found |= {one.device: part for one, part in zip(told, parts.tolist(), strict=True)}
        return found

    def _room(self, told: Told) -> int:
        executor = self.storages[told.device].executor
        low, high = able_range(executor.snapshot, executor.limits)
        return max(min(high - told.setpoint_w, told.setpoint_w - low), 0)

    def _read(self, sample: Sample) -> None:
        driven = self.storages[sample.device]
        driven.executor.seen(sample)
        self._note(driven, sample)

    def _read_by_executor(self, sample: Sample) -> None:
        self._note(self.storages[sample.device], sample)

    def _note(self, driven: Driven, sample: Sample) -> None:
        if not sample.lost and sample.value("active_power") is not None:
            driven.good_ms = sample.at_ms
        self._keep(sample)

    def _metered(self, sample: Sample) -> None:
        """A meter of the fleet: at a site's connection, or of its storage."""
        self._keep(sample)
        of = next(one for one in self.book.meters if one.fleet.id == sample.device)
        value = sample.value("meter_power")
        here = [one for one in self.storages.values() if one.site == of.site]
        if of.position == "grid":
            now = self._sites[of.site]
            now.take(sample)
            for one in here:
                one.executor.site_draws(now.draws_w(sample.at_ms), sample.at)
        elif of.position == "storage" and len(here) == 1 and value is not None:
            here[0].executor.metered(of.fleet.meter, -value, sample.at)

    async def _turns(self) -> None:
        while True:
            self._stop_and_allow()
            try:
                if not self._stopping:
                    self._turn(self._clock())
            except Refused as refused:
                self._tell("turn", f"refused ({refused.code}): {refused}")
            try:
                async with asyncio.timeout(TURN_S):
                    await self._woken.wait()
            except TimeoutError:
                pass
            self._woken.clear()

    def _emergencies(self, now: datetime) -> Emergencies:
        """What stands, with what was ordered at the machine."""
        if self.board is None:
            return Emergencies()
        if self.board.local is None:
            return self.board.standing
        return _with_local(self.board.standing, self.board.local, now)

    def _stop_and_allow(self) -> None:
        now = self._clock()
        standing = self._emergencies(now)
        local = None if self.board is None else self.board.local
        stops: list[tuple[Driven, str]] = []
        for one in self.storages.values():
            over = standing.standing(one.id, one.site, now)
            stop = next((each for each in over if each.order.kind == "stop_all"), None)
            cause = "" if stop is None else emergency_cause(stop.number)
            if local is not None:
                cause = local.cause
            if bool(cause) == bool(one.stopped):
                # A stop stands, whoever else orders one.
                continue
            one.stopped = cause
            if cause:
                stops.append((one, cause))
            else:
                one.executor.allow()
        if stops:
            self._door.hold()
        # Those that answered last come first: a silent one takes its whole deadline.
        now_ms = millis(now)
        for one, cause in sorted(stops, key=lambda each: each[0].lost(now_ms)):
            task = asyncio.get_running_loop().create_task(self._stop(one, cause))
            self._stopping.add(task)
            task.add_done_callback(self._stop_ended)

    def _stop_ended(self, task: asyncio.Task[Stopped]) -> None:
        self._stopping.discard(task)
        if not self._stopping:
            self._door.go()

    async def _stop(self, one: Driven, cause: str) -> Stopped:
        """So many at once that answers are read before their deadline is over."""
        async with self._at_once:
            return await one.executor.stop(cause)

    def _turn(self, now: datetime) -> None:
        now_ms = millis(now)
        plans = {name: self.plans.of(name, now) for name in self.book.sites}
        devices = [self._turn_device(one, now_ms) for one in self.storages.values()]
        sites = [self._turn_site(name, plans[name], now_ms) for name in self.book.sites]
        turned = turn(sites, devices, self._emergencies(now), now)
        self.turned = turned
        bands = self._bands(turned, plans)
        for told in turned.told:
            one = self.storages[told.device]
            self._want(one, told, plans[one.site], now, bands.get(told.device, 0))
        self._regulate(now, now_ms)
        self._tell_missing(turned)

    def _turn_device(self, one: Driven, now_ms: int) -> TurnDevice:
        snapshot = one.executor.snapshot
        lost = one.lost(now_ms)
        low, high = (0, 0) if lost else able_range(snapshot, one.executor.limits)
        if not one.executor.commissioned:
            low, high = 0, 0
        return TurnDevice(
            device=one.id,
            site=one.site,
            low_w=low,
            high_w=high,
            standing_w=snapshot.setpoint_w,
            power_w=None if lost else snapshot.power_w,
            lost=lost,
        )

    def _turn_site(self, name: str, plan: SitePlan | None, now_ms: int) -> TurnSite:
        site, now = self.book.sites[name], self._sites[name]
        if plan is not None:
            now.begin(millis(plan.start))
        return TurnSite(
            site=name,
            portfolio=self.plans.portfolio(name),
            planned_w=None if plan is None else plan.planned_w,
            grid_w=now.draws_w(now_ms),
            import_w=site.import_w,
            export_w=site.export_w,
            guard=None if plan is None or plan.peak_w is None else self._guard(name, plan, now_ms),
        )

    def _guard(self, name: str, plan: SitePlan, now_ms: int) -> SiteGuard | None:
        """None where something that it needs is not known: then the interlocks are what is left."""
        assert plan.peak_w is not None, "there is a peak to hold"
        site, now = self.book.sites[name], self._sites[name]
        limits = site.guard_limits(plan.peak_w, plan.interval_s)
        here = [one for one in self.storages.values() if one.site == name]
        snapshots = [one.executor.snapshot for one in here]
        draws = now.draws_w(now_ms)
        powers = [one.power_w for one in snapshots if one.power_w is not None]
        socs = [one.soc_millipercent for one in snapshots if one.soc_millipercent is not None]
        whole = site.site.storage_energy_wh
        if limits is None or draws is None or not (len(powers) == len(socs) == len(here) > 0):
            return None
        billed = now.billed(millis(plan.start), now_ms, plan.peak_w)
        if not 0 <= billed.elapsed_s < plan.interval_s:
            return None
        energies = [one.one.fleet.profile.limits for one in here]
        capacity = sum(one.energy_wh for one in energies if one is not None)
        held = sum(soc * one.energy_wh for soc, one in zip(socs, energies, strict=True) if one is not None)
        stored = held * whole // (capacity * _SOC_WHOLE)
        return SiteGuard(limits=limits, billed=billed, behind_w=draws + sum(powers), stored_wh=stored)

    def _want(self, one: Driven, told: Told, plan: SitePlan | None, now: datetime, band_w: int) -> None:
        if told.why in ("fallback", "nothing_planned", "kept") or one.stopped:
            # The executor goes by the loss table itself, and by its own stop.
            one.wanted = None
            one.executor.want(None)
            return
        if told.why == "emergency":
            cause = emergency_cause(told.emergencies[0])
        else:
            assert plan is not None, "it follows one"
            cause = plan.cause
        until = _quarter_after(now) if plan is None else plan.until
        setpoint = Setpoint(
            setpoint_w=told.setpoint_w,
            expires_at=until + OVERLAP,
            origin="regulation" if band_w else ORIGINS[told.why],
            cause=cause,
            band_w=self._band(one, told, band_w),
        )
        one.wanted = steadied(one.wanted, setpoint, one.one.device.power_w * STEADY_PERMILLE // 1000)
        one.executor.want(one.wanted, None if plan is None else plan.holds_until)

    def _band(self, one: Driven, told: Told, band_w: int) -> int:
        """The band that stands, as long as the room for it changed little: each other one is an intent."""
        before = one.wanted
        step = one.one.device.power_w * STEADY_PERMILLE // 1000
        if not band_w or before is None or before.setpoint_w != told.setpoint_w:
            return band_w
        return before.band_w if before.band_w <= band_w < before.band_w + step else band_w

    def _tell_missing(self, turned: Turned) -> None:
        for name, missing in turned.missing_w.items():
            self._tell(name, f"{missing} W of its plan are given by nobody" if missing else "", loud=False)
        for number, missing in turned.unanswered_w.items():
            self._tell(f"emergency {number}", f"{missing} W of it are given by nobody" if missing else "")

    def _tell(self, about: str, text: str, *, loud: bool = True) -> None:
        """Say it, unless it is what was said last about that; with other numbers only where it is `loud`."""
        before = self._said.get(about, "")
        if before == text or (not loud and bool(before) == bool(text)):
            return
        self._said[about] = text
        self._say(f"{about}: {text or 'all of it is given'}")


def _regulated(
    found: Sequence[tuple[Driven, AtDevice, int, int]],
) -> tuple[RegulationBands, Capabilities]:
    """The bands that stand, and what the devices can do in a step of the signal."""
    none = np.full(len(found), NO_GROUP, dtype=np.int64)

    def column(values: Iterable[int]) -> Whole:
        return np.array(list(values), dtype=np.int64)

    ramps = [one.one.fleet.profile.limits for one, _, _, _ in found]
    bands = RegulationBands(
        base_w=column(standing.setpoint.setpoint_w for _, standing, _, _ in found),
        band_w=column(standing.setpoint.band_w for _, standing, _, _ in found),
    )
    return bands, Capabilities(
        device=tuple(one.id for one, _, _, _ in found),
        present_w=column(standing.target_w for _, standing, _, _ in found),
        low_w=column(low for _, _, low, _ in found),
        high_w=column(high for _, _, _, high in found),
        ramp_w=column(0 if one is None else one.ramp_w_per_s * STEP_S for one in ramps),
        feeder=none,
        industry=none,
    )


def steadied(before: Setpoint | None, after: Setpoint, step_w: int) -> Setpoint:
    """What is wished anew, or what was wished where it would only be raised by less than `step_w`.

    >>> at = datetime.fromisoformat("2026-08-03T00:00:00Z")
    >>> was, more, less = (
    ...     Setpoint(setpoint_w=w, expires_at=at, origin="plan", cause="p") for w in (-50, -55, -49))
    >>> [steadied(was, one, 10).setpoint_w for one in (more, less)]
    [-50, -49]
    """
    if before is None or msgspec.structs.replace(before, setpoint_w=after.setpoint_w) != after:
        return after
    raised = abs(after.setpoint_w) - abs(before.setpoint_w)
    same_side = before.setpoint_w * after.setpoint_w > 0
    return before if same_side and 0 < raised < step_w else after


def _quarter_after(now: datetime) -> datetime:
    epoch = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    return epoch + ((now - epoch) // _QUARTER + 1) * _QUARTER


def _with_local(standing: Emergencies, stop: LocalStop, now: datetime) -> Emergencies:
    order = EmergencyOrder(kind="stop_all", scope=Scope("book"))
    made = Emergency(standing.count + 1, order, stop.by, stop.reason, now)
    return Emergencies(standing.count + 1, (*standing.open, made))
