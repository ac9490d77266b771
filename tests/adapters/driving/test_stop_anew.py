"""A stop at the machine while a stop stands already: every device is read anew, and a silent one is named."""

from __future__ import annotations

import asyncio

import pytest

from adapters.cli.drive import _stop
from adapters.driving.emergencies import local_stop
from dispatch.control.emergency import (
    AGGREGATE,
    Emergencies,
    EmergencyOrder,
    EndEmergency,
    OrderEmergency,
    Scope,
)
from tests.adapters.bess_peer.running_peer import EXAMPLES, peer
from tests.adapters.driving.driver_book import DriverBook, now, storage
from tests.adapters.driving.test_fleet import stands

METER = ("--meter", str(EXAMPLES / "meter_import_export.toml"))


def test_a_stop_that_stands_is_verified_anew_and_a_silent_device_is_named(
    book: DriverBook, capsys: pytest.CaptureFixture[str]
) -> None:
    with peer("bess_swapped", *METER, "--count", "2") as running:
        a, b = (storage(name, port) for name, port in zip("ab", running.ports, strict=True))
        book.furnish((a, b))

        async def driven() -> None:
            async with book.driving(a, b) as role:
                await book.until(lambda: bool(role.fleet) and all(one.ready for one in role.fleet.executors))
                order = EmergencyOrder(kind="stop_all", scope=Scope("book"))
                await asyncio.to_thread(book.do, OrderEmergency(order, "anna", "smoke"))
                await book.until(lambda: stands(role, "a", 0) and stands(role, "b", 0))
                assert await asyncio.to_thread(_stop, book.folder, "guard-1", "look", now()) == 0
                assert capsys.readouterr().out.startswith("2 of 2 devices show a setpoint of 0 W, read back")
                running.ask(do="fault", storage=1, fault={"kind": "black_hole"})
                assert await asyncio.to_thread(_stop, book.folder, "guard-1", "again", now()) == 1
                told = capsys.readouterr()
                assert told.out.startswith("1 of 2 devices show a setpoint of 0 W")
                assert told.err.startswith("b is not stopped: ")

        asyncio.run(driven())
    assert any(line.startswith("b is not stopped: ") for line in book.said)


def test_a_stop_that_is_ordered_again_at_the_machine_is_the_one_that_stands(
    book: DriverBook, capsys: pytest.CaptureFixture[str]
) -> None:
    with peer("bess_swapped", *METER) as running:
        a = storage("a", running.ports[0])
        book.furnish((a,))

        async def driven() -> None:
            async with book.driving(a) as role:

                def numbers() -> list[int]:
                    found = book.stack.door.state(AGGREGATE)
                    return [one.number for one in found.open] if isinstance(found, Emergencies) else []

                async def stop(reason: str) -> str:
                    assert await asyncio.to_thread(_stop, book.folder, "guard-1", reason, now()) == 0
                    await book.until(lambda: book.folder.stop_file.read() is None)
                    return capsys.readouterr().out

                await book.until(lambda: bool(role.fleet) and all(one.ready for one in role.fleet.executors))
                assert "already" not in await stop("smoke")
                assert "emergency 1 stands for it already: no other is ordered" in await stop("smoke")
                assert numbers() == [1]
                assert "already" not in await stop("fire")
                assert numbers() == [1, 2]
                for number in (1, 2):
                    await asyncio.to_thread(book.do, EndEmergency(number, "bert", "over"))
                await book.until(lambda: role.fleet is not None and not role.fleet.stops.standing(now()).open)
                assert "already" not in await stop("smoke")
                assert numbers() == [3], "what was ended stands for nothing"

        asyncio.run(driven())


def test_a_local_stop_that_is_asked_for_again_is_looked_at_again(book: DriverBook) -> None:
    """As while no server is there: its file stands, and what was answered before is not answered again."""
    with peer("bess_swapped", *METER) as running:
        a = storage("a", running.ports[0])
        book.furnish((a,))

        async def driven() -> None:
            async with book.driving(a) as role:
                await book.until(lambda: bool(role.fleet) and all(one.ready for one in role.fleet.executors))
                first = local_stop("guard-1", "smoke", now())
                book.folder.stop_file.write(first)
                answer = await asyncio.to_thread(book.folder.answered, first, 5.0)
                assert answer is not None
                assert (answer.devices, answer.verified) == (1, 1)
                running.ask(do="fault", storage=0, fault={"kind": "black_hole"})
                book.folder.stop_file.write(first)
                again = book.folder.order(local_stop("guard-2", "again", now()))
                assert again.id == first.id
                answer = await asyncio.to_thread(book.folder.answered, again, 8.0)
                assert answer is not None
                assert (answer.devices, answer.verified, list(answer.failed)) == (1, 0, ["a"])

        asyncio.run(driven())
