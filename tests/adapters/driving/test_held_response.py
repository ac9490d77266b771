"""A hold beside a response, and an export limit on a plan: what is told, and what the driver says of it."""

from __future__ import annotations

import asyncio

from dispatch.control.emergency import EmergencyOrder, EndEmergency, OrderEmergency, Scope
from tests.adapters.bess_peer.running_peer import EXAMPLES, peer
from tests.adapters.driving.driver_book import KW, DriverBook, grid_meter, storage
from tests.adapters.driving.test_fleet import stands
from tests.adapters.driving.test_given import ready, respond

METER = ("--meter", str(EXAMPLES / "meter_import_export.toml"))


def test_what_is_held_counts_toward_a_response_and_what_is_too_much_is_said(book: DriverBook) -> None:
    with peer("bess_swapped", *METER) as first, peer("bess_swapped", *METER) as second:
        a, b = storage("a", first.ports[0]), storage("b", second.ports[0])
        meters = grid_meter(first.ports[0]), grid_meter(second.ports[0], "2")
        book.furnish((a,))
        book.second_site("b")
        book.commission(b)
        book.plan_unit(0, S1=50 * KW, S2=60 * KW)

        def said(number: int) -> list[str]:
            return [line for line in book.said if line.startswith(f"emergency {number}: ")]

        async def driven() -> None:
            async with book.driving(a, b, *meters) as role:
                await ready(book, role, "a", "b")
                await book.until(lambda: stands(role, "a", 50 * KW) and stands(role, "b", 60 * KW), 20)
                await respond(book, 100 * KW)
                await book.until(lambda: stands(role, "b", 50 * KW))
                await book.until(lambda: said(1) == ["emergency 1: all of it is given"])
                hold = EmergencyOrder(kind="hold", scope=Scope("device", ("a",)))
                await asyncio.to_thread(book.do, OrderEmergency(hold, "anna", "it is repaired"))
                await book.until(lambda: any("emergency 1, 2 stands" in line for line in book.said))
                said_before = len(book.said)
                await asyncio.sleep(2)
                assert stands(role, "b", 50 * KW), "what a holds is of the response"
                assert stands(role, "a", 50 * KW)
                await asyncio.to_thread(book.do, EndEmergency(1, "bert", "less is needed"))
                await book.until(lambda: stands(role, "b", 60 * KW))
                await respond(book, 30 * KW)
                await book.until(lambda: stands(role, "b", 0) and bool(said(3)))
                assert said(3) == ["emergency 3: 20000 W more than it asks are given: what is held stays (a)"]
                assert stands(role, "a", 50 * KW)
                assert "vpp: all of it is given" not in book.said[said_before:], "emergencies still stand"

        asyncio.run(driven())


def test_an_export_limit_that_takes_of_a_plan_is_said_in_its_place_until_it_ends(book: DriverBook) -> None:
    with peer("bess_swapped", *METER) as running:
        a = storage("a", running.ports[0])
        book.furnish((a,))
        book.plan(50 * KW, 50 * KW)

        def said() -> list[str]:
            return [line for line in book.said if line.startswith("S1: ")]

        async def driven() -> None:
            async with book.driving(a, grid_meter(running.ports[0])) as role:
                await ready(book, role, "a")
                await book.until(lambda: stands(role, "a", 50 * KW))
                before = len(said())
                limit = EmergencyOrder(kind="limit_export", scope=Scope("book"), power_w=29 * KW)
                await asyncio.to_thread(book.do, OrderEmergency(limit, "anna", "the line is narrow"))
                await book.until(lambda: len(said()) > before)
                (replaced,) = said()[before:]
                assert replaced.startswith("S1: emergency 1 stands in place of its plan: 2")
                assert replaced.endswith(" W of that are not given")
                await asyncio.to_thread(book.do, EndEmergency(1, "bert", "over"))
                await book.until(lambda: stands(role, "a", 50 * KW))
                await book.until(lambda: said()[before:] == [replaced, "S1: all of it is given"])

        asyncio.run(driven())
