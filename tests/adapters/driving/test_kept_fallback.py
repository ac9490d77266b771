"""A fallback schedule that is stored while a driver runs is kept there at once; that the site holds it is the
site's to say."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from dispatch.control.fallback import Fallback, FallbackSchedule, StoreFallback, fallback_aggregate
from tests.adapters.bess_peer.running_peer import EXAMPLES, peer
from tests.adapters.driving.driver_book import KW, DriverBook, grid_meter, now, storage

METER = ("--meter", str(EXAMPLES / "meter_import_export.toml"))


def schedule(*setpoint_w: int) -> FallbackSchedule:
    start = now() - timedelta(minutes=1)
    return FallbackSchedule(device="a", start=start, interval_s=900, setpoint_w=setpoint_w)


def test_a_schedule_is_kept_as_it_is_stored_and_acknowledged_by_no_driver(book: DriverBook) -> None:
    first, second = schedule(25 * KW), schedule(-30 * KW)
    with peer("bess_swapped", *METER) as running:
        a = storage("a", running.ports[0])
        book.furnish((a,))

        def state() -> Fallback | None:
            found = book.stack.door.state(fallback_aggregate("a"))
            return found if isinstance(found, Fallback) else None

        async def driven() -> None:
            async with book.driving(a, grid_meter(running.ports[0])) as role:
                await book.until(
                    lambda: role.fleet is not None and role.fleet.storages["a"].executor.ready, 30
                )
                # Stored anew after another, the first is kept once more.
                for stored in (first, second, first):
                    book.do(StoreFallback(stored, "anna"))
                    await book.until(lambda one=stored: (held := state()) is not None and held.kept == one)

        asyncio.run(driven())
        found = state()
    assert found == Fallback(first, None, first)
    assert not found.agreed
