"""What nobody gives of a plan is said with its reason at once."""

from __future__ import annotations

import asyncio

from tests.adapters.bess_peer.running_peer import EXAMPLES, peer
from tests.adapters.driving.driver_book import KW, DriverBook, storage

METER = ("--meter", str(EXAMPLES / "meter_import_export.toml"))


def test_a_site_whose_connection_nobody_measures_is_named_in_the_first_line(book: DriverBook) -> None:
    with peer("bess_swapped", *METER) as running:
        a = storage("a", running.ports[0])
        book.furnish((a,))
        book.plan(50 * KW, 50 * KW)

        async def driven() -> None:
            async with book.driving(a) as role:
                await book.until(lambda: role.fleet is not None and role.fleet.storages["a"].executor.ready)
                await book.until(lambda: any("grid_unknown" in line for line in lines()), 20)
                await asyncio.sleep(5)

        def lines() -> list[str]:
            return [line for line in book.said if "given by nobody" in line]

        asyncio.run(driven())
    reason = "a: nobody knows what S1 draws (grid_unknown): no meter at its connection is read"
    assert f"S1: 50000 W of its plan are given by nobody: {reason}" in lines(), book.said
    assert len(lines()) <= 2, "once, and once more where the device was not read at first"
