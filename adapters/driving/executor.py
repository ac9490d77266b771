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
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple

import msgspec

from adapters.driving.device_state import (
    DeviceState,
    DrivenDevice,
    instant,
    meter_tolerance_w,
    millis,
    register_tolerance_w,
    shown_w,
)
from adapters.driving.device_writes import REFRESHED_PART, DeviceWrites, Found, Outcome
from adapters.driving.fallback_file import FallbackFile
from adapters.driving.goal import Goal, Situation, goal_of
from adapters.driving.journal import Entry, Journal
from adapters.driving.journal import Outcome as JournalOutcome
from adapters.driving.lease_keeper import LASTS_S, RETRY_S, LeaseKeeper
from adapters.driving.port import DevicePort, Unreachable, WriteRefused, WriteUncertain, WrongAnswer
from adapters.driving.starting import Resolver, Standing
from adapters.driving.steps import Steps
from adapters.driving.telling import Teller
from adapters.driving.tried import OVERWRITTEN_MAX, REFUSED_MAX, AtDevice, Wish
from adapters.driving.watched_door import StoreLost, WatchedDoor
from adapters.driving.written_first import day_of
from dispatch.control.foreign_writer import ReadBack, read_back
from dispatch.control.interlock import DeviceLimits, DeviceSnapshot, Permission, Verdict, check_interlocks
from dispatch.control.setpoint import Setpoint, lowers
from dispatch.telemetry.sample import Sample
from ledger.refusal import Refused

TICK_S: Final = 1.0
AGAIN_S: Final = 1.0
STOP_AGAIN_S: Final = 10.0
_SAFE_AGAIN_S_MAX: Final = 60.0
_METER_LATE_S: Final = 10.0
_END_S: Final = 5.0
_BEGIN_S: Final = 0.1
_LOOKS: Final = 2
_STOPS_AT_ONCE: Final = 50
_EARLY: Final = timedelta(seconds=2)
"""A revert timer counts whole seconds: a device falls back so much before its setpoint is over."""

Alarm = Literal[
    "foreign_writer", "device_refused", "unreachable", "meter_disagrees", "watchdog", "record_refused",
    "start", "journal", "intent_refused", "interlock",
]  # fmt: skip
_OVER: Final[tuple[Alarm, ...]] = ("device_refused", "interlock", "intent_refused")
"""Over when a setpoint holds."""


class Stopped(NamedTuple):
    """What became of a stop: `verified` when the device was read and showed it."""

    device: str
    verified: bool
    why: str = ""


