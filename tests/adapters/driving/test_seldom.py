"""A storage that tells its power every five seconds by MQTT, as its profile says, is driven like another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from adapters.driving.fleet_file import FleetDevice, Mqtt
from dispatch.devices.profile_file import parse
from tests.adapters.bess_peer.running_peer import EXAMPLES, peer
from tests.adapters.driving.driver_book import KW, DriverBook, grid_meter, now
from tests.adapters.mqtt.broker import Broker
from tests.adapters.mqtt.storage import Storage, storage

METER = ("--meter", str(EXAMPLES / "meter_import_export.toml"))
TEXT = (EXAMPLES / "mqtt_bess.toml").read_text(encoding="utf-8")
SELDOM = parse(TEXT.replace('period = "fast"', 'period = "normal"'))
TOPIC = "sites/seldom"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path / "broker")
    yield made
    made.stop()


@asynccontextmanager
async def telling(port: int, every_s: float) -> AsyncIterator[Storage]:
    """It does at once what it is told, and says so every so often."""
    async with storage(port, TOPIC) as device:

        async def tell() -> None:
            while True:
                power = device.fields["setpoint_kw"] if device.fields["enabled"] else 0
                await device.tell(power_kw=power)
                await asyncio.sleep(every_s)

        task = asyncio.create_task(tell())
        try:
            yield device
        finally:
            task.cancel()
            await asyncio.wait([task])


@pytest.mark.fault
def test_it_is_ready_follows_its_plan_and_is_stopped_at_once(book: DriverBook, broker: Broker) -> None:
    a = FleetDevice(id="a", profile=SELDOM, address=Mqtt(host="127.0.0.1", port=broker.port, topic=TOPIC))
    book.furnish((a,))
    book.plan(50 * KW, 50 * KW)

    async def driven() -> None:
        with peer("bess_swapped", *METER) as running:
            async with (
                telling(broker.port, 5.0) as device,
                book.driving(a, grid_meter(running.ports[0])) as role,
            ):
                await book.until(
                    lambda: role.fleet is not None and role.fleet.storages["a"].executor.ready, 40
                )
                assert role.fleet is not None
                one = role.fleet.storages["a"]
                await book.until(
                    lambda: device.fields["setpoint_kw"] == 50 and device.fields["enabled"] == 1, 40
                )
                await book.until(
                    lambda: one.executor.standing is not None and one.executor.standing.confirmed, 40
                )
                seen: list[bool] = []
                for _ in range(60):
                    seen.append(one.lost(int(now().timestamp() * 1000)))
                    await asyncio.sleep(0.2)
                assert not any(seen), "between its messages it is not lost"
                assert not one.poller.silent
                stopping = asyncio.create_task(one.executor.stop("test"))
                took = await book.until(lambda: device.fields["setpoint_kw"] == 0, 30)
                assert took < 4.0, "a stop waits for no message"
                await stopping

    asyncio.run(driven())


@pytest.mark.fault
def test_it_is_lost_seven_seconds_after_its_last_message(book: DriverBook, broker: Broker) -> None:
    a = FleetDevice(id="a", profile=SELDOM, address=Mqtt(host="127.0.0.1", port=broker.port, topic=TOPIC))
    book.furnish((a,))
    book.plan(50 * KW, 50 * KW)

    async def driven() -> None:
        with peer("bess_swapped", *METER) as running:
            async with book.driving(a, grid_meter(running.ports[0])) as role:
                async with telling(broker.port, 1.0):
                    await book.until(
                        lambda: role.fleet is not None and role.fleet.storages["a"].good_ms is not None
                    )
                assert role.fleet is not None
                one = role.fleet.storages["a"]
                assert one.good_ms is not None
                assert [one.lost(one.good_ms + ms) for ms in (6999, 7000, 7001)] == [False, False, True]

    asyncio.run(driven())
