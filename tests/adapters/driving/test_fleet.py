"""The driver on real storages: plans followed, a lost device's share taken over, emergencies before all."""

from __future__ import annotations

import asyncio

import pytest

from adapters.driving.driven import Driven
from adapters.driving.emergencies import local_stop
from adapters.driving.role import DrivingRole
from dispatch.control.emergency import (
    AGGREGATE,
    Emergencies,
    EmergencyOrder,
    EndEmergency,
    OrderEmergency,
    Scope,
)
from ledger.refusal import Refused
from tests.adapters.bess_peer.running_peer import EXAMPLES, peer
from tests.adapters.driving.driver_book import KW, DriverBook, grid_meter, now, storage

METER = ("--meter", str(EXAMPLES / "meter_import_export.toml"))


def fleet_of(role: DrivingRole) -> dict[str, Driven]:
    return {} if role.fleet is None else role.fleet.storages


def stands(role: DrivingRole, name: str, power_w: int) -> bool:
    one = fleet_of(role).get(name)
    standing = None if one is None else one.executor.standing
    return standing is not None and standing.confirmed and standing.target_w == power_w


def test_a_plan_is_split_a_lost_share_taken_over_and_a_stop_comes_before_it(book: DriverBook) -> None:
    with peer("bess_swapped", *METER, "--count", "2") as running:
        a, b = (storage(name, port) for name, port in zip("ab", running.ports, strict=True))
        book.furnish((a, b))
        book.plan(100 * KW, 100 * KW, 60 * KW, 40 * KW)

        async def driven() -> None:
            async with book.driving(a, b, grid_meter(running.ports[0])) as role:
                await book.until(lambda: stands(role, "a", 50 * KW) and stands(role, "b", 50 * KW))
                assert running.truth(1)["power_w"] > 0
                running.ask(do="fault", storage=1, fault={"kind": "black_hole"})
                taken = await book.until(lambda: stands(role, "a", 100 * KW))
                assert taken < 6.5, "three seconds until it is lost, two until its share is taken over"
                stop = OrderEmergency(EmergencyOrder(kind="stop_all", scope=Scope("book")), "anna", "smoke")
                await asyncio.to_thread(book.do, stop)
                ordered = asyncio.get_running_loop().time()
                await book.until(lambda: stands(role, "a", 0))
                heard = asyncio.get_running_loop().time()
                print(f"taken over in {taken:.2f} s; stopped {heard - ordered:.3f} s after the order")
                assert heard - ordered < 1.0, "heard by itself, not asked for"
                assert running.truth(0)["setpoint_w"] == 0
                told = "S1: emergency 1 stands in place of its plan: 100000 W of that are not given"
                await book.until(lambda: book.said[-1] == told)
                await asyncio.to_thread(book.do, EndEmergency(1, "bert", "over"))
                await book.until(lambda: stands(role, "a", 100 * KW))

        asyncio.run(driven())


def test_a_device_that_is_not_registered_is_refused_by_name(book: DriverBook) -> None:
    with peer("bess_swapped") as running:
        book.furnish(())

        role = DrivingRole(book.stack, (storage("ghost", running.ports[0]),), book.folder, book.said.append)
        with pytest.raises(Refused) as refused:
            asyncio.run(role.drive(asyncio.Event()))
    assert (refused.value.code, refused.value.place) == ("unknown_device", "ghost")


def test_a_stop_at_the_machine_needs_no_server_and_is_on_record_later(book: DriverBook) -> None:
    with peer("bess_swapped", *METER) as running:
        a = storage("a", running.ports[0])
        book.furnish((a,))
        book.plan(-60 * KW, -60 * KW)

        async def driven() -> None:
            async with book.driving(a, grid_meter(running.ports[0])) as role:
                await book.until(lambda: stands(role, "a", -60 * KW))
                stop = book.folder.order(local_stop("guard-1", "smoke", now()))
                answer = await asyncio.to_thread(book.folder.answered, stop, 5.0)
                assert answer is not None
                assert (answer.devices, answer.verified) == (1, 1)
                assert running.truth()["setpoint_w"] == 0

                def recorded() -> bool:
                    found = book.stack.door.state(AGGREGATE)
                    return isinstance(found, Emergencies) and bool(found.open)

                await book.until(recorded)
                await book.until(lambda: book.folder.stop_file.read() is None)
                state = book.stack.door.state(AGGREGATE)
                assert isinstance(state, Emergencies)
                (one,) = state.open
                assert (one.by, one.order.kind, one.order.scope.names) == ("guard-1", "stop_all", ("a",))
                assert stands(role, "a", 0)
                await asyncio.to_thread(book.do, EndEmergency(1, "bert", "over"))
                await book.until(lambda: stands(role, "a", -60 * KW))

        asyncio.run(driven())


@pytest.mark.fault
def test_what_is_not_commissioned_is_read_and_never_raised(book: DriverBook) -> None:
    with peer("bess_swapped", *METER) as running:
        a = storage("a", running.ports[0])
        book.furnish((a,), commissioned=False)
        book.plan(60 * KW, 60 * KW)

        async def driven() -> None:
            async with book.driving(a, grid_meter(running.ports[0])) as role:
                await book.until(lambda: bool(role.fleet and role.fleet.turned))
                await asyncio.sleep(2)
                assert role.fleet is not None
                assert role.fleet.turned is not None
                assert role.fleet.turned.missing_w == {"S1": 60 * KW}
                assert running.truth()["power_w"] == 0
                await asyncio.to_thread(book.commission, a)
                await book.until(lambda: stands(role, "a", 60 * KW))

        asyncio.run(driven())