class Executor:
    """Of one event loop. `lock` is the poller's: one request at a time. `limits` are the device's now;
    `holder` names this run of this process; `journal` and `door` are shared by all devices.

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
    ) -> None:
        self.device: Final = device
        self.limits = limits
        self.commissioned = False
        self.clock_lost = False
        """Nobody knows the time to half a minute (`adapters.driving.clock_watch`)."""
        self.alarms: dict[Alarm, str] = {}
        """What is wrong now, in words."""
        self.keeper: Final = LeaseKeeper(device.id, holder, door, clock, lasts_s=lease_s)
        self._port = port
        self._lock = lock
        self._door = door
        self._clock = clock
        self._journal = journal
        self._holder = holder
        self._fallbacks = fallbacks
        self._reads = read
        self._state = DeviceState(device)
        self.telling: Final = Teller(door, lambda refused: self._alarm("record_refused", str(refused)))
        self._steps = Steps(door, self.telling, journal, device.id, holder)
        self._writes = DeviceWrites(port, device, clock, self._own_sample, self.keeper.write_ms)
        self._tolerance_w = register_tolerance_w(device.profile)
        self._wanted: tuple[Setpoint, datetime | None] | None = None
        self._stop_cause = ""
        self._follow_w: int | None = None
        self._wish: Wish | None = None
        self._wishes = 0
        self._standing: AtDevice | None = None
        self._resolved = 0
        self._writing = False
        self._raising: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self._ticked = 0.0
        self._metered = False

    @property
    def snapshot(self) -> DeviceSnapshot:
        return self._state.snapshot(self._clock())

    @property
    def ready(self) -> bool:
        """It holds the lease, and device and record agree."""
        return self.keeper.held() and self._resolved == self.keeper.token

    @property
    def doubtful(self) -> bool:
        """A write of which nobody knows whether it arrived."""
        return self._standing is not None and not self._standing.confirmed

    @property
    def untold(self) -> int:
        """How much is still to be recorded."""
        return self.telling.waiting

    @property
    def standing(self) -> AtDevice | None:
        """The setpoint that the device has of us."""
        return self._standing

    def want(self, setpoint: Setpoint | None, plan_until: datetime | None = None) -> None:
        """What the device is to do from now on; None: nobody says. An equal setpoint is the same wish.

        `plan_until` is how long the plan holds that it rests on; not stated, as long as the setpoint.
        """
        wanted = None if setpoint is None else (setpoint, plan_until or setpoint.expires_at)
        if wanted != self._wanted:
            self._wanted, self._follow_w = wanted, None
            self._woken.set()

    def follow(self, power_w: int | None) -> None:
        """A regulation signal: the power within the band of what stands; None: its middle. No new intent."""
        self._follow_w = power_w
        self._woken.set()

    def seen(self, sample: Sample) -> None:
        """A sample of the poller."""
        self._take(sample)

    def site_draws(self, grid_w: int | None, at: datetime) -> None:
        """At the site's connection, above 0 importing; None when that is not known."""
        self._state.grid(grid_w, millis(at))

    def metered(self, meter: str, power_w: int, at: datetime) -> None:
        """The storage's own meter, where it is another device: W at its AC side, above 0 discharging."""
        self._metered = True
        self._compare(meter, Found(power_w, at))

    async def stop(self, cause: str) -> Stopped:
        """Stop at once, and stay so until `allow`. Asks nobody, and needs no lease; tried again while it is
        not verified."""
        self._stop_cause = cause
        wish = self._aim(self._goal(self._clock()))
        assert wish is not None, "a stop is a goal"
        stopped = await self._write_first(wish)
        for _ in range(_LOOKS):
            if stopped.verified or not self.doubtful:
                break
            await self._look()
            if self._done(wish):
                stopped = Stopped(self.device.id, verified=True)
        return stopped

    def allow(self) -> None:
        """The emergency is over: wishes hold again."""
        self._stop_cause = ""
        self._woken.set()

    async def run(self) -> None:
        """Until it is cancelled. Then the lease is released, so that another need not wait; the device falls
        back by itself when the setpoint expires, or its watchdog finds us silent.

        Raises:
            ExceptionGroup: of `Refused` where the device is not registered; of a fault of ours.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for task in (self.telling.run, self._hold, self._begin, self._beat, self._control):
                    group.create_task(task())
        finally:
            self._give_up_raising()
            if self._raising is not None:
                await asyncio.gather(self._raising, return_exceptions=True)
            with suppress(StoreLost, TimeoutError):
                async with asyncio.timeout(_END_S):
                    await self.keeper.release()

    async def _hold(self) -> None:
        while True:
            try:
                pause = await self.keeper.turn()
            except StoreLost:
                await self._door.until_back()
                continue
            if self._fallbacks is not None and self.keeper.held():
                with suppress(StoreLost):
                    await self._fallbacks.agree(self.device.id, self._door)
            self._woken.set()
            await asyncio.sleep(pause)

    async def _begin(self) -> None:
        """Device and record are brought to agree, under every lease anew."""
        while _goes_on():
            if self.keeper.held() and self._resolved != self.keeper.token:
                token = self.keeper.token
                try:
                    if await self._resolve():
                        self._resolved = token
                        self.alarms.pop("start", None)
                        self._woken.set()
                except StoreLost:
                    await self._door.until_back()
                except Refused as refused:
                    self._alarm("start", str(refused))
            await asyncio.sleep(RETRY_S if self.ready else _BEGIN_S)

    async def _resolve(self) -> bool:
        await self.telling.until_told()
        async with self._lock:
            if await self._sampled() is None:
                self._alarm("start", "the device does not answer")
                return False
            found = await self._writes.find()
        if found is None:
            self._alarm("start", "the device does not show its setpoint")
            return False
        remote = self.snapshot.mode == "remote"
        resolver = Resolver(
            self._door, self._journal, self.device.id, self._tolerance_w, self.device.safe_w, remote
        )
        standing = await resolver.resolve(found, self._clock())
        self._wish = None
        self._standing = None if standing is None else _adopted(standing)
        await self._refresh_watchdog()
        return True

    async def _sampled(self) -> Sample | None:
        """Everything that the device shows, for what the setpoint's blocks do not hold."""
        try:
            sample = await self._port.read(self._port.periods)
        except (Unreachable, WrongAnswer):
            return None
        self._own_sample(sample)
        return sample

    async def _beat(self) -> None:
        """Refresh the device's watchdog, as long as wishes are looked after and may be written."""
        control = self.device.profile.control
        if control is None or control.watchdog is None:
            return
        while _goes_on():
            stalled = time.monotonic() - self._ticked > control.watchdog.period_s
            if self.ready and not stalled:
                await self._refresh_watchdog()
            await asyncio.sleep(control.watchdog.period_s if self.ready else TICK_S)

    async def _refresh_watchdog(self) -> None:
        control = self.device.profile.control
        if control is None or control.watchdog is None:
            return
        try:
            async with self._lock:
                if self.keeper.held():
                    await self._port.beat(millis(self._clock()) // 1000 // control.watchdog.period_s)
        except (Unreachable, WriteRefused, WriteUncertain, Refused) as error:
            self._alarm("watchdog", f"{error}")
        else:
            self.alarms.pop("watchdog", None)

    async def _control(self) -> None:
        while _goes_on():
            self._ticked = time.monotonic()
            if self._raising is not None and self._raising.done() and not self._raising.cancelled():
                self._raising.result()
            await self._turn()
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._woken.wait()
            self._woken.clear()

    async def _turn(self) -> None:
        now = self._clock()
        self._expire(now)
        if not (self.ready or self._stop_cause):
            return
        goal = self._goal(now)
        wish = self._aim(goal)
        if wish is None:
            await self._follow_and_refresh(now)
            return
        if self._done(wish):
            await self._follow_and_refresh(now)
        elif wish.ended or time.monotonic() < wish.again_at:
            return
        elif self.doubtful:
            await self._end_doubt(wish)
        elif (goal.agreed and self._door.lost) or lowers(wish.setpoint, self._state.standing_w(millis(now))):
            await self._write_first(wish)
        elif self._raising is None or self._raising.done():
            self._raising = asyncio.get_running_loop().create_task(self._raise(wish))

    def _goal(self, now: datetime) -> Goal:
        agreed = None if self._fallbacks is None else self._fallbacks.agreed(self.device.id, now)
        wanted, plan_until = self._wanted or (None, None)
        case = Situation(
            now=now,
            wanted=wanted,
            plan_until=plan_until,
            standing=None if self._standing is None else self._standing.setpoint,
            standing_w=self._state.standing_w(millis(now)),
            agreed=agreed,
            nats_lost=self._door.lost,
            clock_lost=self.clock_lost,
            stop_cause=self._stop_cause,
        )
        return goal_of(case, None if self._wish is None else self._wish.setpoint)

    def _aim(self, goal: Goal) -> Wish | None:
        """The wish that the goal is, which may be under way already; None where what stands is kept."""
        if goal.keep:
            self._give_up_raising()
            self._wish = None
            return None
        setpoint = self._settable(goal.setpoint)
        wish = self._wish
        if wish is not None and (wish.setpoint, wish.urgent) == (setpoint, goal.urgent):
            wish.plan_until = goal.plan_until
            return wish
        self._give_up_raising()
        self._wishes += 1
        self._wish = Wish(
            setpoint=setpoint,
            number=self._wishes,
            urgent=goal.urgent,
            idle=goal.idle,
            day=self._clock().date(),
            plan_until=goal.plan_until,
        )
        return self._wish

    def _settable(self, setpoint: Setpoint) -> Setpoint:
        """What the device's register can show of it."""
        if not setpoint.setpoint_w:
            return setpoint
        return msgspec.structs.replace(setpoint, setpoint_w=self._writes.settable_w(setpoint.setpoint_w))

    def _done(self, wish: Wish) -> bool:
        standing = self._standing
        if wish.idle:
            return self.snapshot.setpoint_w == 0
        return standing is not None and standing.confirmed and standing.setpoint == wish.setpoint

    def _expire(self, now: datetime) -> None:
        standing = self._standing
        if standing is None or now < standing.setpoint.expires_at or not standing.confirmed:
            return
        self._standing = None
        if not standing.seen:
            self._steps.tell_expired(standing)

    def _permission(self, wish: Wish) -> Permission:
        return Permission(
            commissioned=self.commissioned or wish.setpoint.origin == "commissioning",
            lease_held=self.ready,
            newest=wish is self._wish,
            stopped=bool(self._stop_cause),
            unknown=self.doubtful,
            plan_until=wish.plan_until,
        )

    def _look_at(self, wish: Wish) -> Verdict:
        return check_interlocks(
            wish.setpoint, self.snapshot, self.limits, self._permission(wish), self._clock()
        )

    async def _raise(self, wish: Wish) -> None:
        """Intent, lease, the last look, the write, and what the device shows then."""
        try:
            verdict = self._look_at(wish)
            if verdict.interlocks and frozenset(verdict.interlocks) in wish.refused:
                wish.again_at = time.monotonic() + AGAIN_S
                return
            if not wish.sequence:
                wish.day = self._clock().date()
                await self._steps.intend(wish)
            if verdict.interlocks:
                self._refuse(wish, verdict)
                return
            await self.telling.until_told()
            await self._steps.lease(wish, self.keeper.token)
        except StoreLost:
            wish.again_at = time.monotonic() + AGAIN_S
            return
        except Refused as refused:
            self._alarm("intent_refused", f"{refused.code}: {refused}")
            self._not_accepted(wish, refused)
            return
        async with self._lock:
            verdict = self._look_at(wish)
            if verdict.interlocks:
                self._refuse(wish, verdict)
                return
            self._writing = True
            try:
                await asyncio.shield(self._write_raise(wish))
            finally:
                self._writing = False

    async def _write_raise(self, wish: Wish) -> None:
        before_w = self._state.standing_w(millis(self._clock()))
        outcome = await self._writes.put(wish.setpoint.setpoint_w, wish.setpoint.expires_at)
        if outcome.certainty == "void":
            self._alarm("unreachable", outcome.why)
            wish.again_at = time.monotonic() + AGAIN_S
            return
        found = outcome.found
        taken = found is not None and abs(found.w - wish.setpoint.setpoint_w) <= self._tolerance_w
        if outcome.certainty == "refused" and not taken:
            self._alarm("device_refused", outcome.why)
            self._steps.tell_refused(wish, ("device_refused",))
            wish.sequence, wish.ended = 0, True
            return
        standing = self._written(wish, before_w, outcome)
        standing.sequence = wish.sequence
        self._steps.tell_written(standing, self.keeper.token, outcome)
        if found is not None:
            self._judge(standing, found)

    async def _write_first(self, wish: Wish) -> Stopped:
        """Written at once, and told when the store is there."""
        async with self._lock:
            if self._done(wish) and await self._writes.find() is not None and self._done(wish):
                return Stopped(self.device.id, verified=True)
            if wish.setpoint.power_w_max:
                verdict = self._look_at(wish)
                if verdict.interlocks:
                    self._alarm("interlock", ", ".join(verdict.interlocks))
                    wish.again_at = time.monotonic() + AGAIN_S
                    return Stopped(self.device.id, verified=False, why=", ".join(verdict.interlocks))
            now = self._clock()
            before_w = self._state.standing_w(millis(now))
            setpoint = wish.setpoint
            entry, begun = self._journal.begin(self.device.id, setpoint, before_w, instant(millis(now)))
            self._writing = True
            try:
                outcome = await self._writes.put(setpoint.setpoint_w, setpoint.expires_at)
            finally:
                self._writing = False
            stopped = await self._ended(wish, entry, before_w, outcome)
        for kept in (begun, self._journal.end(entry, _outcome(outcome))):
            try:
                await kept
            except OSError as error:
                self._alarm("journal", str(error))
        return stopped

    async def _ended(self, wish: Wish, entry: Entry, before_w: int | None, outcome: Outcome) -> Stopped:
        """What became of a write that was put down first."""
        wanted = wish.setpoint.setpoint_w
        found = outcome.found
        taken = found is not None and abs(found.w - wanted) <= self._tolerance_w
        if outcome.certainty == "void" or (outcome.certainty == "refused" and not taken):
            self._alarm("unreachable" if outcome.certainty == "void" else "device_refused", outcome.why)
            wish.again_at = time.monotonic() + AGAIN_S
            return Stopped(self.device.id, verified=False, why=outcome.why)
        standing = self._written(wish, before_w, outcome)
        standing.journal, standing.day = entry.journal, day_of(entry)
        self._steps.tell_written_first(standing, entry, certain=outcome.certainty == "certain")
        if found is not None:
            self._judge(standing, found)
        if standing.confirmed:
            return Stopped(self.device.id, verified=True)
        why = outcome.why or "it shows another setpoint" if found else "it does not answer"
        return Stopped(self.device.id, verified=False, why=why)

    def _written(self, wish: Wish, before_w: int | None, outcome: Outcome) -> AtDevice:
        limits, setpoint = self.device.profile.limits, wish.setpoint
        assert limits is not None, "a storage has limits"
        away = abs(setpoint.setpoint_w - (before_w or 0))
        self._standing = AtDevice(
            setpoint=setpoint,
            day=wish.day,
            target_w=setpoint.setpoint_w,
            before_w=before_w,
            written_at=outcome.at,
            refreshed_at=time.monotonic(),
            expected_at=time.monotonic() + away / max(limits.ramp_w_per_s, 1) + _METER_LATE_S,
        )
        self.alarms.pop("unreachable", None)
        return self._standing

    def _judge(self, standing: AtDevice, found: Found) -> None:
        """What a reading after a write says; on record, and for what is done next."""
        if found.at < standing.written_at or self._falling_back(standing, found):
            return
        band = standing.setpoint.band_w if standing.confirmed else 0
        remote = self.snapshot.mode in (None, "remote")
        answer = read_back(
            standing.setpoint.setpoint_w,
            None if standing.confirmed else standing.before_w,
            found.w,
            tolerance_w=self._tolerance_w + band,
            safe_w=self.device.safe_w,
            remote=remote,
        )
        if answer.answer == "applied" and standing.confirmed:
            return
        self._steps.tell_read(
            standing, found, tolerance_w=self._tolerance_w, safe_w=self.device.safe_w, remote=remote
        )
        if answer.answer == "applied":
            standing.confirmed = True
            for alarm in _OVER:
                self.alarms.pop(alarm, None)
            return
        self._standing = None
        wish = self._wish
        if answer.answer == "foreign" and answer.writer != "watchdog":
            self._alarm("foreign_writer", f"{answer.writer} set {found.w} W")
        if wish is not None and wish.setpoint == standing.setpoint:
            self._again(wish, answer, found)
        self._woken.set()

    def _falling_back(self, standing: AtDevice, found: Found) -> bool:
        """Its own timer ended it, as it was told to."""
        timed = standing.confirmed and "revert_timer" in self.device.profile.roles
        ending = found.at >= standing.setpoint.expires_at - _EARLY
        return timed and ending and abs(found.w - self.device.safe_w) <= self._tolerance_w

    def _again(self, wish: Wish, answer: ReadBack, found: Found) -> None:
        """Whether a wish that did not hold is written once more, and when."""
        now = time.monotonic()
        if answer.answer == "not_applied":
            wish.not_applied += 1
            wish.again_at = now + AGAIN_S
            if wish.not_applied >= REFUSED_MAX and not wish.urgent:
                self._alarm("device_refused", f"it keeps {found.w} W")
                if wish.sequence:
                    self._steps.tell_refused(wish, ("device_refused",))
                wish.ended = True
            return
        if wish.sequence:
            self._anew(wish)
        if answer.writer == "watchdog":
            wish.safe_states += 1
            wish.again_at = now + min(2.0 ** (wish.safe_states - 1), _SAFE_AGAIN_S_MAX)
            return
        wish.overwritten += 1
        wish.again_at = now + (STOP_AGAIN_S if wish.overwritten > 1 and wish.urgent else AGAIN_S)
        wish.ended = wish.overwritten > OVERWRITTEN_MAX and not wish.urgent

    async def _look(self) -> bool:
        """Read the device to end a doubt; whether it answered."""
        async with self._lock:
            return await self._writes.find() is not None and not self.doubtful

    async def _end_doubt(self, wish: Wish) -> None:
        """A reading decides before anything else is written; only a stop is written again without one."""
        if await self._look():
            self._woken.set()
            return
        if not wish.setpoint.power_w_max:
            await self._write_first(wish)
        wish.again_at = time.monotonic() + AGAIN_S

    async def _follow_and_refresh(self, now: datetime) -> None:
        """Within what stands: a regulation signal, and the revert timer before it ends."""
        standing = self._standing
        if standing is None or not standing.confirmed or not self.ready:
            return
        setpoint = standing.setpoint
        target = setpoint.setpoint_w
        if self._follow_w is not None and setpoint.band_w and not self._stop_cause:
            low, high = target - setpoint.band_w, target + setpoint.band_w
            target = self._writes.settable_w(min(max(self._follow_w, low), high))
        lasts = self._writes.revert_s(setpoint.expires_at)
        refreshed = time.monotonic() - standing.refreshed_at < lasts / REFRESHED_PART
        capped = (setpoint.expires_at - now) / timedelta(seconds=1) > lasts + 1
        if target == standing.target_w and (refreshed or not capped):
            return
        async with self._lock:
            if standing is not self._standing or not self.ready:
                return
            told = msgspec.structs.replace(setpoint, setpoint_w=target, band_w=0)
            permission = Permission(
                commissioned=self.commissioned,
                lease_held=True,
                newest=True,
                stopped=bool(self._stop_cause),
                unknown=False,
                plan_until=self._plan_until(setpoint),
            )
            verdict = check_interlocks(told, self.snapshot, self.limits, permission, self._clock())
            if verdict.interlocks and target != standing.target_w:
                self._alarm("interlock", ", ".join(verdict.interlocks))
                return
            self._writing = True
            try:
                outcome = await self._writes.put(target, setpoint.expires_at)
            finally:
                self._writing = False
            standing.refreshed_at = time.monotonic()
            if outcome.certainty == "certain":
                standing.target_w = target
            if outcome.found is not None:
                self._judge(standing, outcome.found)

    def _plan_until(self, setpoint: Setpoint) -> datetime | None:
        wanted = self._wanted
        return setpoint.expires_at if wanted is None or wanted[0] != setpoint else wanted[1]

    def _refuse(self, wish: Wish, verdict: Verdict) -> None:
        """On record, once for the same interlocks; looked at again, and intended anew when they are over."""
        wish.refused |= {frozenset(verdict.interlocks)}
        self._steps.tell_refused(wish, verdict.interlocks)
        self._anew(wish)
        wish.again_at = time.monotonic() + AGAIN_S
        self._alarm("interlock", ", ".join(verdict.interlocks))

    def _not_accepted(self, wish: Wish, refused: Refused) -> None:
        """The store does not accept the intent, or the lease."""
        wish.again_at = time.monotonic() + AGAIN_S
        match refused.code:
            case "emergency_stop":
                wish.again_at = time.monotonic() + STOP_AGAIN_S
            case "lease_lost":
                self.keeper.lost()
            case "command_unknown":
                self._resolved = 0
            case "command_status" | "command_day":
                self._anew(wish)
            case _:
                wish.ended = True

    def _anew(self, wish: Wish) -> None:
        """Its next intent is another command."""
        self._wishes += 1
        wish.number, wish.sequence, wish.not_applied = self._wishes, 0, 0

    def _give_up_raising(self) -> None:
        """What is only asked for yet; a write that has begun comes to its end."""
        if self._raising is not None and not self._raising.done() and not self._writing:
            self._raising.cancel()

    def _own_sample(self, sample: Sample) -> None:
        self._take(sample)
        if self._reads is not None:
            self._reads(sample)

    def _take(self, sample: Sample) -> None:
        self._state.take(sample)
        standing = self._standing
        if self._writing or standing is None or sample.lost or sample.at < standing.written_at:
            return
        shown = shown_w(self.device, sample)
        if shown is not None:
            self._judge(standing, Found(shown, sample.at))
        power = sample.value("active_power")
        if power is not None and not self._metered:
            self._compare(self.device.meter, Found(power, sample.at))

    def _compare(self, meter: str, measured: Found) -> None:
        """Whether what is measured is what stands."""
        standing = self._standing
        if standing is None or not standing.confirmed or standing.seen or measured.at < standing.written_at:
            return
        tolerance = meter_tolerance_w(self.limits)
        if abs(measured.w - standing.setpoint.setpoint_w) <= tolerance + standing.setpoint.band_w:
            standing.seen = True
            self.alarms.pop("meter_disagrees", None)
            if meter:
                self._steps.tell_seen(standing, meter, measured, tolerance)
        elif time.monotonic() > standing.expected_at:
            self._alarm("meter_disagrees", f"{measured.w} W in place of {standing.setpoint.setpoint_w} W")

    def _alarm(self, alarm: Alarm, text: str) -> None:
        self.alarms[alarm] = text


async def stop_all(executors: Sequence[Executor], cause: str) -> tuple[Stopped, ...]:
    """Stop them all, so many at once that none waits for an answer longer than devices take; each is verified
    by reading it, or says why not."""
    turns = asyncio.Semaphore(_STOPS_AT_ONCE)

    async def stop(one: Executor) -> Stopped:
        async with turns:
            return await one.stop(cause)

    for one in executors:
        one.telling.pause()
    try:
        return tuple(await asyncio.gather(*map(stop, executors)))
    finally:
        for one in executors:
            one.telling.go_on()


def _goes_on() -> bool:
    """What was cancelled over a write ends after it, whether or not the write let that through."""
    task = asyncio.current_task()
    assert task is not None, "it runs in a task"
    return not task.cancelling()


def _adopted(standing: Standing) -> AtDevice:
    command = standing.command
    assert command.written_at is not None, "it was written"
    return AtDevice(
        setpoint=command.setpoint,
        day=standing.day,
        sequence=command.sequence,
        target_w=command.setpoint.setpoint_w,
        before_w=command.before_w,
        written_at=command.written_at,
        confirmed=True,
        seen=command.status == "seen",
        expected_at=time.monotonic() + _METER_LATE_S,
    )


def _outcome(outcome: Outcome) -> JournalOutcome:
    match outcome.certainty:
        case "certain":
            return "certain"
        case "uncertain":
            return "uncertain"
        case "void" | "refused":
            return "void"
