"""What a site does in place of a plan is said when it begins, and when a plan takes it from there."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from dispatch.control.fallback import FallbackSchedule, StoreFallback
from tests.adapters.bess_peer.running_peer import EXAMPLES, peer
from tests.adapters.driving.driver_book import KW, DriverBook, grid_meter, now, storage
from tests.adapters.driving.test_fleet import stands

METER = ("--meter", str(EXAMPLES / "meter_import_export.toml"))
pytestmark = pytest.mark.fault


def lines(book: DriverBook) -> list[str]:
    return [line for line in book.said if line.startswith("fallback at S1: ")]


def test_a_plan_that_takes_a_site_from_its_fallback_to_nothing_is_said(book: DriverBook) -> None:
    with peer("bess_swapped", *METER) as running:
        a, meter = storage("a", running.ports[0]), grid_meter(running.ports[0])
        book.furnish((a,))
        begin = datetime.fromtimestamp(int(now().timestamp()) // 900 * 900, UTC)
        nightly = FallbackSchedule(device="a", start=begin, interval_s=900, setpoint_w=(-30 * KW,) * 8)
        book.do(StoreFallback(nightly, "anna"))

        async def driven() -> None:
            async with book.driving(a, meter) as role:
                await book.until(lambda: bool(lines(book)), 30)
                await book.until(lambda: stands(role, "a", -30 * KW))
                await asyncio.sleep(5)
                assert lines(book) == [f"fallback at S1: a follows its schedule {nightly.digest[:12]}"]
                book.plan(0, 0)
                await book.until(lambda: len(lines(book)) == 2, 30)
                assert lines(book)[1].startswith("fallback at S1: over: a is told 0 W by plan.S1")
                await asyncio.sleep(5)

        asyncio.run(driven())
    assert len(lines(book)) == 2, lines(book)


def test_a_site_that_nothing_is_said_of_is_said_to_stop(book: DriverBook) -> None:
    with peer("bess_swapped", *METER) as running:
        a, meter = storage("a", running.ports[0]), grid_meter(running.ports[0])
        book.furnish((a,))

        async def driven() -> None:
            async with book.driving(a, meter):
                await book.until(lambda: bool(lines(book)), 30)
                await asyncio.sleep(5)

        asyncio.run(driven())
    assert lines(book) == ["fallback at S1: a is told 0 W: plan lost: nothing says what else to do"]
