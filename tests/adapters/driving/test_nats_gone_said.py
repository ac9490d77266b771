"""While NATS is away the driver says why nobody gives a plan, and what devices do in its place."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dispatch.control.fallback import FallbackSchedule, StoreFallback
from tests.adapters.bess_peer.running_peer import EXAMPLES, peer
from tests.adapters.conftest import Bench
from tests.adapters.driving.driver_book import KW, DriverBook, driver_book, grid_meter, now, storage
from tests.adapters.driving.test_fleet import fleet_of, stands
from tests.adapters.driving.test_given import ready
from tests.stack import NatsServer, PostgresServer

METER = ("--meter", str(EXAMPLES / "meter_import_export.toml"))
pytestmark = pytest.mark.fault


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path / "nats")
    yield server
    server.stop()


@pytest.fixture
def own(nats: NatsServer, migrated: PostgresServer, tmp_path: Path) -> Iterator[DriverBook]:
    bench = Bench(nats, migrated)
    with driver_book(bench, tmp_path) as made:
        yield made
    bench.close()


def test_nobody_gives_a_plan_and_the_reason_is_nats(own: DriverBook, nats: NatsServer) -> None:
    with peer("bess_swapped", *METER) as running:
        a, meter = storage("a", running.ports[0]), grid_meter(running.ports[0])
        own.furnish((a,))
        begin = datetime.fromtimestamp(int(now().timestamp()) // 900 * 900, UTC) - timedelta(hours=1)
        nightly = FallbackSchedule(device="a", start=begin, interval_s=900, setpoint_w=(10 * KW,) * 16)
        own.do(StoreFallback(nightly, "anna"))
        own.plan(50 * KW, 50 * KW)

        def said() -> list[str]:
            return [line for line in own.said if "given by nobody" in line]

        async def driven() -> None:
            async with own.driving(a, meter) as role:
                await ready(own, role, "a")
                await own.until(lambda: stands(role, "a", 50 * KW))
                await asyncio.sleep(2)
                before, executor = len(said()), fleet_of(role)["a"].executor
                nats.child.kill()
                # A watchdog, or whoever else, ended what stood: nobody can have it raised again.
                await own.until(lambda: executor.door.lost, 30)
                executor.standing = None
                follows = f"follows its schedule {nightly.digest[:12]}"
                await own.until(lambda: f"fallback at S1: a {follows}" in own.said, 30)
                await own.until(lambda: len(said()) > before, 30)
                await asyncio.sleep(5)
                assert said()[-1].endswith(f"given by nobody: a: nats lost: it {follows}"), own.said
                nats.start()
                await own.until(lambda: not executor.door.lost, 30)
                await own.until(lambda: stands(role, "a", 50 * KW), 30)

        asyncio.run(driven())
