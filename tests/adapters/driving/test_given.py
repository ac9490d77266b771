"""What is told to be given is given: by devices whose lease is ours and that do what they show."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from adapters.driving.role import DrivingRole
from dispatch.control.emergency import EmergencyOrder, EndEmergency, OrderEmergency, Scope
from dispatch.control.lease import ReleaseLease, TakeLease, first_token
from dispatch.health.alarm_watch import ALARM_RULES, AlarmRule
from ledger.device import Device, RegisterDevice
from tests.adapters.bess_peer.running_peer import EXAMPLES, peer
from tests.adapters.driving.driver_book import KW, SINCE, DriverBook, grid_meter, now, storage
from tests.adapters.driving.test_fleet import fleet_of, stands

METER = ("--meter", str(EXAMPLES / "meter_import_export.toml"))


async def ready(book: DriverBook, role: DrivingRole, *names: str) -> None:
    """They are ours, and what their site draws is known."""
    await book.until(lambda: all(name in fleet_of(role) for name in names))
    executors = [fleet_of(role)[name].executor for name in names]
    await book.until(lambda: all(one.ready for one in executors))
    # What their site draws is looked at anew when they are ours: with the meter's next reading.
    await asyncio.sleep(1.2)
    await book.until(lambda: all(one.snapshot.load is not None for one in executors))


async def respond(book: DriverBook, power_w: int, minutes: int | None = None) -> None:
    until = None if minutes is None else now() + timedelta(minutes=minutes)
    order = EmergencyOrder(kind="respond_now", scope=Scope("book"), power_w=power_w, until=until)
    await asyncio.to_thread(book.do, OrderEmergency(order, "anna", "the grid needs it"))


def emergency(book: DriverBook) -> list[str]:
    return [line for line in book.said if line.startswith("emergency 1: ")]


def test_a_response_ends_with_its_emergency_and_is_told_as_it_is_read(book: DriverBook) -> None:
    with peer("bess_swapped", *METER) as running:
        a = storage("a", running.ports[0])
        book.furnish((a,))

        async def driven() -> None:
            async with book.driving(a, grid_meter(running.ports[0])) as role:
                await ready(book, role, "a")
                await respond(book, 100 * KW, minutes=2)
                await book.until(lambda: emergency(book) == ["emergency 1: all of it is given"])
                assert running.truth()["setpoint_w"] == 100 * KW, "what is told was read before"
                standing = fleet_of(role)["a"].executor.standing
                assert standing is not None
                assert standing.setpoint.expires_at <= now() + timedelta(minutes=2, seconds=5)
                await asyncio.to_thread(book.do, EndEmergency(1, "bert", "over"))
                took = await book.until(lambda: running.truth()["setpoint_w"] == 0)
                assert took < 2.0, "no plan holds, and nothing of it goes on"

        asyncio.run(driven())


def test_a_device_whose_lease_is_anothers_is_not_able(book: DriverBook) -> None:
    with peer("bess_swapped", *METER) as running:
        a = storage("a", running.ports[0])
        book.furnish((a,))
        book.do(TakeLease("a", "another", now().date(), 900, 500))

        async def driven() -> None:
            async with book.driving(a, grid_meter(running.ports[0])) as role:
                await book.until(lambda: bool(role.fleet and role.fleet.turned))
                await respond(book, 60 * KW)
                await book.until(lambda: bool(emergency(book)))
                await asyncio.sleep(1.5)
                assert fleet_of(role)["a"].executor.snapshot.power_w == 0, "it is read"
                assert role.fleet is not None
                assert role.fleet.turned is not None
                assert role.fleet.turned.unanswered_w == {1: 60 * KW}, "and no part falls to it"
                assert emergency(book) == ["emergency 1: 60000 W of it are given by nobody"]

        asyncio.run(driven())


def test_two_drivers_give_a_response_once(book: DriverBook) -> None:
    with peer("bess_swapped", *METER) as running:
        a = storage("a", running.ports[0])
        book.furnish((a,))
        for name in ("b", "c", "never-driven"):
            book.do(RegisterDevice(SINCE, Device(name, "S1", "battery", 250 * KW, 500 * KW)))
        for name in ("b", "c"):
            book.do(TakeLease(name, "driver-2", now().date(), 900, 500))

        async def driven() -> None:
            async with book.driving(a, grid_meter(running.ports[0])) as role:
                await ready(book, role, "a")
                await respond(book, 150 * KW)
                await book.until(lambda: stands(role, "a", 50 * KW))
                well = "emergency 1: 50000 W of 150000 W fall to devices of this driver: all is given"
                await book.until(lambda: emergency(book) == [well])
                await asyncio.to_thread(book.do, ReleaseLease("c", "driver-2", first_token(now().date())))
                missing = "emergency 1: 50000 W of it are given by nobody"
                idle = f"{missing}, 50000 W of that by c: no driver holds them"
                await book.until(lambda: emergency(book) == [well, idle])
                assert stands(role, "a", 50 * KW), "its part, whoever else gives theirs"

        asyncio.run(driven())


@pytest.mark.fault
def test_a_device_that_acknowledges_and_does_nothing_is_not_able(book: DriverBook) -> None:
    with peer("bess_swapped", *METER, "--count", "2") as running:
        a, b = (storage(name, port) for name, port in zip("ab", running.ports, strict=True))
        book.furnish((a, b))
        rules = {**ALARM_RULES, "meter_disagrees": AlarmRule("critical", 8, 300)}
        why = "meter_disagrees: 0 W in place of 50000 W: it is told no more than it does"

        async def driven() -> None:
            meter = grid_meter(running.ports[0])
            async with book.driving(a, b, meter, alarm_rules=rules) as role:
                await ready(book, role, "a", "b")
                running.ask(do="fault", storage=1, fault={"kind": "acknowledge_only"})
                await respond(book, 100 * KW)
                await book.until(lambda: stands(role, "b", 50 * KW))
                await book.until(lambda: bool(emergency(book)), 15)
                assert emergency(book) == ["emergency 1: 50000 W of it are given by nobody"]
                assert not stands(role, "a", 100 * KW), "what is missing is said before it is shared anew"
                took = await book.until(lambda: stands(role, "a", 100 * KW), 25)
                print(f"its share was given by another after {took:.1f} s")
                await book.until(lambda: emergency(book)[-1:] == ["emergency 1: all of it is given"])
                await asyncio.to_thread(book.do, EndEmergency(1, "bert", "over"))
                await respond(book, 400 * KW)
                await book.until(lambda: any(line.startswith("emergency 2: ") for line in book.said))
                told = [line for line in book.said if line.startswith("emergency 2: ")]
                assert told == ["emergency 2: 150000 W of it are given by nobody"]
                await book.until(lambda: f"b: alarm meter_disagrees (critical): {why}" in book.said)

        asyncio.run(driven())
