"""What is wrong with the devices of a driver, as alarms on record: raised once, cleared once.

What stands is in the book, so that a driver that starts again goes on with it. While the store is lost
nothing is forgotten: it is told when it is back, under the same command ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from adapters.driving.device_state import millis
from adapters.driving.driven import Driven
from adapters.driving.fleet import Fleet
from adapters.driving.telling import Teller
from adapters.driving.watched_door import StoreLost, WatchedDoor
from dispatch.control.setpoint import step_id
from dispatch.health.alarm import (
    AlarmKind,
    Alarms,
    ClearAlarm,
    RaiseAlarm,
    alarm_aggregate,
    alarm_id,
)
from dispatch.health.alarm_watch import ALARM_RULES, AlarmRule, AlarmWatch, Cleared, Raised
from dispatch.health.cells import cell_limits
from dispatch.health.device_findings import LOST_MS, Seen, device_findings
from dispatch.telemetry.jumps import JumpWatch
from dispatch.telemetry.sample import Sample
from ledger.refusal import Refused

ACTOR: Final = "health"
TURN_S: Final = 1.0
_AT_ONCE: Final = 20
_CELL_ROLES: Final = frozenset(
    {"cell_voltage_max", "cell_voltage_min", "cell_temperature_max", "cell_temperature_min"}
)


class HealthWatch:
    """All storages of a fleet. `say` gets a line for each alarm that is raised or cleared; `disk` says why
    the driver's disk does not take what it is to keep, "" while it does."""

    def __init__(
        self,
        fleet: Fleet,
        door: WatchedDoor,
        clock: Callable[[], datetime],
        say: Callable[[str], None],
        rules: Mapping[AlarmKind, AlarmRule] = ALARM_RULES,
        disk: Callable[[], str] = str,
    ) -> None:
        self._fleet = fleet
        self._door = door
        self._clock = clock
        self._say = say
        self._rules = rules
        self._disk = disk
        self._begun_ms = millis(clock())
        self._cells: dict[str, Sample] = {}
        self._why: dict[str, str] = {}
        self._jumps: dict[str, JumpWatch] = {}
        self._watches: dict[str, AlarmWatch] = {}
        self.teller: Final = Teller(door, lambda refused: say(f"alarm refused ({refused.code}): {refused}"))

    def seen(self, sample: Sample) -> None:
        """A sample of any device; those of meters are left."""
        if sample.device not in self._fleet.storages:
            return
        for _, why in self._jumps.setdefault(sample.device, JumpWatch()).seen(sample):
            self._say(f"{sample.device}: {why}")
        if sample.lost:
            self._why[sample.device] = sample.lost
        elif "active_power" in sample.readings and sample.value("active_power") is None:
            reading = sample.readings["active_power"]
            self._why[sample.device] = f"its power is {reading.quality}: {reading.reason}"
        elif "active_power" in sample.readings and sample.power_w("active_power") is None:
            self._why[sample.device] = f"its power is {sample.value('active_power')} W: more than any has"
        if not _CELL_ROLES.isdisjoint(sample.readings):
            self._cells[sample.device] = sample

    async def run(self) -> None:
        """Until it is cancelled: what is on record, then a look each second."""
        telling = asyncio.get_running_loop().create_task(self.teller.run())
        try:
            for name in self._fleet.storages:
                self._watches[name] = await self._watch(name)
            while True:
                now = self._clock()
                looked = not self._fleet.behind(millis(now))
                for number, (name, one) in enumerate(self._fleet.storages.items()):
                    if looked:
                        self._look(one, self._watches[name], now)
                    if number % _AT_ONCE == _AT_ONCE - 1:
                        # Nobody who polls waits for all of them.
                        await asyncio.sleep(0)
                await asyncio.sleep(TURN_S)
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

    async def _watch(self, device: str) -> AlarmWatch:
        while True:
            try:
                state = await self._door.state(alarm_aggregate(device))
            except StoreLost:
                await self._door.until_back()
                continue
            alarms = state if isinstance(state, Alarms) else Alarms()
            return AlarmWatch(alarms.open, alarms.newest, self._rules)

    def _look(self, one: Driven, watch: AlarmWatch, now: datetime) -> None:
        executor = one.executor
        snapshot = executor.snapshot
        driver = dict(executor.alarms)
        if disk := self._disk():
            driver.setdefault("journal", disk)
        if one.disagrees:
            driver["meter_disagrees"] = f"its own power is not believed: {one.disagrees}"
        if one.follower.why or one.still.why:
            # It is told no more than it does by now, so that nothing else disagrees.
            driver["meter_disagrees"] = one.follower.why or one.still.why
        seen = Seen(
            now_ms=millis(now),
            begun_ms=self._begun_ms,
            # As lost as the driver takes it: later, where it tells its power more seldom.
            good_ms=None if one.good_ms is None else one.good_ms + one.lost_ms - LOST_MS,
            why=self._why.get(one.id, ""),
            driver=driver,
            mode=snapshot.mode,
            clock_ms=snapshot.clock_ms,
            cells=self._cells.get(one.id),
            jumped=self._jumps[one.id].standing if one.id in self._jumps else "",
        )
        limits = executor.limits
        cells = cell_limits(one.one.device.power_w, limits.hottest_mc_max, limits.coldest_mc_min)
        for step in watch.turn(device_findings(seen, cells), now):
            self._tell(one.id, step)

    def _tell(self, device: str, step: Raised | Cleared) -> None:
        door = self._door
        name = alarm_id(device, step.kind, step.since)
        if isinstance(step, Raised):
            raising = RaiseAlarm(device, step.kind, step.since, ACTOR, step.severity, step.detail[:2000])
            self._say(f"{device}: alarm {step.kind} ({step.severity}): {step.detail}")

            async def told() -> None:
                await door.execute(raising, name)

        else:
            clearing = ClearAlarm(device, step.kind, step.since, ACTOR, step.reason[:2000])
            since = f"{step.kind} {step.since.isoformat()}"
            name = step_id(device, f"{step.since:%Y-%m-%d}", 0, "cleared", since)
            self._say(f"{device}: alarm {step.kind} is over: {step.reason}")

            async def told() -> None:
                try:
                    await door.execute(clearing, name)
                except Refused as refused:
                    if refused.code != "unknown_alarm":
                        raise
                    # A person has cleared it already.

        self.teller.tell(told)
