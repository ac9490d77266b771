"""A device behind MQTT that obeys and answers what nobody can read: a reading says what became of it."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from adapters.driving.executor import Executor
from adapters.driving.fleet_file import FleetDevice, Mqtt
from adapters.driving.journal import Journal
from adapters.driving.poller import Poller
from adapters.mqtt.port import MqttPort
from dispatch.control.interlock import DeviceLimits
from dispatch.control.site_load import PowerRange
from dispatch.telemetry.sample import Sample
from tests.adapters.driving.driven import KW, Journals, Store, now, setpoint, stands, until
from tests.adapters.mqtt.broker import Broker
from tests.adapters.mqtt.storage import Storage, storage
from tests.adapters.mqtt.test_message import PROFILE

_TOPICS = itertools.count()
LIMITS = DeviceLimits(
    charge_w=100 * KW,
    discharge_w=100 * KW,
    soc_floor_millipercent=10_000,
    soc_ceiling_millipercent=90_000,
    import_w=500 * KW,
    export_w=500 * KW,
)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    made = Broker(tmp_path_factory.mktemp("broker"))
    yield made
    made.stop()


async def _tells(device: Storage) -> None:
    while True:
        power_kw = device.fields["setpoint_kw"] if device.fields["enabled"] else 0
        await device.tell(power_kw=power_kw)
        await asyncio.sleep(0.3)


@asynccontextmanager
async def _driven(store: Store, broker: Broker, journal: Journal) -> AsyncIterator[tuple[Executor, Storage]]:
    """An executor that runs, and stands at 20 kW."""
    topic = f"sites/m{next(_TOPICS)}"
    address = Mqtt(host="127.0.0.1", port=broker.port, topic=topic)
    device = FleetDevice(id="a", profile=PROFILE, address=address, meter="M1")
    async with storage(broker.port, topic) as peer:
        port = MqttPort(device, "run-1", lambda: time.time_ns() // 1_000_000)
        made: list[Executor] = []

        def seen(one: Sample) -> None:
            made[0].seen(one)

        poller = Poller(port, seen, 0.0)
        executor = Executor(port, poller.lock, store.door, device, LIMITS, now, journal, "run-1")
        made.append(executor)
        executor.commissioned = True
        executor.site_draws(PowerRange(0, 0), now())
        tasks = [asyncio.create_task(each) for each in (executor.run(), poller.run(), _tells(peer))]
        try:
            await until(lambda: executor.ready, 20, lambda: f"{executor.alarms}")
            executor.want(setpoint(20 * KW))
            await until(lambda: stands(executor, 20 * KW), 20, lambda: f"{executor.alarms}")
            yield executor, peer
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await port.close()


@pytest.mark.parametrize("anew", [False, True], ids=["under one lease", "compared with the record meanwhile"])
def test_it_is_written_once_and_the_answer_is_named(
    store: Store, broker: Broker, tmp_path: Path, journals: Journals, *, anew: bool
) -> None:
    async def drive() -> None:
        async with _driven(store, broker, journals(tmp_path, "run-1")) as (executor, peer):
            peer.fault = "malformed"
            before = len(peer.taken)
            executor.want(setpoint(50 * KW))
            await until(lambda: executor.writing, 20, lambda: f"{executor.alarms}")
            if anew:
                # As after a lease that was lost for a moment, while the store is slow.
                executor.resolved = 0
                executor.telling.pause()
                await asyncio.sleep(4)
                executor.telling.go_on()
            await until(
                lambda: executor.ready and stands(executor, 50 * KW), 20, lambda: f"{executor.alarms}"
            )
            await until(lambda: not executor.untold, 20)
            await asyncio.sleep(3)
            written = [one["setpoint_kw"] for one in peer.taken[before:] if "setpoint_kw" in one]
            assert written == [50]
            assert "record_refused" not in executor.alarms, executor.alarms
        told = await store.told("a")
        assert [one.status for one in told if one.setpoint.setpoint_w == 50 * KW] in (["read_back"], ["seen"])

    asyncio.run(drive())
