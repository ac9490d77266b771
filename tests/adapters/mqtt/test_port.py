"""The port against a real broker and a device that misbehaves: nothing is believed done that was not
shown."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from adapters.driving.device_writes import DeviceWrites
from adapters.driving.fleet_file import FleetDevice, Mqtt
from adapters.driving.poller import Poller
from adapters.driving.port import (
    DevicePort,
    TellingPort,
    Unreachable,
    Unreadable,
    WriteRefused,
    WriteUncertain,
    WrongAnswer,
)
from adapters.mqtt.port import MqttPort
from dispatch.telemetry.gaps import marks
from dispatch.telemetry.sample import Sample
from tests.adapters.mqtt.broker import Broker
from tests.adapters.mqtt.storage import Fault, Storage, storage
from tests.adapters.mqtt.test_message import PROFILE

_TOPICS = itertools.count()
Scene = Callable[[MqttPort, Storage], Awaitable[None]]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    made = Broker(tmp_path_factory.mktemp("broker"))
    yield made
    made.stop()


def clock() -> int:
    return int(time.time() * 1000)


def port_to(port: int, topic: str, turn_s: float = 0.4, clock_ms: Callable[[], int] = clock) -> MqttPort:
    device = FleetDevice(id="B1", profile=PROFILE, address=Mqtt(host="127.0.0.1", port=port, topic=topic))
    return MqttPort(device, "r1", clock_ms, answer_s=0.5, turn_s=turn_s)


def played(broker: Broker, scene: Scene) -> None:
    async def play() -> None:
        topic = f"sites/s{next(_TOPICS)}"
        async with storage(broker.port, topic) as device:
            port = port_to(broker.port, topic)
            try:
                with pytest.raises(WrongAnswer, match="no message"):
                    await port.read(port.periods)
                await scene(port, device)
            finally:
                await port.close()

    asyncio.run(play())


def test_telemetry_is_samples_each_read_once(broker: Broker) -> None:
    async def scene(port: MqttPort, device: Storage) -> None:
        form: DevicePort = port
        await device.tell(power_kw=-12.5)
        sample = await form.read(form.periods)
        assert (sample.device, sample.run, sample.number) == ("B1", "r1", 1)
        assert sample.value("active_power") == -12_500
        assert sample.value("meter_import_wh") == 1_234_567
        assert sample.value("meter_export_wh") is None
        assert sample.device_ms is not None
        assert abs(sample.device_ms - sample.at_ms) < 5000
        assert form.lost("away").number == 2
        with pytest.raises(WrongAnswer, match="no message"):
            await form.read(form.periods)
        await device.tell(power_kw=1)
        await device.tell(power_kw=2)
        await asyncio.sleep(0.1)
        newest = await form.read(form.periods)
        assert (newest.number, newest.value("active_power")) == (3, 2000)

    played(broker, scene)


def test_what_is_replaced_unread_or_no_telemetry_has_a_number_that_is_missing(broker: Broker) -> None:
    """As many as the device should have told: who tells ten times as often loses nothing by it."""
    garbage = (b'{"power_kw": NaN}', b'{"power_kw": 1e9999}', b'{"power_kw": 1' + b"0" * 40 + b"}")
    period_ms = PROFILE.every_s("active_power") * 1000
    now = [clock()]

    async def tell(device: Storage, content: bytes, after_ms: int = period_ms) -> None:
        now[0] += after_ms
        await device.client.publish(f"{device.topic}/telemetry", content, qos=1)
        await asyncio.sleep(0.1)

    async def scene(_: MqttPort, device: Storage) -> None:
        port = port_to(broker.port, device.topic, clock_ms=lambda: now[0])
        with pytest.raises(WrongAnswer, match="no message"):
            await port.read(port.periods)
        told = []
        await tell(device, b'{"power_kw": 1}')
        told.append(await port.read(port.periods))
        for content in (*garbage, b'{"power_kw": 2}'):
            await tell(device, content)
        told.append(await port.read(port.periods))
        for content in garbage:
            await tell(device, content)
            with pytest.raises(Unreadable):
                await port.read(port.periods)
        told.append(port.lost("three that nobody could read"))
        for _ in range(10):
            await tell(device, b'{"power_kw": 3}', period_ms // 10)
        told.append(await port.read(port.periods))
        now[0] += period_ms
        told.append(port.lost("nothing came"))
        await port.close()
        assert [each.number for each in told] == [1, 5, 8, 9, 10]
        assert [(mark.kind, mark.count) for mark in marks(told)][:2] == [("unseen", 3), ("unseen", 2)]

    played(broker, scene)


def test_what_a_command_reads_and_cannot_be_read_is_told_as_lost(broker: Broker) -> None:
    """The poller is not asked for a message that somebody else has read."""

    async def scene(port: MqttPort, device: Storage) -> None:
        kept: list[Sample] = []
        address = Mqtt(host="127.0.0.1", port=broker.port, topic=device.topic)
        driven = FleetDevice(id="B1", profile=PROFILE, address=address)
        writes = DeviceWrites(port, driven, lambda: datetime.now(UTC), kept.append, 500)
        poller = Poller(port, kept.append, 0)
        polling = asyncio.create_task(poller.run())
        for _ in range(3):
            async with poller.lock:
                await device.client.publish(f"{device.topic}/telemetry", b'{"power_kw": NaN}', qos=1)
                assert await writes.sample() is None
        polling.cancel()
        await asyncio.wait([polling])
        lost = [each for each in kept if "NaN" in each.lost]
        assert len(lost) == 3
        assert [each.number for each in kept] == list(range(1, len(kept) + 1))

    played(broker, scene)


async def _read(port: MqttPort, device: Storage, power_kw: int) -> Sample:
    """What it tells, once that is here."""
    await device.tell(power_kw=power_kw)
    await asyncio.sleep(0.2)
    return await port.read(port.periods)


def test_a_cancellation_that_comes_with_the_acknowledgement_is_not_lost(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python 3.11's wait_for, which the library uses, forgets it."""
    publish = aiomqtt.Client.publish

    async def loses(self: aiomqtt.Client, *given: Any, **more: Any) -> None:
        await publish(self, *given, **more)
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(1)

    async def scene(port: MqttPort, device: Storage) -> None:
        await port.beat(1)
        with monkeypatch.context() as patched:
            patched.setattr(aiomqtt.Client, "publish", loses)
            writing = asyncio.create_task(port.write_setpoint(5000, 60))
            with pytest.raises(asyncio.CancelledError):
                await writing

    played(broker, scene)


