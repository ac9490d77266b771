"""Modbus RTU over a pair of pseudo-terminals: two units on one line, and everything that a line does to
frames."""

from __future__ import annotations

import asyncio
import os
import time
import tty
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

from adapters.bess_peer.storage import Storage
from adapters.driving.fleet_file import FleetDevice, ModbusRtu
from adapters.driving.port import Unreachable, WriteUncertain, WrongAnswer
from adapters.modbus.link import Link
from adapters.modbus.port import ModbusPort, ports
from dispatch.devices.writing import RegisterWrite
from tests.adapters.modbus.reached import ALL, now_ms
from tests.adapters.modbus.serial_line import crc_of, serial_line
from tests.dispatch.devices.profile_samples import example

SINGLE = example("bess_single")


def storage(unit: int) -> Storage:
    return Storage(msgspec.structs.replace(SINGLE, unit_id=unit), None, now_ms())


def device(path: str, unit: int) -> FleetDevice:
    address = ModbusRtu(path=path, unit=unit, baud=115_200, answer_ms=200, turn_ms=1000)
    return FleetDevice(id=f"B{unit}", profile=SINGLE, address=address)


def test_two_units_on_one_line_are_driven() -> None:
    async def check() -> None:
        storages = {unit: storage(unit) for unit in (1, 2)}
        async with serial_line(storages) as line:
            one, two = ports([device(line.path, unit) for unit in (1, 2)], "run1", now_ms)
            samples = await asyncio.gather(one.read(ALL), two.read(ALL))
            assert [sample.value("soc") for sample in samples] == [50_000, 50_000]
            await asyncio.gather(one.write_setpoint(10_000, 60), two.write_setpoint(-5_000, 60))
            assert [storages[unit].setpoint_w for unit in (1, 2)] == [10_000, -5_000]
            await one.beat(0)
            assert (storages[1].beats, storages[2].beats) == (1, 0)
            assert (await two.read(("normal",))).value("setpoint") == -10_000
            await one.close()
            assert len(line.requests) == 8

    asyncio.run(check())


DISTORTED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "flipped": (lambda f: f[:4] + bytes((f[4] ^ 1,)) + f[5:], "the checksum is wrong"),
    "checksum": (lambda f: f[:-1] + bytes((f[-1] ^ 1,)), "the checksum is wrong"),
    "cut": (lambda f: f[:-3], "no answer within 200 ms"),
    "lost": (lambda _: b"", "no answer within 200 ms"),
    "noise_before": (lambda f: b"\x00" + f, "unit 0 in place of 1"),
    "noise_after": (lambda f: f + b"\x00", "1 bytes after the answer"),
    "unit": (lambda f: b"\x02" + f[1:-2] + crc_of(b"\x02" + f[1:-2]), "unit 2 in place of 1"),
    "function": (lambda f: b"\x01\x04" + f[2:-2] + crc_of(b"\x01\x04" + f[2:-2]), "function 4 in place of 3"),
    "no_function": (lambda f: b"\x01\x17" + f[2:], "function 23"),
    "exception": (lambda _: b"\x01\x83\x04" + crc_of(b"\x01\x83\x04"), "exception 4 (server device failure)"),
    "shorter": (lambda _: b"\x01\x03\x02\x00\x00" + crc_of(b"\x01\x03\x02\x00\x00"), "2 bytes, stated as 2"),
}


@pytest.mark.parametrize("kind", DISTORTED)
def test_what_a_line_does_to_frames_is_named_and_survived(kind: str) -> None:
    distort, told = DISTORTED[kind]

    async def check() -> None:
        async with serial_line({1: storage(1)}) as line:
            port = ModbusPort(device(line.path, 1), "run1", now_ms)
            line.distort = distort
            began = time.monotonic()
            with pytest.raises(WrongAnswer) as error:
                await port.read(("fast",))
            assert told in str(error.value)
            assert time.monotonic() - began < 1.5
            line.distort = lambda frame: frame
            assert (await port.read(("fast",))).value("soc") == 50_000
            line.distort = lambda _: b""
            with pytest.raises(WriteUncertain):
                await port.write_setpoint(1_000, 60)
            await port.close()

    asyncio.run(check())


def test_an_answer_that_comes_late_is_nobody_elses() -> None:
    """Nothing in a frame tells it from the next one's answer: the line is left alone for as long as was
    waited."""

    async def check() -> None:
        async with serial_line({1: storage(1)}) as line:
            link = Link(device(line.path, 1).address)  # type: ignore[arg-type]
            late = b"\x01\x03\x02\x00\x07" + crc_of(b"\x01\x03\x02\x00\x07")
            line.distort = lambda _: b""
            with pytest.raises(WrongAnswer, match="no answer"):
                await link.read(1, "holding", 100, 1)
            line.distort = lambda frame: frame
            asyncio.get_running_loop().call_later(0.02, os.write, line._far, late)
            assert await link.read(1, "holding", 100, 1) == (0,)
            await link.close()

    asyncio.run(check())


def test_a_line_that_is_pulled_out_ends_the_request_and_comes_back(tmp_path: Path) -> None:
    async def check() -> None:
        path = tmp_path / "line"
        far, near = os.openpty()
        path.symlink_to(os.ttyname(near))
        link = Link(ModbusRtu(path=str(path), answer_ms=500))
        reading = asyncio.create_task(link.read(1, "holding", 100, 1))
        await asyncio.sleep(0.05)
        os.close(near)
        os.close(far)
        with pytest.raises(WrongAnswer, match="the connection was lost"):
            await asyncio.wait_for(reading, 0.2)
        with pytest.raises(Unreachable):
            await link.read(1, "holding", 100, 1)
        path.unlink()
        async with serial_line({1: storage(1)}) as line:
            path.symlink_to(line.path)
            assert await link.read(1, "holding", 100, 1) == (0,)
            await link.close()

    asyncio.run(check())


def test_pymodbus_own_serial_server_understands_and_is_understood() -> None:
    """Two pairs, joined: its server opens one end and our link the other."""

    async def check() -> None:
        pairs = [os.openpty(), os.openpty()]
        loop = asyncio.get_running_loop()
        for (far, near), (other, _) in (pairs, pairs[::-1]):
            tty.setraw(near)
            loop.add_reader(far, lambda one=far, two=other: os.write(two, os.read(one, 1024)))
        registers = SimData(0, count=200, values=5, datatype=DataType.REGISTERS)
        server = ModbusSerialServer(
            SimDevice(3, simdata=[registers]), port=os.ttyname(pairs[0][1]), baudrate=115_200
        )
        await server.serve_forever(background=True)
        link = Link(ModbusRtu(path=os.ttyname(pairs[1][1]), baud=115_200, answer_ms=1000))
        await link.write(3, RegisterWrite("one", 6, 10, (65_535,)))
        await link.write(3, RegisterWrite("two", 16, 11, (1, 2, 3)))
        assert await link.read(3, "holding", 9, 6) == (5, 65_535, 1, 2, 3, 5)
        with pytest.raises(WrongAnswer, match="exception 2 "):
            await link.read(3, "input", 190, 20)
        await link.close()
        await server.shutdown()
        for far, near in pairs:
            loop.remove_reader(far)
            os.close(far)
            os.close(near)

    asyncio.run(check())
