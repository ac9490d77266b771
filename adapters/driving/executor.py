"""One device and what it is told: a setpoint from the wish to the meter, by the rules of dispatch.control.

Raising waits for the store: intent, lease and last look come before the write. Stopping and limiting are
written at once, put down in the journal, and told when the store is there. But for an emergency's stop
nothing is written before the device was read and compared with the record, nor without the lease.

Somebody else's setpoint is not fought: it goes on record, is written over once for each wish, and then
stands under the alarm `foreign_writer` until another wish comes. What the device's own watchdog did is
undone more patiently each time. An emergency's stop is written again every ten seconds, whoever undoes it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from adapters.driving.beating import TICK_S, Beating, goes_on
from adapters.driving.device_state import DrivenDevice, instant, millis
from adapters.driving.device_writes import DeviceWrites, Found
from adapters.driving.fallback_file import FallbackFile
from adapters.driving.following import Following
from adapters.driving.goal import Goal, Situation, goal_of
from adapters.driving.journal import Journal
from adapters.driving.judging import METER_LATE, Judging
from adapters.driving.lease_keeper import LASTS_S, RETRY_S
from adapters.driving.lowering import Lowering, Stopped
from adapters.driving.one_device import OneDevice
from adapters.driving.port import DevicePort
from adapters.driving.raising import Raising
from adapters.driving.starting import Resolver, Standing
from adapters.driving.tried import AtDevice, Wish
from adapters.driving.wake import Wake
from adapters.driving.watched_door import StoreLost, WatchedDoor
from adapters.driving.wishes import Wishes
from dispatch.control.interlock import DeviceLimits
from dispatch.control.setpoint import Setpoint, lowers
from dispatch.control.site_load import PowerRange
from dispatch.telemetry.sample import Sample
from ledger.refusal import Refused

_END_S: Final = 5.0
_THERE: Final = timedelta(seconds=2)
"""So long after its ramp a device does what it does."""
_BEGIN_S: Final = 0.1
_AGAIN_S: Final = 300.0
"""So often a fallback schedule is looked for that nobody told of."""


class Executor(OneDevice):
    """Of one event loop. `lock` is the poller's: one request at a time. `limits` are the device's now;
    `holder` names this run of this process, and `ended` says whether another is proven to have ended;
    `journal` and `door` are shared by all devices. `seconds` is a
    clock that never goes back.

    `read` gets every sample that is read here, beside those that `seen` is given: for telemetry.
    """

    def __init__(
        self,
        port: DevicePort,
        lock: asyncio.Lock,
        door: WatchedDoor,
        device: DrivenDevice,
        limits: DeviceLimits,
        clock: Callable[[], datetime],
        journal: Journal,
        holder: str,
        *,
        fallbacks: FallbackFile | None = None,
        read: Callable[[Sample], None] | None = None,
        lease_s: int = LASTS_S,
        ended: Callable[[str], bool] = lambda _: False,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(port, lock, door, device, limits, clock, seconds, journal, holder, lease_s, ended)
        self._fallbacks = fallbacks
        self._reads = read
        self._wishes = Wishes(self)
        self._judging = Judging(self, self._wishes)
        self._writes = DeviceWrites(port, device, clock, self._own_sample, self.keeper.write_ms)
        self._raising = Raising(self, self._wishes, self._judging, self._writes)
        self._lowering = Lowering(self, self._wishes, self._judging, self._writes)
        self._following = Following(self, self._judging, self._writes)
        self._beating = Beating(self)
        self._wanted: tuple[Setpoint, datetime | None] | None = None
        self._said = False
        self._due = Wake()
        self._stored = Wake()

    @property
    def untold(self) -> int:
        """How much is still to be recorded."""
        return self.telling.waiting

    def want(self, setpoint: Setpoint | None, plan_until: datetime | None = None) -> None:
        """What the device is to do from now on; None: nobody says. An equal setpoint is the same wish.

        `plan_until` is how long the plan holds that it rests on; not stated, as long as the setpoint.
        """
        wanted = None if setpoint is None else (setpoint, plan_until or setpoint.expires_at)
        if wanted != self._wanted or not self._said:
            self._said = True
            self._wanted = wanted
            if setpoint is None or not setpoint.band_w:
                self._following.from_middle_w = None
            self.woken.set()

    def follow(self, power_w: int | None) -> None:
        """A regulation signal: the power within the band of what stands, and as far from the middle of what
        comes after it; None: its middle. No new intent."""
        middle_w = 0 if self.standing is None else self.standing.setpoint.setpoint_w
        self._following.from_middle_w = None if power_w is None else power_w - middle_w
        self.woken.set()

    @property
    def goes_for(self) -> Setpoint | None:
        """What is carried out, or what stands and is kept; None where there is neither."""
        if self._wishes.now is not None:
            return self._wishes.now.setpoint
        return None if self.standing is None else self.standing.setpoint

    def seen(self, sample: Sample) -> None:
        """A sample of the poller."""
        self._judging.take(sample)
        self._beating.read(answered=not sample.lost)

    def site_draws(self, load: PowerRange | None, at: datetime) -> None:
        """Behind its storage, above 0 importing; None when that is not known."""
        self.state.site(load, millis(at))

    def aims(self, measured_w: int | None = None) -> PowerRange:
        """From the least to the most that the device goes for: what it was told, what it is being told, and,
        unless it is on its way there, what it does: `measured_w` where its own power is not believed."""
        powers: list[int] = []
        standing, wish = self.standing, self._wishes.now
        if standing is not None:
            powers.append(standing.target_w)
        elif (told_w := self.standing_w()) is not None:
            powers.append(told_w)
        moving = standing is not None and self.clock() < standing.expected_at - METER_LATE + _THERE
        if self.writing:
            band = [] if standing is None else [standing.setpoint]
            for setpoint in [*band, *([] if wish is None else [wish.setpoint])]:
                powers += [setpoint.setpoint_w - setpoint.band_w, setpoint.setpoint_w + setpoint.band_w]
        does_w = self.snapshot.power_w if measured_w is None else measured_w
        if not moving and does_w is not None:
            powers.append(does_w)
        return PowerRange(min(powers, default=0), max(powers, default=0))

    def metered(self, meter: str, power_w: int, at: datetime) -> None:
        """The storage's own meter, where it is another device: W at its AC side, above 0 discharging."""
        self._judging.metered(meter, Found(power_w, at))

    async def stop(self, cause: str) -> Stopped:
        """Stop at once, and stay so until `allow`. Asks nobody, and needs no lease; tried again while it is
        not verified."""
        self.stop_cause = cause
        wish = self._aim(self._goal(self.clock()))
        assert wish is not None, "a stop is a goal"
        return await self._lowering.stop(wish)

    def allow(self) -> None:
        """The emergency is over: wishes hold again."""
        self.stop_cause = ""
        self.woken.set()

    async def run(self) -> None:
        """Until it is cancelled. Then the lease is released, so that another need not wait; the device falls
        back by itself when the setpoint expires, or its watchdog finds us silent.

        Raises:
            ExceptionGroup: of `Refused` where the device is not registered; of a fault of ours.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for task in (self.telling.run, self._hold, self._begin, self._beating.run, self._control):
                    group.create_task(task())
                if self._fallbacks is not None:
                    group.create_task(self._keep_fallback(self._fallbacks))
        finally:
            await self._raising.end()
            with suppress(StoreLost, TimeoutError):
                async with asyncio.timeout(_END_S):
                    await self.keeper.release()

    async def _hold(self) -> None:
        while True:
            try:
                pause = await self.keeper.turn()
            except StoreLost:
                await self.door.until_back()
                continue
            if self.keeper.waits:
                self.alarm("start", self.keeper.waits)
            self._stored.set()
            self.woken.set()
            await self._due.within(pause)

    def look_for_fallback(self) -> None:
        """A schedule was stored, perhaps for this device."""
        self._stored.set()

    async def _keep_fallback(self, fallbacks: FallbackFile) -> None:
        while True:
            await self._stored.within(_AGAIN_S)
            if self.keeper.held():
                try:
                    await fallbacks.agree(self.device.id, self.door)
                except StoreLost:
                    await self.door.until_back()
                    self._stored.set()
                except Refused as refused:
                    if refused.code == "fallback_digest":
                        # Another was stored meanwhile.
                        self._stored.set()
                    else:
                        self.alarm("record_refused", f"its fallback schedule: {refused}")
                except OSError as error:
                    self.alarm("journal", f"its fallback schedule is not kept: {error}")

    async def _begin(self) -> None:
        """Device and record are brought to agree, under every lease anew."""
        while goes_on():
            if self.keeper.held() and not self.ready:
                unbroken = self.keeper.unbroken
                try:
                    if await self._resolve():
                        self.resolved = unbroken
                        self.alarms.pop("start", None)
                        self.woken.set()
                except StoreLost:
                    await self.door.until_back()
                except Refused as refused:
                    self.alarm("start", str(refused))
            await asyncio.sleep(RETRY_S if self.ready else _BEGIN_S)

    async def _resolve(self) -> bool:
        await self.telling.until_told()
        async with self.lock:
            # Everything that the device shows, for what the setpoint's blocks do not hold.
            begun = instant(millis(self.clock()))
            sample = await self._writes.read(self.port.periods)
            if sample is None:
                self.alarm("start", "the device does not answer")
                return False
            if self.told_by is not None and sample.at >= begun:
                # It tells everything at once, and may not do so again for a while.
                found = self._writes.shown(sample)
            else:
                found = await self._writes.find()
        if found is None:
            self.alarm("start", "the device does not show its setpoint")
            return False
        # Those readings may have ended a doubt: what they said is on record before it is compared.
        await self.telling.until_told()
        obeyed_w = self.state.obeyed_w(found.w, millis(found.at))
        found = Found(obeyed_w, found.at, found.fallen or obeyed_w != found.w)
        remote = self.snapshot.mode == "remote"
        resolver = Resolver(self.door, self.journal, self.device, self.tolerance_w, remote)
        standing = await resolver.resolve(found, self.clock())
        self._wishes.now = None
        self.standing = None if standing is None else _adopted(standing, found, self.clock())
        await self._beating.beat()
        return True

    async def _control(self) -> None:
        while goes_on():
            self._beating.looked()
            self._raising.check()
            await self._turn()
            await self.woken.within(TICK_S)

    async def _turn(self) -> None:
        now = self.clock()
        self._judging.expire(now)
        if self.keeper.due(now):
            self._due.set()
        if not (self.ready or self.stop_cause):
            return
        goal = self._goal(now)
        wish = self._aim(goal)
        if wish is None or self._wishes.done(wish):
            await self._following.turn(now, self._plan_until())
        elif wish.ended or self.seconds() < wish.again_at:
            return
        elif self.doubtful:
            await self._lowering.end_doubt(wish)
        elif (goal.agreed and self.door.lost) or lowers(wish.setpoint, self.standing_w()):
            await self._lowering.write(wish)
        else:
            if self._beating.owed or not self.beaten_in_time():
                # A device whose watchdog has tripped may follow nothing that is written before a heartbeat.
                await self._beating.beat()
            self._raising.begin(wish)

    def _goal(self, now: datetime) -> Goal:
        agreed = None if self._fallbacks is None else self._fallbacks.agreed(self.device.id, now)
        wanted, plan_until = self._wanted or (None, None)
        case = Situation(
            now=now,
            wanted=wanted,
            plan_until=plan_until,
            standing=None if self.standing is None else self.standing.setpoint,
            standing_w=self.state.standing_w(millis(now)),
            agreed=agreed,
            nats_lost=self.door.lost,
            clock_lost=self.clock_lost,
            said=self._said,
            stop_cause=self.stop_cause,
        )
        return goal_of(case, None if self._wishes.now is None else self._wishes.now.setpoint)

    def _aim(self, goal: Goal) -> Wish | None:
        """The wish that the goal is; None where what stands is kept."""
        before = self._wishes.now
        if goal.keep:
            self._wishes.now = None
        else:
            self._wishes.aim(goal)
        if self._wishes.now is not before or goal.keep:
            self._raising.give_up()
        return self._wishes.now

    def _plan_until(self) -> datetime | None:
        """How long the plan holds that what stands rests on."""
        if self.standing is None:
            return None
        wanted, setpoint = self._wanted, self.standing.setpoint
        return setpoint.expires_at if wanted is None or wanted[0] != setpoint else wanted[1]

    def _own_sample(self, sample: Sample) -> None:
        self.seen(sample)
        if self._reads is not None:
            self._reads(sample)


def _adopted(standing: Standing, found: Found, now: datetime) -> AtDevice:
    """What was written within a band is on no record: it is what the device shows."""
    command = standing.command
    assert command.written_at is not None, "it was written"
    return AtDevice(
        setpoint=command.setpoint,
        day=standing.day,
        sequence=command.sequence,
        target_w=found.w if command.setpoint.band_w else command.setpoint.setpoint_w,
        before_w=command.before_w,
        written_at=command.written_at,
        confirmed=True,
        seen=command.status == "seen",
        expected_at=now + METER_LATE,
    )
