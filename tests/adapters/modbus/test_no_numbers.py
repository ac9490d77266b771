"""Registers that hold no number, from a device on a socket: no value, named, and the next one is read."""

from __future__ import annotations

import asyncio
import struct

import pytest

from adapters.driving.port import WrongAnswer
from dispatch.devices.profile_file import parse
from tests.adapters.modbus.raw_server import Asked, raw_server
from tests.adapters.modbus.reached import port_to
from tests.dispatch.devices.profile_samples import PLAIN

WHOLE = '{ name = "w", address = 0, count = 1, type = "int16", scale_point = "w_sf", unit = "W" },\n'
SCALE = '  { name = "w_sf", address = 1, count = 1, type = "sunssf" },\n'
FLOAT = parse(
    PLAIN.replace(WHOLE, '{ name = "w", address = 0, count = 2, type = "float32", unit = "W" },\n')
    .replace(SCALE, "")
    .encode()
)


@pytest.mark.parametrize("bits", [0x7FC0_0000, 0x7FC0_0001, 0xFFC0_0000, 0x7F80_0000, 0xFF80_0000])
def test_a_float_that_is_no_number_is_no_value(bits: int) -> None:
    shown = [bits, struct.unpack(">I", struct.pack(">f", 750.0))[0]]

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        _, address, count = struct.unpack_from(">BHH", asked.pdu)
        registers = [0] * count
        if address == 0:
            registers[0:4] = [shown[0] >> 16, shown[0] & 0xFFFF, 553, 1]
        data = struct.pack(f">{count}H", *registers)
        writer.write(asked.framed(bytes((asked.pdu[0], len(data))) + data))

    async def check() -> None:
        async with raw_server(answer) as server:
            port = port_to(FLOAT, server.port)
            sample = await port.read(port.periods)
            reading = sample.readings["active_power"]
            assert (reading.value, reading.quality) == (None, "bad")
            assert reading.reason
            assert sample.value("soc") == 55_300, "what is beside it is read"
            shown.pop(0)
            assert (await port.read(port.periods)).value("active_power") == 750
            await port.close()

    asyncio.run(check())


def test_a_register_that_the_device_does_not_have_is_named_and_the_port_goes_on() -> None:
    lacks = [True]

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        missing = lacks[0] and struct.unpack_from(">BHH", asked.pdu)[1] == 20
        writer.write(asked.framed(bytes((asked.pdu[0] | 0x80, 2))) if missing else asked.done())

    async def check() -> None:
        async with raw_server(answer) as server:
            port = port_to(FLOAT, server.port)
            with pytest.raises(WrongAnswer, match=r"exception 2 \("):
                await port.read(port.periods)
            lacks[0] = False
            assert (await port.read(port.periods)).value("state") == 3
            await port.close()

    asyncio.run(check())
