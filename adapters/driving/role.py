"""The driving role: the devices of this machine's fleet file, driven until stopped.

All that it must know of before is in the book and in its folder, so that it may be killed and started again
at any moment: a device is read before it is written, and a write of which nobody knows is found out.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import psycopg
import psycopg_pool
import uvloop

from adapters import continuity
from adapters.awaited_door import AwaitedDoor
from adapters.continuity import Discontinuity
from adapters.driving.budget_file import BudgetFile
from adapters.driving.device_state import millis
from adapters.driving.disk_watch import DiskWatch
from adapters.driving.driven_site import FleetBook, fleet_book
from adapters.driving.driver_folder import LOOK_S, DriverFolder, StopAnswer, told_apart
from adapters.driving.emergencies import EmergencyBoard
from adapters.driving.fallback_file import FallbackFile
from adapters.driving.fast_channels import FastChannels
from adapters.driving.fleet import Fleet
from adapters.driving.fleet_file import FleetDevice
from adapters.driving.health_watch import HealthWatch
from adapters.driving.journal import Journal
from adapters.driving.lease_keeper import LASTS_S
from adapters.driving.other_storages import other_storages
from adapters.driving.plans import Plans
from adapters.driving.port import DevicePort
from adapters.driving.quiet_door import QuietDoor
from adapters.driving.reached import reached
from adapters.driving.regulating import hear_signals
from adapters.driving.signal_parts import signal_parts
from adapters.driving.site_states import SiteStates
from adapters.driving.stream_ear import StreamEar
from adapters.driving.undriven_plans import undriven_plans
from adapters.driving.watched_door import StoreLost, WatchedDoor
from adapters.front_door import FrontDoor
from adapters.integrity import checkpoint_files
from adapters.integrity.checked_recorder import CheckedRecorder
from adapters.loaded import keep_what_is_loaded
from adapters.nats.log import Log
from adapters.settling import Behind, lowest_position
from adapters.stack import Stack
from adapters.telemetry.forwarding import Forwarder
from adapters.telemetry.history import History
from adapters.telemetry.missing_readings import MissingReadings
from adapters.telemetry.outbox import Outbox
from adapters.telemetry.settling_readings import SettlingReadings
from dispatch.commissioning.report import (
    Commissioning,
    address_sha256,
    commissioning_aggregate,
    profile_sha256,
)
from dispatch.control.emergency import AGGREGATE
from dispatch.control.fallback import fallback_aggregate
from dispatch.control.response_part import Rated
from dispatch.health.alarm import AlarmKind
from dispatch.health.alarm_watch import ALARM_RULES, AlarmRule
from dispatch.telemetry.sample import Sample
from dispatch.telemetry.settlement_interval import REGISTER_ROLES
from ledger.refusal import Refused

ACTOR: Final = "driver"
OUTBOX_BYTES: Final = 1 << 30
_APPEND_S: Final = 2.0
_PLANS_S: Final = 2.0
_TERMS_S: Final = 60.0
_OTHERS_S: Final = 20.0
_UNDRIVEN_S: Final = 60.0
"""Drivers that begin together have taken their leases by then."""
_COMMISSIONED_S: Final = 5.0
_MEASURED_S: Final = 10.0
_OF_METER: Final = "readings "
_OF_PLAN: Final = "plan of "
_AWAY: Final = (psycopg.OperationalError, psycopg_pool.PoolTimeout)


class DrivingRole:
    """One fleet file's devices. `say` gets a line for each change that a person should know of."""

    def __init__(
        self,
        stack: Stack,
        devices: Sequence[FleetDevice],
        folder: DriverFolder,
        say: Callable[[str], None],
        *,
        ports: Callable[[str], Mapping[str, DevicePort]] | None = None,
        alarm_rules: Mapping[AlarmKind, AlarmRule] = ALARM_RULES,
        lease_s: int = LASTS_S,
        steady_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stack = stack
        self._devices = tuple(devices)
        self._folder = folder
        self._say = say
        self._clock = stack.clock
        self._ports = ports or self._reached
        self._lease_s = lease_s
        self._steady_s = steady_s
        self._alarm_rules = alarm_rules
        self._said: dict[str, str] = {}
        self._budgets: list[BudgetFile] = []
        self.fleet: Fleet | None = None
        self.readings: SettlingReadings | None = None

    def run(self, stop_with: Callable[[asyncio.Event], None]) -> None:
        """Until the event is set that `stop_with` is given on the loop that this makes.

        Raises:
            Refused: a device of the file that is not registered, by its name; `driver_running`.
        """
        with self._folder.held(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._run(stop_with))

    async def _run(self, stop_with: Callable[[asyncio.Event], None]) -> None:
        stopping = asyncio.Event()
        stop_with(stopping)
        await self.drive(stopping)

    async def drive(self, stopping: asyncio.Event) -> None:
        """As `run`, on a loop of the caller's, who holds the folder."""
        run = f"drive-{secrets.token_hex(6)}"
        with self._folder.holders.living(run):
            await self._drive(stopping, run)

    async def _drive(self, stopping: asyncio.Event, run: str) -> None:
        stack, folder, book = self._stack, self._folder.path, self._stack.settings.book
        known = await asyncio.to_thread(self._book)
        log = Log(stack.client, book, deadline=_APPEND_S)
        front = FrontDoor(CheckedRecorder(log, stack.database), self._clock, lambda: self._guard(log))
        door = QuietDoor(AwaitedDoor(front), ACTOR)
        outbox = Outbox(folder / "outbox", OUTBOX_BYTES)
        journal = Journal(folder / "journal", run)
        ports = self._ports(run)
        plans = Plans(stack.database, book, frozenset(known.sites))
        heard: list[Callable[[Sample], object]] = [outbox.put]
        fleet = self.fleet = Fleet(
            known, ports, plans, door, journal, FallbackFile(folder / "fallbacks"), self._clock, run,
            lambda sample: [hear(sample) for hear in heard], self._say,
            lease_s=self._lease_s, ended=self._folder.holders.ended, steady_s=self._steady_s,
        )  # fmt: skip

        def disk() -> str:
            found = (outbox.failure, journal.failure, *(one.failure for one in self._budgets))
            return next((f"{folder}: {one}" for one in found if one), "")

        health = HealthWatch(fleet, door, self._clock, self._say, self._alarm_rules, disk)
        heard.append(health.seen)
        states = SiteStates(fleet, door, self._clock, self._say)
        keep_what_is_loaded()
        names = tuple(fleet.storages)
        board = fleet.stops.board = EmergencyBoard(door, self._folder.stop_file, names, fleet.changed)
        ear = StreamEar(stack.client, book, AGGREGATE, board.heard)
        schedules = StreamEar(stack.client, book, fallback_aggregate("*"), fleet.look_for_fallbacks)
        forwarder = Forwarder(outbox, stack.client, book)
        readings = self.readings = SettlingReadings(
            front, History(stack.client, book), _settled_meters(self._devices), self._clock,
            MissingReadings(self._say).decided, look_back_days=stack.settings.telemetry_days,
        )  # fmt: skip
        fast = FastChannels(self._devices, fleet.pollers, partial(outbox.put, fast=True), self._tell)
        signalled, parts = fleet.regulation.signalled, partial(signal_parts, fleet)
        self._say(f"{len(names)} storages, {len(known.meters)} meters, {len(known.sites)} sites: run {run}")
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(work)
                    for work in (
                        fleet.run(),
                        fast.run(),
                        health.run(),
                        states.run(),
                        board.run(),
                        ear.run(),
                        schedules.run(),
                        forwarder.run(),
                        readings.run(),
                        DiskWatch(self._folder, outbox, disk, self._say, self._tell).run(),
                        self._settled(readings),
                        self._planned(plans, fleet),
                        self._others(fleet),
                        self._undriven(),
                        self._commissioned(door, fleet),
                        self._stopped_here(board, fleet),
                        hear_signals(stack.client, book, signalled, fleet.drives, self._say, parts),
                        self._measured(door, fleet),
                    )
                ]
                await stopping.wait()
                for task in tasks:
                    task.cancel()
        finally:
            await door.close()
            await journal.close()
            await asyncio.gather(*(port.close() for port in ports.values()), return_exceptions=True)
            await asyncio.to_thread(outbox.close)

    def _book(self) -> FleetBook:
        self._stack.caught_up()
        self._check_checkpoints()
        return self._reread()._replace(others=self._reread_others())

    def _check_checkpoints(self) -> None:
        """Before anything is driven that could not be put on record."""
        try:
            checkpoint_files.guard(self._stack.published, self._stack.log)
        except Discontinuity as lost:
            fault = lost.fault
            if fault.code != "checkpoint_file":
                raise
            text = f"{lost} from {fault.place}: WATTLEDGER_CHECKPOINTS names the folder of the checkpoints"
            raise Discontinuity(text, code=fault.code, place=fault.place) from lost

    def _guard(self, log: Log) -> None:
        continuity.guard(log, self._stack.database)
        checkpoint_files.guard(self._stack.published, log)

    def _reached(self, run: str) -> Mapping[str, DevicePort]:
        folder = self._folder.path / "budgets"
        folder.mkdir(exist_ok=True)

        def clock_ms() -> int:
            return millis(self._clock())

        def budget(name: str) -> BudgetFile:
            self._budgets.append(BudgetFile(folder / f"{name}.json"))
            return self._budgets[-1]

        return reached(self._devices, run, clock_ms, budget)

    async def _planned(self, plans: Plans, fleet: Fleet) -> None:
        """What the book says of plans, sites and terms, as soon as it is projected, and each minute, as terms
        begin at an instant; asked again until it was read."""
        owed, read_at = False, time.monotonic()
        while True:
            try:
                owed = await asyncio.to_thread(plans.refresh, self._clock()) or owed
                if owed or time.monotonic() - read_at >= _TERMS_S:
                    fleet.reload(await asyncio.to_thread(self._reread))
                    fleet.changed()
                    owed, read_at = False, time.monotonic()
            except (Behind, *_AWAY) as away:
                self._tell("plans", f"not to be read now: {away}")
            except (Discontinuity, Refused) as damaged:
                self._tell("plans", f"what was known stays: {damaged}")
            else:
                self._tell("plans", "")
            await asyncio.sleep(_PLANS_S)

    def _reread(self) -> FleetBook:
        with self._stack.database.reading(self._stack.settings.book) as connection:
            return fleet_book(connection, lowest_position(connection), self._devices, self._clock())

    def _reread_others(self) -> tuple[Rated, ...]:
        own = frozenset(one.id for one in self._devices)
        with self._stack.database.reading(self._stack.settings.book) as connection:
            return other_storages(connection, lowest_position(connection), own, self._clock())

    async def _others(self, fleet: Fleet) -> None:
        """Which storages other drivers hold: those with which a response is shared."""
        asked = time.monotonic()
        while True:
            await asyncio.sleep(_PLANS_S)
            if not fleet.responding and time.monotonic() - asked < _OTHERS_S:
                continue
            asked = time.monotonic()
            try:
                fleet.others = await asyncio.to_thread(self._reread_others)
            except (Behind, *_AWAY) as away:
                self._tell("other drivers", f"not to be read now: {away}")
            except Discontinuity as damaged:
                self._tell("other drivers", f"what was known stays: {damaged}")
            else:
                self._tell("other drivers", "")

    async def _undriven(self) -> None:
        """Planned sites of the book, whosever they are, that no driver carries out anything of."""
        while True:
            await asyncio.sleep(_UNDRIVEN_S)
            try:
                found = await asyncio.to_thread(self._read_undriven)
            except (Behind, *_AWAY) as away:
                self._tell("undriven plans", f"not to be read now: {away}")
                continue
            except Discontinuity as damaged:
                self._tell("undriven plans", f"what was known stays: {damaged}")
                continue
            self._tell("undriven plans", "")
            for about in {one for one in self._said if one.startswith(_OF_PLAN)} | found.keys():
                self._tell(about, found.get(about, ""))

    def _read_undriven(self) -> dict[str, str]:
        with self._stack.database.reading(self._stack.settings.book) as connection:
            found = undriven_plans(connection, lowest_position(connection), self._clock())
        return {
            f"{_OF_PLAN}{one.site}": f"nobody drives {', '.join(one.devices) or 'it: it has no storage'}"
            for one in found
        }

    async def _commissioned(self, door: WatchedDoor, fleet: Fleet) -> None:
        """Which devices have passed their step test as they stand in the file; which are another's still."""
        while True:
            every = tuple(fleet.storages.values())
            asked = (door.state(commissioning_aggregate(one.id)) for one in every)
            try:
                states = await asyncio.gather(*asked)
            except StoreLost:
                await door.until_back()
                continue
            for one, state in zip(every, states, strict=True):
                device = one.one.fleet
                permitted = isinstance(state, Commissioning) and state.permits(
                    profile_sha256(device.profile), address_sha256(device.address)
                )
                one.executor.commissioned = permitted
                self._tell(device.id, "" if permitted else "not commissioned: it is read and never raised")
                self._tell(f"{device.id}: its lease", one.executor.keeper.waits)
            await asyncio.sleep(_COMMISSIONED_S)

    async def _settled(self, readings: SettlingReadings) -> None:
        """Why a meter's telemetry does not become readings of the book, if it does not."""
        while True:
            told = {about.removeprefix(_OF_METER) for about in self._said if about.startswith(_OF_METER)}
            for name in sorted(told | readings.problems.keys()):
                self._tell(f"{_OF_METER}{name}", readings.problems.get(name, ""))
            await asyncio.sleep(_MEASURED_S)

    async def _measured(self, door: WatchedDoor, fleet: Fleet) -> None:
        """What was measured of regulation, hour by hour, as facts for settlement."""
        while True:
            for trace in tuple(fleet.regulation.traces.values()):
                try:
                    await trace.tell(door, millis(self._clock()), self._say)
                except StoreLost:
                    await door.until_back()
            await asyncio.sleep(_MEASURED_S)

    async def _stopped_here(self, board: EmergencyBoard, fleet: Fleet) -> None:
        """A stop that is ordered at the machine, from its file; what became of it is answered there."""
        answered = ""
        while True:
            stop = self._folder.stop_file.read()
            if stop is not None and stop.asked != answered:
                board.stop(stop)
            asked = board.asked
            if asked is not None and asked.asked != answered:
                begun = time.monotonic()
                answered, stands = asked.asked, board.stands(asked)
                self._say(f"STOP ordered here by {asked.by}: {asked.reason}")
                if stands:
                    self._say(f"emergency {stands} stands for it already: no other is ordered")
                outcomes = await fleet.stops.verified()
                failed = {one.device: one.why for one in outcomes if not one.verified}
                verified = sum(one.verified for one in outcomes)
                device_ms = {one.device: one.took_ms for one in outcomes if one.verified}
                took_ms = round((time.monotonic() - begun) * 1000)
                answer = StopAnswer(
                    id=answered,
                    devices=len(outcomes),
                    verified=verified,
                    failed=failed,
                    took_ms=took_ms,
                    device_ms=device_ms,
                    stands=stands,
                )
                each = f": {told_apart(device_ms)}" if device_ms else ""
                self._say(f"{verified} of {len(outcomes)} devices show a setpoint of 0 W{each}")
                for name, why in sorted(failed.items()):
                    self._say(f"{name} is not stopped: {why}")
                try:
                    await asyncio.to_thread(self._folder.answer, answer)
                except OSError as error:
                    self._say(f"who ordered it has no answer: {error.strerror}")
            await asyncio.sleep(LOOK_S)

    def _tell(self, about: str, text: str) -> None:
        """Say it, unless it is what was said last about that."""
        if self._said.get(about, "") != text:
            self._said[about] = text
            self._say(f"{about}: {text or 'well again'}")


def _settled_meters(devices: Sequence[FleetDevice]) -> dict[str, str]:
    """The ledger's meter of each device whose registers are settled from."""
    roles = set(REGISTER_ROLES)
    return {one.id: one.meter for one in devices if one.meter and roles & one.profile.roles.keys()}


def driver_folder(state: Path, book: str) -> DriverFolder:
    """Where a driver of the book keeps what it needs."""
    return DriverFolder(state / "driving" / book)