def test_what_is_no_telemetry_is_a_wrong_answer(broker: Broker) -> None:
    async def scene(port: MqttPort, device: Storage) -> None:
        for content in (b"{", b"{}", b'{"other": 1}', b"[]"):
            await device.client.publish(f"{device.topic}/telemetry", content, qos=1)
            with pytest.raises(WrongAnswer):
                await port.read(port.periods)
        await device.tell()
        assert (await port.read(port.periods)).number == 1

    played(broker, scene)


def test_a_retained_message_is_of_no_known_moment_and_is_not_read(broker: Broker) -> None:
    async def scene(port: MqttPort, device: Storage) -> None:
        await device.tell(retain=True, power_kw=99)
        await port.close()
        with pytest.raises(WrongAnswer, match="no message"):
            await port.read(port.periods)
        await device.tell(power_kw=1)
        assert (await port.read(port.periods)).value("active_power") == 1000

    played(broker, scene)


def test_a_setpoint_is_one_command_that_is_answered_with_what_it_set(broker: Broker) -> None:
    async def scene(port: MqttPort, device: Storage) -> None:
        assert port.settable_w(-12_345) == -12_345
        assert port.settable_w(200_000) == 100_000
        await port.write_setpoint(-12_345, 60)
        await port.beat(0)
        await port.release()
        assert device.taken == [
            {"setpoint_kw": -12.345, "revert_s": 60, "enabled": 1},
            {"beat": 1},
            {"enabled": 0},
        ]
        with pytest.raises(WrongAnswer, match="no message"):
            await port.read(port.periods)
        await device.tell()
        assert (await port.read(port.periods)).value("setpoint") == -12_345

    played(broker, scene)


