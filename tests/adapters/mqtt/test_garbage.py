"""What comes over a real broker and is no telemetry of this device: named or passed over, and survived."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator

import pytest

from adapters.driving.port import WriteUncertain, WrongAnswer
from adapters.mqtt.port import MqttPort
from tests.adapters.mqtt.broker import Broker
from tests.adapters.mqtt.storage import Storage
from tests.adapters.mqtt.test_port import played


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    made = Broker(tmp_path_factory.mktemp("broker"))
    yield made
    made.stop()


GARBAGE = {
    "nothing": b"",
    "no JSON": b"\x00\xff power=7",
    "half": b'{"power_kw": 7',
    "a list": b"[7]",
    "NaN": b'{"power_kw": NaN}',
    "infinity": b'{"power_kw": -Infinity}',
    "beyond numbers": b'{"power_kw": 1e9999999}',
    "digits": b'{"power_kw": ' + b"9" * 100_000 + b"}",
    "nested": b"[" * 100_000,
    "huge": b'{"power_kw": 7, "more": "' + b"x" * 900_000 + b'"',
}


@pytest.mark.parametrize("content", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_is_a_wrong_answer_within_its_turn_and_the_next_message_is_read(
    broker: Broker, content: bytes
) -> None:
    async def scene(port: MqttPort, device: Storage) -> None:
        await device.client.publish(f"{device.topic}/telemetry", content, qos=1)
        began = time.monotonic()
        with pytest.raises(WrongAnswer):
            await port.read(port.periods)
        assert time.monotonic() - began < 5, "a turn is 0.4 s; the rest is the machine's"
        await device.tell(power_kw=3)
        assert (await port.read(port.periods)).value("active_power") == 3000

    played(broker, scene)


def test_a_number_that_is_none_is_named_with_its_field(broker: Broker) -> None:
    long = "1" + "0" * 40
    told = {
        '{"power_kw": NaN}': "power_kw: NaN is no number",
        f'{{"meter": {{"import_kwh": {long}}}}}': f"meter.import_kwh: {long[:20]} is too long a number",
        '{"power_kw": 7, "cells": [1, -Infinity]}': "cells[1]: -Infinity is no number",
    }

    async def scene(port: MqttPort, device: Storage) -> None:
        for content, said in told.items():
            await device.client.publish(f"{device.topic}/telemetry", content, qos=1)
            with pytest.raises(WrongAnswer) as wrong:
                await port.read(port.periods)
            assert said in str(wrong.value)

    played(broker, scene)


def test_a_field_of_the_wrong_type_has_no_value_and_those_beside_it_have(broker: Broker) -> None:
    async def scene(port: MqttPort, device: Storage) -> None:
        for wrong in ("7", True, [7], {"w": 7}, None, 1e40):
            await device.tell(power_kw=wrong, soc=60)
            sample = await port.read(port.periods)
            assert (sample.readings["active_power"].value, sample.readings["active_power"].quality) == (
                None,
                "bad",
            ), wrong
            assert sample.readings["active_power"].reason
            assert sample.value("soc") == 60_000
        await device.tell(power_kw=3)
        assert (await port.read(port.periods)).value("active_power") == 3000

    played(broker, scene)


def test_what_another_device_tells_and_answers_is_not_heard(broker: Broker) -> None:
    async def scene(port: MqttPort, device: Storage) -> None:
        other = json.dumps(device.fields | {"power_kw": 99, "time": int(time.time())})
        for topic in (f"{device.topic}2/telemetry", f"{device.topic}/b/telemetry", "sites/telemetry"):
            await device.client.publish(topic, other, qos=1)
        with pytest.raises(WrongAnswer, match="no message"):
            await port.read(port.periods)
        device.fault = "silent"
        writing = asyncio.create_task(port.write_setpoint(5000, 60))
        shown = {"setpoint_kw": 5, "revert_s": 60, "enabled": 1}
        for named in ("0" * 32, "", 7):
            answer = json.dumps({"id": named, "ok": True, "set": shown})
            await device.client.publish(f"{device.topic}/answer", answer, qos=1)
        with pytest.raises(WriteUncertain, match="no answer"):
            await writing
        device.fault = ""
        await port.write_setpoint(6000, 60)
        await device.tell()
        assert (await port.read(port.periods)).value("setpoint") == 6000

    played(broker, scene)
