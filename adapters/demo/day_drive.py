"""The day itself: the driver follows the plan on real storages, and what goes wrong on the way goes wrong."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from adapters.demo.day_lapse import DayLapse, just_after, just_before
from adapters.demo.day_programme import OFFERED_W, ResponseProgramme
from adapters.demo.day_story import DEAD, Story, lying_later
from adapters.demo.driven_book import (
    END,
    QUARTER,
    QUARTERS,
    SITES,
    START,
    STORAGES,
    UNIT,
    ZONE,
    DrivenBook,
    fleet,
    load_w,
    plan_day,
)
from adapters.demo.peer_process import PeerProcess
from adapters.driving.driver_folder import DriverFolder
from adapters.driving.role import DrivingRole
from adapters.queries.recorded_plans import RecordedPlan
from dispatch.control.lease import LASTS_S_MAX

_NUMBERS: Final = {name: number for number, name in enumerate(STORAGES)}
_AFTER: Final = timedelta(seconds=75)
"""When the last quarter-hour of the day is settled from: a minute after its end, and some."""
_SOON_S: Final = 12.0
_LOOKED_S: Final = 3.0
_ALARM_LOOK_S: Final = 1.1
_ALARM_LASTS: Final = timedelta(seconds=75)


class DrivenDay:
    """One driver, from the last minute before the day to the first one after it."""

    def __init__(
        self,
        book: DrivenBook,
        peers: PeerProcess,
        plan: RecordedPlan,
        story: Story,
        programme: ResponseProgramme,
    ) -> None:
        self.book = book
        self.peers = peers
        self.story = story
        self.programme = programme
        self._planned_w = np.sum(list(plan.setpoints().values()), axis=0)
        self._said: list[str] = []
        self.unsettled = 0

    async def live(self) -> None:
        """Raises:
        Refused: `demo_drive`; ExceptionGroup: what ended the driver."""
        book = self.book
        folder = DriverFolder(book.folder / "driver")
        role = DrivingRole(
            book.stack, fleet(self.peers.ports), folder, self._said.append,
            lease_s=LASTS_S_MAX, steady_s=book.clock.steady_s,
        )  # fmt: skip
        stopping = asyncio.Event()
        with folder.held():
            driving = asyncio.get_running_loop().create_task(role.drive(stopping))
            living = asyncio.get_running_loop().create_task(self._live(DayLapse(book, self.peers, role)))
            try:
                await asyncio.wait((driving, living), return_when=asyncio.FIRST_COMPLETED)
                if driving.done():
                    driving.result()
                await living
            finally:
                living.cancel()
                stopping.set()
                with suppress(asyncio.CancelledError):
                    await driving

    async def _live(self, lapse: DayLapse) -> None:
        await lapse.started()
        names = ", ".join(STORAGES)
        self.book.say(f"the driver holds the leases of {names} and has read them")
        for number in range(QUARTERS):
            await self._quarter(lapse, number)
        await lapse.to(just_before(END))
        await lapse.to(just_after(END))
        await lapse.to(END + _AFTER)
        await self._recorded(lapse)

    async def _quarter(self, lapse: DayLapse, number: int) -> None:
        begin, story = START + number * QUARTER, self.story
        await lapse.to(just_before(begin))
        if number % 4 == 0:
            for name, at in _NUMBERS.items():
                self.peers.ask(do="put", storage=at, load_w=load_w(name, number // 4))
        if number == story.alive:
            self.peers.ask(do="clear", storage=_NUMBERS[DEAD])
        if number == story.lies:
            self.peers.ask(do="fault", storage=_NUMBERS[story.liar], fault={"kind": "acknowledge_only"})
        if number == story.honest:
            self.peers.ask(do="clear", storage=_NUMBERS[story.liar])
        await lapse.to(just_after(begin))
        if number == story.nats:
            await self._restart_nats(lapse)
        self.unsettled += not await lapse.settled()
        if number == story.dead:
            await self._die(lapse, number)
        elif number == story.alive:
            await self._come_back(lapse)
        elif number == story.called:
            self._responded(lapse, begin)
        elif number == story.lies:
            await self._found_lying(lapse)
        if number == story.called - 1:
            await self._called(lapse)

    async def _restart_nats(self, lapse: DayLapse) -> None:
        """While the storages are being raised, their intents under way."""
        child = next((one for one in self.book.children if one.name == "NATS"), None)
        if child is None:
            self.book.say("NATS is another command's here: it is not restarted")
            return
        loop = asyncio.get_running_loop()
        told_w = lapse.total_w()
        begun = loop.time()
        child.kill()
        child.start()
        done = await lapse.settled(_SOON_S)
        self.book.say(
            f"NATS killed and started while the fleet goes from {told_w // 1000} kW to charging:"
            f" {lapse.total_w() // 1000} kW {loop.time() - begun:.2f} s later"
            f"{'' if done else ', not all of it'}"
        )

    async def _die(self, lapse: DayLapse, number: int) -> None:
        loop = asyncio.get_running_loop()
        planned_w = int(self._planned_w[number])
        begun = loop.time()
        self.peers.ask(do="fault", storage=_NUMBERS[DEAD], fault={"kind": "black_hole"})
        lapse.dead.add(DEAD)
        one = lapse.fleet.storages[DEAD]
        share_w = 0 if one.wanted is None else one.wanted.setpoint_w

        def others_w() -> int:
            standing = (each.executor.standing for each in lapse.fleet.storages.values() if each.id != DEAD)
            return sum(each.target_w for each in standing if each is not None and each.confirmed)

        taken = await lapse.until(lambda: others_w() >= planned_w, _SOON_S)
        took_s = loop.time() - begun
        self.book.say(f"{DEAD} no longer answers; its share was {share_w // 1000} of {planned_w // 1000} kW")
        self.book.say(
            f"{took_s:.2f} s later the others of {UNIT} are told {others_w() // 1000} kW"
            f"{'' if taken else ': not all of its share can be given'}"
        )
        await lapse.until(lambda: self._was_said(f"{STORAGES[DEAD]}: driver: {DEAD} is lost"), _SOON_S)
        await self._raised(lapse, f"{DEAD}: alarm communication_lost")

    async def _come_back(self, lapse: DayLapse) -> None:
        one = lapse.fleet.storages[DEAD]
        lapse.dead.discard(DEAD)
        back = await lapse.until(lambda: bool(one.executor.ready) and not one.lost(_now(self.book)), _SOON_S)
        self.book.say(f"{DEAD} answers again{'' if back else ', but is not read yet'}")

    async def _called(self, lapse: DayLapse) -> None:
        """A call comes through the programme, and what was offered is planned beside the rest."""
        book, loop, called = self.book, asyncio.get_running_loop(), self.story.called
        begun = loop.time()
        found = await asyncio.to_thread(self.programme.call, called, OFFERED_W)
        answered_s = loop.time() - begun
        made = await asyncio.to_thread(plan_day, book, "response_called")
        plan = await asyncio.to_thread(book.plan)
        assert plan is not None, "it was made"
        begins, ends = (START + n * QUARTER for n in (called, called + 1))
        heard = await lapse.until(lambda: plan.name in self._cause(lapse, begins), _SOON_S)
        latest = found.state.latest
        assert latest is not None, "it was answered"
        book.say(
            f"OpenADR event {found.event}: {OFFERED_W // 1000} kW from {begins.astimezone(ZONE):%H:%M}"
            f" to {ends.astimezone(ZONE):%H:%M}; {latest.decision}, cleared, shared out among"
            f" {', '.join(SITES)} and answered after {answered_s:.2f} s"
        )
        book.say(
            f"plan {plan.name}: {made.head.basis}, {made.head.count} quarter-hours; the driver has it"
            f" {loop.time() - begun:.2f} s after the call{'' if heard else ': not yet'}"
        )
        self.story = lying_later(self.story, plan)

    def _cause(self, lapse: DayLapse, at: datetime) -> str:
        """What the driver will follow then."""
        planned = lapse.fleet.plans.of(SITES[0], at)
        return "" if planned is None else planned.cause

    def _responded(self, lapse: DayLapse, begin: datetime) -> None:
        late_s = (self.book.clock() - begin) / timedelta(seconds=1)
        self.book.say(f"the call: {lapse.total_w() // 1000} kW read back {late_s:.2f} s after it begins")

    async def _found_lying(self, lapse: DayLapse) -> None:
        liar = self.story.liar
        alarms = lapse.fleet.storages[liar].executor.alarms
        await lapse.to(self.book.clock() + timedelta(seconds=20))
        await lapse.until(lambda: "meter_disagrees" in alarms, _LOOKED_S)
        metered = alarms.get("meter_disagrees", "agrees")
        self.book.say(f"{liar} acknowledged its setpoint and shows it; its meter: {metered}")
        await self._raised(lapse, f"{liar}: alarm meter_disagrees")

    async def _raised(self, lapse: DayLapse, alarm: str) -> None:
        """Until the driver says that it raised it: it looks each second, and an alarm is what lasts."""
        await asyncio.sleep(_ALARM_LOOK_S)
        await lapse.to(self.book.clock() + _ALARM_LASTS)
        await lapse.until(lambda: self._was_said(alarm), _LOOKED_S)

    def _was_said(self, text: str) -> bool:
        return any(text in line for line in self._said)

    async def _recorded(self, lapse: DayLapse) -> None:
        """Until all that was told and metered is in the book."""
        executors, role = lapse.fleet.executors, lapse.role
        await lapse.until(lambda: not any(one.untold for one in executors), _SOON_S)
        assert role.readings is not None, "the driver has started"
        give_up = asyncio.get_running_loop().time() + 2 * _SOON_S
        while asyncio.get_running_loop().time() < give_up:
            if not await asyncio.to_thread(role.readings.turn) and self._all_read():
                return
            await asyncio.sleep(0.2)

    def _all_read(self) -> bool:
        last = f"telemetry:STORAGE-B6:{END - QUARTER:%Y-%m-%dT%H:%M:%SZ}"
        return self.book.stack.door.accepted(f"readings.STORAGE-B6_{END - QUARTER:%Y-%m}", last) is not None


def _now(book: DrivenBook) -> int:
    return round(book.clock().timestamp() * 1000)