def test_a_heartbeat_drops_nothing(broker: Broker) -> None:
    async def scene(port: MqttPort, device: Storage) -> None:
        for power_kw in (1, 2, 3):
            device.tells_first = {"power_kw": power_kw}
            await port.beat(power_kw)
            sample = await port.read(port.periods)
            assert (sample.number, sample.value("active_power")) == (power_kw, 1000 * power_kw)
            assert not port.early(sample), "it says what stands, too"

    played(broker, scene)


@pytest.mark.parametrize("fault", ["", "silent"])
def test_what_came_before_a_setpoint_was_answered_is_a_sample_and_no_readback(
    broker: Broker, fault: Fault
) -> None:
    async def scene(port: MqttPort, device: Storage) -> None:
        form: TellingPort = port
        device.fault = fault
        device.tells_first = {"power_kw": 7}
        with suppress(WriteUncertain):
            await port.write_setpoint(5000, 60)
        first = await port.read(port.periods)
        assert (first.number, first.value("setpoint")) == (1, 0)
        assert form.early(first)
        await device.tell(power_kw=8)
        second = await port.read(port.periods)
        assert (second.number, second.value("active_power")) == (2, 8000)
        assert not form.early(second)

    played(broker, scene)


def test_what_was_told_before_the_broker_was_lost_is_read(tmp_path: Path) -> None:
    broker = Broker(tmp_path)

    async def play() -> None:
        port = port_to(broker.port, "sites/x")
        async with storage(broker.port, "sites/x") as device:
            await port.beat(0)
            await device.tell(power_kw=7)
            await port.told()
            broker.child.kill()
            with pytest.raises((Unreachable, WriteUncertain)):
                await port.beat(1)
            assert (await port.read(port.periods)).value("active_power") == 7000
            with pytest.raises(Unreachable):
                await port.read(port.periods)
        await port.close()

    asyncio.run(play())
    broker.stop()


@pytest.mark.parametrize(
    ("fault", "raised", "said"),
    [
        ("silent", WriteUncertain, "no answer"),
        ("garbage", WriteUncertain, "its answer could not be read: this is not JSON"),
        ("malformed", WriteUncertain, "its answer could not be read: an answer has the id"),
        ("refuses", WriteRefused, "local control"),
        ("other_value", WriteUncertain, "shows 0"),
    ],
)
def test_what_was_not_shown_is_not_believed(
    broker: Broker, fault: Fault, raised: type[Exception], said: str
) -> None:
    async def scene(port: MqttPort, device: Storage) -> None:
        device.fault = fault
        with pytest.raises(raised, match=said):
            await port.write_setpoint(5000, 60)
        device.fault = "twice"
        await port.write_setpoint(6000, 60)
        await port.write_setpoint(7000, 60)
        assert device.fields["setpoint_kw"] == 7

    played(broker, scene)


def test_a_command_that_comes_too_late_is_not_taken(broker: Broker) -> None:
    """As one that a broker kept for a device that was away."""

    async def scene(port: MqttPort, device: Storage) -> None:
        port._clock_ms = lambda: int(time.time() * 1000) - 60_000  # type: ignore[misc]
        with pytest.raises(WriteRefused, match="late"):
            await port.write_setpoint(5000, 60)
        assert device.taken == []

    played(broker, scene)


def test_without_a_broker_nothing_is_written_and_after_it_comes_back_it_is(tmp_path: Path) -> None:
    broker = Broker(tmp_path)

    async def play() -> None:
        port = port_to(broker.port, "sites/x")
        async with storage(broker.port, "sites/x") as device:
            await port.write_setpoint(5000, 60)
            broker.child.kill()
            with pytest.raises((Unreachable, WriteUncertain)):
                await port.write_setpoint(6000, 60)
            began = time.monotonic()
            with pytest.raises(Unreachable):
                await port.read(port.periods)
            with pytest.raises(Unreachable):
                await port.write_setpoint(6000, 60)
            assert time.monotonic() - began < 2
            assert device.fields["setpoint_kw"] == 5
            device.fault = "silent"
        broker.start()
        async with storage(broker.port, "sites/x") as device:
            await port.write_setpoint(7000, 60)
            assert device.fields["setpoint_kw"] == 7
            await device.tell()
            assert (await port.read(port.periods)).value("setpoint") == 7000
        await port.close()

    asyncio.run(play())
    broker.stop()
