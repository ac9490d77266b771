"""A device's port: what it reads and writes, in which order, how often, and where it stops."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec
import pytest
import sunspec2.modbus.client as sunspec

from adapters.driving.budget_file import BudgetFile
from adapters.driving.fleet_file import FleetDevice, ModbusRtu, Mqtt
from adapters.driving.port import DevicePort, Unreachable, WriteRefused, WriteUncertain, WrongAnswer
from adapters.modbus.port import ModbusPort, ports
from ledger.refusal import Refused
from tests.adapters.bess_peer.running_peer import EXAMPLES, peer
from tests.adapters.modbus.raw_server import Asked, properly, raw_server
from tests.adapters.modbus.reached import ALL, now_ms, port_to
from tests.dispatch.devices.profile_samples import example


def test_samples_hold_what_the_profile_knows() -> None:
    async def check(number: int) -> None:
        port: DevicePort = port_to("bess_swapped", number)
        sample = await port.read(ALL)
        assert (sample.device, sample.run, sample.number, sample.lost) == ("B1", "run1", 1, "")
        assert abs(sample.at_ms - now_ms()) < 2_000
        assert sample.value("soc") == 62_500
        assert sample.value("capacity_wh") == 500_000
        assert sample.others["serial"].value == "example"
        assert set(sample.readings) == set(example("bess_swapped").roles)
        fast = await port.read(("fast",))
        assert fast.number == 2
        assert "capacity_wh" not in fast.readings
        assert "setpoint" not in fast.readings
        assert not fast.others
        lost = port.lost("away")
        assert (lost.number, lost.lost, lost.readings) == (3, "away", {})
        meter = port_to("meter_import_export", number, device="G1")
        assert meter.periods == {"normal"}
        assert (await meter.read(ALL)).value("meter_power") == -80_000
        await meter.close()
        await port.close()

    meter = str(EXAMPLES / "meter_import_export.toml")
    with peer("bess_swapped", "--meter", meter, "--load-w", "80000", "--soc", "62500") as running:
        asyncio.run(check(running.ports[0]))


def test_a_sunspec_storage_is_driven_and_pysunspec2_reads_what_was_written() -> None:
    async def drive(number: int) -> None:
        port = port_to("sunspec_bess", number)
        with pytest.raises(Refused) as refused:
            port.settable_w(40_000)
        assert refused.value.code == "scale_missing"
        await port.read(ALL)
        assert port.settable_w(40_000) == 40_000
        for beat in range(3):
            await port.beat(beat)
        await port.write_setpoint(-40_000, 30)
        await port.close()

    async def release(number: int) -> None:
        port = port_to("sunspec_bess", number)
        await port.release()
        assert (await port.read(ALL)).value("enable") == 0
        await port.close()

    with peer("sunspec_bess") as running:
        asyncio.run(drive(running.ports[0]))
        device = sunspec.SunSpecModbusClientDeviceTCP(
            slave_id=1, ipaddr="127.0.0.1", ipport=running.ports[0], timeout=5
        )
        device.scan()
        control = device.models[704][0]
        assert (control.WSet.cvalue, control.WSetEna.value, control.WSetRvrtTms.value) == (-40_000, 1, 30)
        assert device.models[715][0].ControllerHb.value == 3
        truth = running.truth()
        assert (truth["beats"], truth["setpoint_w"], truth["enabled"]) == (3, -40_000, True)
        asyncio.run(release(running.ports[0]))
        device.disconnect()
        assert running.truth()["enabled"] is False


def test_a_device_that_knows_only_function_06_and_percent() -> None:
    async def check(number: int) -> None:
        port = port_to("bess_single", number)
        await port.read(ALL)
        assert port.settable_w(20_026) == 20_000
        await port.write_setpoint(20_000, 60)
        assert (await port.read(("normal",))).readings["setpoint"].value == 40_000
        await port.release()
        await port.close()

    with peer("bess_single") as running:
        asyncio.run(check(running.ports[0]))
        truth = running.truth()
        assert (truth["setpoint_w"], truth["writes"]) == (0, 2)


STEPS = ("setpoint", "revert_after", "enable")


@pytest.mark.parametrize(
    ("how", "failing"),
    [
        *((how, failing) for how in ("refused", "silent", "gone_after") for failing in range(3)),
        ("gone_before", 1),
        ("gone_before", 2),
    ],
)
def test_wherever_it_stops_nothing_more_is_written(how: str, failing: int) -> None:
    """Value, timer, enable: after one that failed, none of those that follow is sent; nor over another
    connection, behind which the first may be forgotten."""

    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if how == "gone_before" and asked.number == failing - 1:
            writer.write(asked.done())
            await writer.drain()
            writer.close()
        elif how == "refused" and asked.number == failing:
            writer.write(asked.framed(bytes((asked.pdu[0] | 0x80, 3))))
        elif how == "gone_after" and asked.number == failing:
            writer.close()
        elif asked.number != failing or how == "gone_before":
            writer.write(asked.done())

    async def check() -> None:
        async with raw_server(behave) as server:
            port = port_to("bess_swapped", server.port, answer_ms=100)
            expected = WriteRefused if how == "refused" else WriteUncertain
            with pytest.raises(expected, match=f"^{STEPS[failing]}: "):
                await port.write_setpoint(5_000, 60)
            await asyncio.sleep(0.02)
            assert len(server.asked) == failing + (how != "gone_before")
            await port.close()

    asyncio.run(check())


def test_to_who_is_away_nothing_was_written() -> None:
    async def check() -> None:
        port = port_to("bess_swapped", 1, answer_ms=100)
        for ask in (port.write_setpoint(5_000, 60), port.release(), port.beat(0), port.read(ALL)):
            with pytest.raises(Unreachable):
                await ask

    asyncio.run(check())


def test_a_turn_has_its_own_end() -> None:
    """Nine blocks that each come just in time are a turn that is too long."""

    async def slow(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.08)
        writer.write(asked.done())

    async def check() -> None:
        async with raw_server(slow) as server:
            port = port_to("sunspec_bess", server.port, answer_ms=150, turn_ms=300)
            began = time.monotonic()
            with pytest.raises(WrongAnswer, match="no whole reading within 300 ms"):
                await port.read(ALL)
            assert time.monotonic() - began < 0.45
            assert (await port.read(("normal",))).number == 1
            await port.close()

    asyncio.run(check())


def test_a_register_is_written_as_often_as_it_bears_and_not_once_more(tmp_path: Path) -> None:
    """Over a restart too; a stop and a release are never held back."""
    profile = example("bess_swapped")
    points = tuple(
        msgspec.structs.replace(point, writes_per_day=120) if point.name == "revert_after" else point
        for point in profile.points
    )
    worn = msgspec.structs.replace(profile, points=points)

    async def check() -> None:
        async with raw_server(properly) as server:
            port = port_to(worn, server.port, budget=BudgetFile(tmp_path / "B1.json"))
            for _ in range(30):
                await port.write_setpoint(1_000, 60)
            await port.close()
            assert len(server.asked) == 90
            again = port_to(worn, server.port, budget=BudgetFile(tmp_path / "B1.json"))
            for _ in range(70):
                await again.write_setpoint(1_000, 60)
            assert len(server.asked) == 300
            with pytest.raises(Refused) as refused:
                await again.write_setpoint(1_000, 60)
            assert (refused.value.code, refused.value.place) == ("write_budget_spent", "revert_after")
            assert len(server.asked) == 300
            await again.write_setpoint(0, 60)
            assert len(server.asked) == 303
            assert server.asked[-3:][0].pdu[6:] == bytes(4)
            await again.release()
            assert len(server.asked) == 304
            await again.close()

    asyncio.run(check())


def test_what_cannot_be_written_is_refused_before_anything_is_sent() -> None:
    async def check() -> None:
        async with raw_server(properly) as server:
            port = port_to("bess_swapped", server.port)
            for power_w, revert_s in ((250_001, 60), (1_000, 0), (1_000, 3_601)):
                with pytest.raises(Refused) as refused:
                    await port.write_setpoint(power_w, revert_s)
                assert refused.value.code == "value_range"
            meter = port_to("meter_import_export", server.port)
            for ask in (meter.write_setpoint(0, 60), meter.release()):
                with pytest.raises(Refused) as refused:
                    await ask
                assert refused.value.code == "control_missing"
            await meter.beat(1)
            assert not server.asked

    asyncio.run(check())


def test_devices_on_one_line_share_it_and_others_do_not() -> None:
    async def check() -> None:
        line = ModbusRtu(path="/dev/ttyS9")
        profile = example("bess_single")
        devices = [
            FleetDevice(id=f"B{unit}", profile=profile, address=msgspec.structs.replace(line, unit=unit))
            for unit in (1, 2)
        ]
        away = FleetDevice(id="B3", profile=profile, address=Mqtt(host="broker", topic="b3"))
        made = ports([*devices, away], "run1", now_ms)
        assert [port.device for port in made] == ["B1", "B2"]
        assert made[0]._link is made[1]._link
        with pytest.raises(Refused) as refused:
            ModbusPort(away, "run1", now_ms)
        assert refused.value.code == "device_address"
        with pytest.raises(Unreachable, match="/dev/ttyS9"):
            await made[0].read(ALL)

    asyncio.run(check())
