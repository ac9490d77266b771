"""A storage whose own power is stuck, beside its own meter: nothing leaves the site, and it is named."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import msgspec
import pytest

from adapters.driving.device_state import millis
from adapters.driving.fleet_file import FleetDevice
from adapters.driving.regulating import HOUR_MS, AgcSignal
from adapters.driving.role import DrivingRole
from dispatch.control.emergency import EmergencyOrder, EndEmergency, OrderEmergency, Scope
from dispatch.health.alarm_watch import ALARM_RULES, AlarmRule
from dispatch.planning.storage_terms import StateStorage
from ledger.meter import Meter, RegisterMeter
from tests.adapters.bess_peer.running_peer import EXAMPLES, RunningPeer, peer
from tests.adapters.driving.driver_book import (
    KW,
    SINCE,
    TERMS,
    DriverBook,
    grid_meter,
    now,
    storage,
)

METER = str(EXAMPLES / "meter_import_export.toml")
DOUBTED = "power of a: it is not believed: "
METERS = ("--meter", METER, "--storage-meter", METER)


def own_meter(name: str, port: int) -> FleetDevice:
    grid = grid_meter(port)
    address = msgspec.structs.replace(grid.address, unit=3)
    return msgspec.structs.replace(
        grid, id=f"M-{name}", address=address, meter=f"STORAGE-{name}", measures=name
    )


def furnished(book: DriverBook, running: RunningPeer) -> tuple[FleetDevice, ...]:
    """Both at one site, a meter at each feeder and one at each storage; nothing may leave."""
    a, b = (storage(name, port) for name, port in zip("ab", running.ports, strict=True))
    book.furnish((a, b))
    book.do(RegisterMeter(SINCE, Meter("GRID2", "S1", "grid", ("import", "export"), 900, 2_000 * KW, "UTC")))
    for name in "ab":
        registers = ("charge", "discharge")
        own = Meter(f"STORAGE-{name}", "S1", "storage", registers, 900, 2_000 * KW, "UTC")
        book.do(RegisterMeter(SINCE, own))
    book.do(StateStorage("S1", SINCE, msgspec.structs.replace(TERMS, export_w=0)))
    running.ask(do="put", storage=0, load_w=70 * KW)
    grid = [grid_meter(port) for port in running.ports]
    grid[1] = msgspec.structs.replace(grid[1], id="G2", meter="GRID2")
    own_meters = [own_meter(name, port) for name, port in zip("ab", running.ports, strict=True)]
    return (a, b, *grid, *own_meters)


async def respond(book: DriverBook, power_w: int) -> None:
    order = EmergencyOrder(kind="respond_now", scope=Scope("book"), power_w=power_w)
    await asyncio.to_thread(book.do, OrderEmergency(order, "anna", "the grid needs it"))


async def known(book: DriverBook, role: DrivingRole) -> None:
    await book.until(lambda: role.fleet is not None and all(one.ready for one in role.fleet.executors))
    assert role.fleet is not None
    fleet = role.fleet
    await book.until(lambda: all(one.snapshot.load is not None for one in fleet.executors))


@pytest.mark.fault
def test_a_stuck_power_beside_its_meter_lets_nothing_leave_and_is_named(book: DriverBook) -> None:
    rules = {**ALARM_RULES, "meter_disagrees": AlarmRule("critical", 1, 300)}
    with peer("bess_swapped", *METERS, "--count", "2") as running:
        fleet = furnished(book, running)

        async def driven() -> None:
            async with book.driving(*fleet, alarm_rules=rules) as role:
                await known(book, role)
                await respond(book, 50 * KW)
                await book.until(lambda: running.truth(0)["power_w"] > 20 * KW)
                stood_w = running.truth(0)["power_w"]
                running.fault("stuck", point="power")
                await asyncio.to_thread(book.do, EndEmergency(1, "bert", "over"))
                await book.until(lambda: running.truth(0)["power_w"] == 0)
                await book.until(lambda: any(line.startswith(DOUBTED) for line in book.said))
                await respond(book, 200 * KW)
                loop = asyncio.get_running_loop()
                begun, out, told = loop.time(), list[int](), list[tuple[int, ...]]()
                while loop.time() - begun < 11 or (out[-1] < -5 * KW and loop.time() - begun < 40):
                    both = (await asyncio.to_thread(running.ask, do="tell"))["storages"]
                    out.append(sum(one["grid_w"] for one in both))
                    told.append(tuple(one["setpoint_w"] for one in both))
                    await asyncio.sleep(0.05)
                changed = [one for one, after in pairwise(told) if one != after]
                print(stood_w, max(out), out[-1], told[-1], len(changed), book.said)
                assert max(out) <= 0, "nothing leaves the site"
                assert out[-1] >= -5 * KW, "and all but a margin of the load is given"
                assert len(changed) <= 5, "each is told once, and once more where its readings came late"
                assert len([line for line in book.said if line.startswith(DOUBTED)]) == 1, book.said
                assert any(line.startswith("a: alarm meter_disagrees") for line in book.said), book.said
                assert not any(line.startswith("power of b") for line in book.said)

        asyncio.run(driven())


@pytest.mark.fault
def test_regulation_is_measured_by_the_storages_own_meter_each_second(book: DriverBook) -> None:
    with peer("bess_swapped", *METERS) as running:
        a = storage("a", running.ports[0])
        book.furnish((a,))
        book.do(
            RegisterMeter(
                SINCE,
                Meter("STORAGE-a", "S1", "storage", ("charge", "discharge"), 900, 2_000 * KW, "UTC"),
            )
        )
        book.plan(50 * KW, 50 * KW, regulation_w=(40 * KW, 40 * KW))
        own = own_meter("a", running.ports[0])

        async def driven() -> None:
            async with book.driving(a, grid_meter(running.ports[0]), own) as role:
                await book.until(lambda: role.fleet is not None)
                assert role.fleet is not None
                fleet, one = role.fleet, role.fleet.storages["a"]
                await book.until(lambda: one.metered is not None and one.metered.w == 50 * KW)
                running.fault("stuck", point="power")
                begun = now()
                signal = AgcSignal(portfolio="S1", rule="agc", product="agc", signal_ppm=500_000, at=begun)
                assert fleet.regulation.follow(signal).devices == 1
                await asyncio.sleep(6)
                start_ms = millis(begun) - millis(begun) % HOUR_MS
                _, samples = fleet.regulation.traces["S1"].hour("agc", "agc", start_ms)
                print(samples, one.executor.snapshot.power_w)
                assert one.executor.snapshot.power_w == 50 * KW, "what it says itself"
                assert samples.power_w[-1] == 70 * KW, "what its meter shows"
                assert len(samples.at_ms) >= 4
                assert max(after - at for at, after in pairwise(samples.at_ms.tolist())) <= 2_500

        asyncio.run(driven())


@pytest.mark.fault
def test_a_signal_goes_on_around_the_next_setpoint(book: DriverBook) -> None:
    with peer("bess_swapped", *METERS) as running:
        a = storage("a", running.ports[0])
        book.furnish((a,))
        book.plan(50 * KW, 50 * KW, regulation_w=(40 * KW, 40 * KW))

        async def driven() -> None:
            async with book.driving(a, grid_meter(running.ports[0])) as role:
                await book.until(lambda: role.fleet is not None)
                assert role.fleet is not None
                fleet = role.fleet
                await book.until(lambda: running.truth(0)["power_w"] == 50 * KW)
                signal = AgcSignal(portfolio="S1", rule="agc", product="agc", signal_ppm=500_000, at=now())
                assert fleet.regulation.follow(signal).devices == 1
                await book.until(lambda: running.truth(0)["power_w"] == 70 * KW)
                await asyncio.to_thread(
                    book.plan, 20 * KW, 20 * KW, 20 * KW, regulation_w=(40 * KW, 40 * KW, 40 * KW)
                )
                power = [70 * KW]
                while power[-1] != 40 * KW and len(power) < 400:
                    power.append(running.truth(0)["power_w"])
                    await asyncio.sleep(0.05)
                assert min(power) == power[-1] == 40 * KW, "it never stands at the middle"
                trace, start_ms = fleet.regulation.traces["S1"], millis(now()) - millis(now()) % HOUR_MS
                # What is measured follows it.
                await book.until(lambda: trace.hour("agc", "agc", start_ms)[0][-1].target_w == 40 * KW)

        asyncio.run(driven())
