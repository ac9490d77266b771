"""Two storages behind one connection and a meter that is read every five seconds: a response over the limit
is given as far as the load takes it, once, and nothing more leaves the site."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import NamedTuple

import msgspec
import pytest

from adapters.driving.fleet_file import FleetDevice
from adapters.driving.role import DrivingRole
from dispatch.control.emergency import EmergencyOrder, OrderEmergency, Scope
from dispatch.planning.storage_terms import StateStorage
from ledger.meter import Meter, RegisterMeter
from tests.adapters.bess_peer.running_peer import EXAMPLES, RunningPeer, peer
from tests.adapters.driving.driver_book import KW, SINCE, TERMS, DriverBook, grid_meter, storage

METER = ("--meter", str(EXAMPLES / "meter_import_export.toml"))
PERIOD_S, RAMP_S = 5.0, 1.0
"""How often the meter is read; what a change of 50 kW takes."""


class Seen(NamedTuple):
    at: float
    out_w: int
    setpoints: tuple[int, ...]


async def watched(running: RunningPeer, seconds: float) -> list[Seen]:
    """What both storages were told and what left the site, every 20 ms."""
    loop = asyncio.get_running_loop()
    begun, seen = loop.time(), list[Seen]()
    while (at := loop.time() - begun) < seconds:
        told = await asyncio.to_thread(running.ask, do="tell")
        both = told["storages"]
        seen.append(Seen(at, sum(one["grid_w"] for one in both), tuple(one["setpoint_w"] for one in both)))
        await asyncio.sleep(0.02)
    return seen


def changes(seen: list[Seen], storage: int) -> int:
    told = [one.setpoints[storage] for one in seen]
    return sum(one != after for one, after in pairwise(told))


def furnished(book: DriverBook, running: RunningPeer) -> tuple[FleetDevice, ...]:
    """Both at one site, a meter at each feeder, 40 kW of load behind the first, and nothing may leave it."""
    a, b = (storage(name, port) for name, port in zip("ab", running.ports, strict=True))
    book.furnish((a, b))
    second = Meter("GRID2", "S1", "grid", ("import", "export"), 900, 2_000 * KW, "Asia/Shanghai")
    book.do(RegisterMeter(SINCE, second))
    book.do(StateStorage("S1", SINCE, msgspec.structs.replace(TERMS, export_w=0)))
    running.ask(do="put", storage=0, load_w=40 * KW)
    meters = [grid_meter(port) for port in running.ports]
    meters[1] = msgspec.structs.replace(meters[1], id="G2", meter="GRID2")
    return (a, b, *meters)


async def responding(book: DriverBook, role: DrivingRole) -> None:
    await book.until(lambda: role.fleet is not None and all(one.ready for one in role.fleet.executors))
    assert role.fleet is not None
    fleet = role.fleet
    await book.until(lambda: all(one.snapshot.load is not None for one in fleet.executors))
    order = EmergencyOrder(kind="respond_now", scope=Scope("book"), power_w=150 * KW)
    await asyncio.to_thread(book.do, OrderEmergency(order, "anna", "the grid needs it"))


@pytest.mark.fault
def test_a_constant_load_is_one_setpoint_and_nothing_leaves_the_site(book: DriverBook) -> None:
    with peer("bess_swapped", *METER, "--count", "2") as running:
        fleet = furnished(book, running)

        async def driven() -> None:
            async with book.driving(*fleet) as role:
                await responding(book, role)
                seen = await watched(running, 2.5 * PERIOD_S)
                print([changes(seen, 0), changes(seen, 1)], max(one.out_w for one in seen), seen[-1])
                assert changes(seen, 0) <= 1
                assert changes(seen, 1) <= 1
                assert max(one.out_w for one in seen) <= 0
                assert seen[-1].out_w >= -2 * KW, "all but a small margin of the load is given"

        asyncio.run(driven())
    told = [line for line in book.said if "are" in line and "given by nobody" in line]
    assert len(told) == 1, told


@pytest.mark.fault
def test_a_load_that_drops_is_followed_with_the_next_reading_and_stays_so(book: DriverBook) -> None:
    with peer("bess_swapped", *METER, "--count", "2") as running:
        fleet = furnished(book, running)

        async def driven() -> None:
            async with book.driving(*fleet) as role:
                await responding(book, role)
                await book.until(lambda: sum(running.truth(n)["power_w"] for n in (0, 1)) >= 36 * KW)
                await asyncio.sleep(2)
                running.ask(do="put", storage=0, load_w=20 * KW)
                seen = await watched(running, 2.6 * PERIOD_S)
                over = [one.at for one in seen if one.out_w > 0] or [0.0]
                print([changes(seen, 0), changes(seen, 1)], over[-1], seen[-1])
                assert over[-1] <= PERIOD_S + 1, "back at the limit"
                assert max(one.out_w for one in seen) <= 20 * KW, "never more than the load dropped by"
                assert changes(seen, 0) <= 1
                assert changes(seen, 1) <= 1
                assert seen[-1].out_w >= -2 * KW

        asyncio.run(driven())
