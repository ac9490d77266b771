"""Devices, a store and a driver's parts as they are in service: real peers, a real stream, the real clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from adapters import continuity
from adapters.awaited_door import AwaitedDoor
from adapters.driving.executor import Executor
from adapters.driving.fleet_file import FleetDevice, ModbusTcp
from adapters.driving.journal import Journal
from adapters.driving.poller import Poller
from adapters.driving.watched_door import WatchedDoor
from adapters.front_door import FrontDoor
from adapters.modbus.port import ModbusPort
from adapters.nats.client import NatsClient
from adapters.nats.log import Log
from adapters.nats.recorder import JetStreamApplicationRecorder
from adapters.postgres.database import Database
from dispatch.control.command_life import Command, DeviceDay, command_aggregate
from dispatch.control.interlock import DeviceLimits
from dispatch.control.setpoint import Origin, Setpoint
from dispatch.control.site_load import PowerRange
from dispatch.devices.profile_file import parse
from dispatch.telemetry.sample import Sample
from ledger.device import Device, RegisterDevice
from ledger.effective import Period
from tests.adapters import sample
from tests.adapters.bess_peer.running_peer import EXAMPLES

KW = 1000
LIMITS = DeviceLimits(
    charge_w=250 * KW,
    discharge_w=250 * KW,
    soc_floor_millipercent=10_000,
    soc_ceiling_millipercent=90_000,
    import_w=500 * KW,
    export_w=500 * KW,
)


def now() -> datetime:
    return datetime.now(UTC)


def furnish(door: FrontDoor, devices: tuple[str, ...]) -> None:
    """A site with its storage's meter and those devices."""
    since = Period(datetime(2026, 1, 1, tzinfo=UTC))
    commands: list[Any] = [sample.found_book(), sample.register_party(), sample.register_site()]
    commands += [RegisterDevice(since, Device(name, "S1", "battery", 250 * KW, 500 * KW)) for name in devices]
    commands.append(sample.register_meter())
    for number, command in enumerate(commands):
        door.execute(command, command_id=f"furnish-{number}", actor="anna")


Journals = Callable[[Path, str], Journal]
"""Journals that are closed after the test."""


class Store:
    """A driver's way into the book, with the time of the wall."""

    def __init__(self, url: str, seed: Path | None, book: str, database: Database) -> None:
        self.client = NatsClient(url, seed_file=seed, name="driver")
        self.log = Log(self.client, book, deadline=2.0)
        self.front = FrontDoor(
            JetStreamApplicationRecorder(self.log), now, lambda: continuity.guard(self.log, database)
        )
        self.door = WatchedDoor(AwaitedDoor(self.front), "driver")

    def day(self, device: str) -> DeviceDay:
        state = self.front.state(command_aggregate(device, now().date()))
        return state if isinstance(state, DeviceDay) else DeviceDay()

    async def told(self, device: str) -> list[Command]:
        """The day's commands, in order."""
        day = await asyncio.to_thread(self.day, device)
        return [one for _, one in sorted(day.commands.items())]


def fleet_device(name: str, port: int, profile: str = "bess_swapped", meter: str = "M1") -> FleetDevice:
    own = parse((EXAMPLES / f"{profile}.toml").read_bytes())
    address = ModbusTcp(host="127.0.0.1", port=port, answer_ms=500)
    return FleetDevice(id=name, profile=own, address=address, meter=meter)


def setpoint(
    power_w: int, *, lasts_s: float = 600, origin: Origin = "plan", cause: str = "plan 1"
) -> Setpoint:
    return Setpoint(
        setpoint_w=power_w, expires_at=now() + timedelta(seconds=lasts_s), origin=origin, cause=cause
    )


def stands(executor: Executor, power_w: int) -> bool:
    """The device was read and shows it."""
    standing = executor.standing
    return standing is not None and standing.confirmed and standing.setpoint.setpoint_w == power_w


class Driven:
    """One device under way: its poller, its executor and their tasks."""

    def __init__(self, executor: Executor, poller: Poller, port: ModbusPort) -> None:
        self.executor, self.poller, self.port = executor, poller, port

    async def until(self, what: Callable[[], bool], seconds: float = 8.0) -> None:
        await until(what, seconds, lambda: f"{self.executor.alarms} {self.executor.standing}")


async def until(what: Callable[[], bool], seconds: float = 8.0, why: Callable[[], str] = str) -> None:
    give_up = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < give_up, why()
        await asyncio.sleep(0.01)


@asynccontextmanager
async def driving(
    store: Store, device: FleetDevice, journal: Journal, holder: str, **given: Any
) -> AsyncIterator[Driven]:
    """An executor that runs, ready unless told otherwise."""
    waits = given.pop("ready", True)
    polled = given.pop("polled", True)
    port = ModbusPort(device, holder, _clock_ms)
    made: list[Executor] = []

    def seen(one: Sample) -> None:
        made[0].seen(one)

    poller = Poller(port, seen, 0.0)
    executor = Executor(port, poller.lock, store.door, device, LIMITS, now, journal, holder, **given)
    made.append(executor)
    executor.commissioned = True
    executor.site_draws(PowerRange(0, 0), now())
    tasks = [asyncio.create_task(executor.run())]
    if polled:
        tasks.append(asyncio.create_task(poller.run()))
    driven = Driven(executor, poller, port)
    try:
        if waits:
            await driven.until(lambda: executor.ready or any(task.done() for task in tasks))
        yield driven
    finally:
        for task in tasks:
            if not task.done():
                task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        await port.close()
        for outcome in outcomes:
            if not isinstance(outcome, asyncio.CancelledError | None):
                raise outcome


def _clock_ms() -> int:
    return time.time_ns() // 1_000_000
