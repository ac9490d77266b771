"""The step test at a device: commands small steps, then its full power, then falls silent, and watches.

Whatever happens, it ends with the device told to stand still, given back to its own control, and read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from adapters.commissioning.connection import Bearing, shown
from adapters.driving.port import (
    DevicePort,
    TellingPort,
    Unreachable,
    WriteRefused,
    WriteUncertain,
    WrongAnswer,
)
from dispatch.commissioning import judging
from dispatch.commissioning.observed import Moved, Observed
from dispatch.commissioning.report import CommissioningReport
from dispatch.commissioning.step_plan import REVERT_S, StepPlan
from dispatch.commissioning.step_result import NONE, STEPS, StepName, StepResult, failed, not_run
from dispatch.devices.profile import Profile
from dispatch.telemetry.sample import Sample
from ledger.refusal import Refused

Sleep = Callable[[float], Awaitable[None]]
_REST_MS: Final = 1_500
"""How long the device is watched before anything is written: a counter of seconds goes on within it."""
_REVERT_MS_EARLY: Final = 1_000
_BEYOND: Final = 2
"""So many readings in a row of a connection beyond its limit end the test."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
PORT_ERRORS: Final = (Unreachable, WrongAnswer, WriteRefused, WriteUncertain)


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What is tested: ids and digests, as the report states them."""

    device: str
    profile: str
    profile_sha256: str
    address_sha256: str
    meter: str = ""
    read_by: Profile | None = None
    lacks: str = ""


class _Failed(Exception):
    """A step failed: nothing more is commanded."""


class StepTest:
    """One run of the test. `meter` is read beside the device; `before_write` is awaited before each write of
    a setpoint above zero, and raises when it must not be written any more (a lease that was lost). What
    `bearing` does not bear is not commanded; where the site's load changes so that it bears no more what was,
    the step fails."""

    def __init__(
        self,
        port: DevicePort,
        tested: Subject,
        plan: StepPlan,
        *,
        clock_ms: Callable[[], int],
        meter: DevicePort | None = None,
        sleep: Sleep = asyncio.sleep,
        before_write: Callable[[], Awaitable[None]] | None = None,
        told: Callable[[StepResult], None] = lambda _: None,
        bearing: Bearing | None = None,
    ) -> None:
        self._port = port
        self._bearing = bearing
        self._tested = tested
        self._plan = plan
        self._clock = clock_ms
        self._meter = meter
        self._sleep = sleep
        self._before_write = before_write
        self._told = told
        self._results: dict[StepName, StepResult] = {}
        self._beats = 0
        self._beaten_ms: int | None = None
        self._beating = True

    async def run(self) -> CommissioningReport:
        """Every step, up to the first that fails; then the device is left safe, and the report made.

        Raises:
            Refused: what `before_write` raises; the device was stopped before.
        """
        started = self._clock()
        try:
            await self._steps()
        except _Failed:
            pass
        except PORT_ERRORS as error:
            step = next(name for name in STEPS if name not in self._results)
            self._keep(failed(step, _why(error)))
        finally:
            # A cancelled test leaves the device safe, too: nothing here is interrupted.
            await asyncio.shield(self._leave_safe())
        for step in STEPS:
            if step not in self._results:
                self._keep(not_run(step, "a step before it failed"))
        tested = self._tested
        return CommissioningReport(
            device=tested.device,
            profile=tested.profile,
            profile_sha256=tested.profile_sha256,
            address_sha256=tested.address_sha256,
            meter=tested.meter,
            started_at=_instant(started),
            ended_at=_instant(self._clock()),
            plan=self._plan,
            results=tuple(self._results[step] for step in STEPS),
            lacks=tested.lacks,
        )

    async def _steps(self) -> None:
        plan = self._plan
        rest = await self._watch(_REST_MS + 2 * plan.told_ms)
        self._need(judging.judge_telemetry(rest, plan))
        self._need(judging.judge_clock(rest, plan))
        self._need(judging.judge_heartbeat(rest, plan))
        out = await self._command(plan.step_w, rest[-1])
        self._need(judging.judge_latency(out, plan))
        self._sound((out,))
        back = await self._command(-plan.step_w, out.seen[-1])
        both = (out, back)
        self._need(judging.judge_sign(both))
        self._need(judging.judge_scale(both, plan))
        still = await self._command(0, back.seen[-1])
        full = await self._command(plan.discharge_w, still.seen[-1])
        ramp = judging.judge_ramp(full, plan)
        self._need(ramp)
        whole = await self._command(-plan.charge_w, full.seen[-1])
        self._need(judging.judge_capability((full, whole), plan))
        still = await self._command(0, whole.seen[-1])
        await self._revert(still.seen[-1])
        await self._watchdog()

    def _sound(self, moved: Sequence[Moved]) -> None:
        """After the first step already: nothing more is commanded of a device that goes the wrong way."""
        sign, scale = judging.judge_sign(moved), judging.judge_scale(moved, self._plan)
        if "failed" in (sign.verdict, scale.verdict):
            self._need(sign)
            self._need(scale)

    async def _revert(self, before: Observed) -> None:
        plan = self._plan
        if not plan.reverts:
            self._keep(not_run("revert", f"{NONE}: no revert timer"))
            return
        moved = await self._command(plan.step_w, before, revert_s=plan.revert_s)
        gone = await self._until_safe(moved.written_ms, 1000 * plan.revert_s)
        result = StepResult(
            step="revert", verdict="passed", commanded_w=moved.commanded_w, read_w=moved.settled_w
        )
        least = 1000 * plan.revert_s - _REVERT_MS_EARLY
        most = 1000 * plan.revert_s + self._plan.wait_ms(plan.step_w)
        self._need(judging.judge_safe(result, gone, least_ms=least, most_ms=most, early="failed"))

    async def _watchdog(self) -> None:
        plan = self._plan
        if plan.watchdog_s is None:
            self._keep(not_run("watchdog", f"{NONE}: only its revert timer ends a setpoint"))
            return
        before = await self._observe()
        moved = await self._command(plan.step_w, before, revert_s=3 * plan.watchdog_s + 60)
        await self._beat()
        self._beating = False
        assert self._beaten_ms is not None
        gone = await self._until_safe(self._beaten_ms, 1000 * plan.watchdog_s)
        self._beating = True
        result = StepResult(
            step="watchdog", verdict="passed", commanded_w=moved.commanded_w, read_w=moved.settled_w
        )
        least = 1000 * (plan.watchdog_s - (plan.beat_s or 0))
        most = 1000 * plan.watchdog_s + self._plan.wait_ms(plan.step_w)
        self._need(judging.judge_safe(result, gone, least_ms=least, most_ms=most, early="flagged"))

    async def _command(self, power_w: int, before: Observed, revert_s: int | None = None) -> Moved:
        """Command it, and watch until it has settled or should have."""
        plan = self._plan
        wait_ms = plan.wait_ms(power_w - (before.power_w or 0))
        settable = self._port.settable_w(power_w)
        if power_w and self._before_write is not None:
            await self._before_write()
        if power_w and self._bearing is not None:
            self._bear(await self._bearing.refuses(settable, self._sleep, self._read))
        await self._beat()
        written = self._clock()
        await self._port.write_setpoint(settable, revert_s or -(-2 * wait_ms // 1000) + 10)
        answered = self._clock()
        seen: list[Observed] = []
        beyond = 0
        while True:
            seen.append(await self._next(written))
            if self._bearing is not None:
                why = await self._bearing.beyond(self._read)
                beyond = beyond + 1 if why else 0
                self._bear(why if beyond >= _BEYOND else "")
            last = [one.power_w for one in seen[-3:]]
            there = len(last) == 3 and all(
                one is not None and abs(one - settable) <= plan.allowed_w(settable) for one in last
            )
            if there or self._clock() - written >= wait_ms:
                return Moved(
                    commanded_w=settable,
                    written_ms=written,
                    answered_ms=answered,
                    before=before,
                    seen=tuple(seen),
                )

    def _bear(self, why: str) -> None:
        """A connection that does not bear it fails the step that is under way."""
        if why:
            step = next(name for name in STEPS if name not in self._results)
            self._need(failed(step, f"connection: {why}"))

    async def _until_safe(self, since_ms: int, after_ms: int) -> int | None:
        """How long after `since_ms` the device was in its safe state; None when it was not by then."""
        plan = self._plan
        deadline = since_ms + after_ms + plan.wait_ms(plan.step_w) + 4 * plan.sample_ms
        while self._clock() < deadline:
            one = await self._next()
            if one.power_w is not None and abs(one.power_w - plan.safe_w) <= plan.allowed_w(0):
                return one.at_ms - since_ms
        return None

    async def _leave_safe(self) -> None:
        """Told to stand still and given back; tried three times, and read."""
        self._beating = True
        note = "it was never read"
        for _ in range(3):
            try:
                await self._beat()
                await self._port.write_setpoint(0, REVERT_S)
                if self._plan.releases:
                    await self._port.release()
                told = self._clock()
                deadline = told + self._plan.wait_ms(max(self._plan.discharge_w, self._plan.charge_w))
                while self._clock() < deadline:
                    one = await self._next(told)
                    if one.power_w is not None and abs(
                        one.power_w - self._plan.safe_w
                    ) <= self._plan.allowed_w(0):
                        self._keep(
                            StepResult(step="left_safe", verdict="passed", read_w=one.power_w, unit="W")
                        )
                        return
                    note = f"it still shows {one.power_w} W"
            except (*PORT_ERRORS, Refused) as error:
                note = _why(error)
                await self._sleep(self._plan.sample_ms / 1000)
        self._keep(failed("left_safe", f"{note}: go and look"))

    async def _watch(self, for_ms: int) -> list[Observed]:
        end = self._clock() + for_ms
        seen = [await self._observe()]
        while self._clock() < end:
            seen.append(await self._next())
        return seen

    async def _next(self, since_ms: int = 0) -> Observed:
        """The next sample; none of before `since_ms`, which a message may be that was not read yet."""
        while True:
            await self._pause()
            one = await self._observe()
            if one.at_ms >= since_ms:
                return one

    async def _pause(self) -> None:
        """A sample's time, and a heartbeat where one is due."""
        await self._sleep(self._plan.sample_ms / 1000)
        due, last = self._plan.beat_s, self._beaten_ms
        if self._beating and due is not None and last is not None and self._clock() - last >= 1000 * due:
            await self._beat()

    async def _observe(self) -> Observed:
        device = await self._read(self._port)
        meter = None if self._meter is None else await self._read(self._meter)
        return Observed.of(device, meter, self._tested.read_by)

    async def _read(self, port: DevicePort) -> Sample:
        """As `shown`; while a message is waited for the heartbeats go on."""
        if not isinstance(port, TellingPort) or port.unread:
            return await shown(port)
        reading = asyncio.ensure_future(shown(port))
        try:
            while not reading.done():
                await self._pause()
        finally:
            reading.cancel()
            await asyncio.wait([reading])
            wrong = None if reading.cancelled() else reading.exception()
        if wrong is not None:
            raise wrong
        return reading.result()

    async def _beat(self) -> None:
        if self._plan.beat_s is not None:
            self._beaten_ms = self._clock()
            await self._port.beat(self._beats)
            self._beats += 1

    def _need(self, result: StepResult) -> None:
        self._keep(result)
        if result.verdict == "failed":
            raise _Failed

    def _keep(self, result: StepResult) -> None:
        if result.step not in self._results:
            self._results[result.step] = result
            self._told(result)


def _why(error: Exception) -> str:
    """What went wrong at a port, for people."""
    match error:
        case Refused():
            return f"{error.code}: {error}"
        case WriteRefused():
            return f"it refused: {error}"
        case WriteUncertain():
            return f"nobody knows whether it took it: {error}"
        case _:
            return str(error)


def _instant(at_ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=at_ms)
