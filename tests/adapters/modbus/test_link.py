"""The link against peers that are wrong in every way, byte by byte, and pymodbus's own server."""

from __future__ import annotations

import asyncio
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymodbus.pdu import DecodePDU
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from adapters.driving.fleet_file import ModbusTcp
from adapters.driving.port import Unreachable, WriteRefused, WriteUncertain, WrongAnswer
from adapters.modbus.framing import Answer, StrictRtuFramer, StrictSocketFramer
from adapters.modbus.link import Link
from dispatch.devices.writing import RegisterWrite
from tests.adapters.bess_peer.running_peer import ROOT
from tests.adapters.modbus.raw_server import Asked, properly, raw_server
from tests.adapters.modbus.serial_line import crc_of

ONE = RegisterWrite("setpoint", 6, 100, (7,))
TWO = RegisterWrite("setpoint", 16, 100, (7, 8))


def link_to(port: int, answer_ms: int = 200) -> Link:
    return Link(ModbusTcp(host="127.0.0.1", port=port, answer_ms=answer_ms))


def head(
    asked: Asked, pdu: bytes, *, transaction: int = 0, protocol: int = 0, unit: int = 0, length: int = 0
):
    """The answer with a head that is off by so much."""
    return (
        struct.pack(
            ">HHHB",
            (asked.transaction + transaction) % 65_536,
            protocol,
            len(pdu) + 1 + length,
            asked.unit + unit,
        )
        + pdu
    )


def read_pdu(asked: Asked) -> bytes:
    return asked.done()[7:]


WRONG: dict[str, tuple[Callable[[Asked], bytes], str]] = {
    "transaction_before": (lambda a: head(a, read_pdu(a), transaction=-1), "transaction 0 in place of 1"),
    "transaction_other": (lambda a: head(a, read_pdu(a), transaction=9), "transaction 10 in place of 1"),
    "unit": (lambda a: head(a, read_pdu(a), unit=1), "unit 2 in place of 1"),
    "protocol": (lambda a: head(a, read_pdu(a), protocol=1), "protocol 1 is not Modbus"),
    "function": (lambda a: a.framed(bytes((4,)) + read_pdu(a)[1:]), "function 4 in place of 3"),
    "other_exception": (lambda a: a.framed(bytes((0x84, 2))), "function 132 in place of 3"),
    "long_exception": (lambda a: a.framed(bytes((0x83, 2, 0))), "an exception of 3 bytes"),
    "one_less": (lambda a: a.framed(bytes((3, 6)) + bytes(6)), "6 bytes, stated as 6, in place of 8"),
    "one_more": (lambda a: a.framed(bytes((3, 10)) + bytes(10)), "10 bytes, stated as 10, in place of 8"),
    "odd": (lambda a: a.framed(bytes((3, 7)) + bytes(7)), "7 bytes, stated as 7, in place of 8"),
    "count_lies": (lambda a: a.framed(bytes((3, 9)) + bytes(8)), "8 bytes, stated as 9, in place of 8"),
    "length_lies_less": (lambda a: head(a, read_pdu(a), length=-2), "2 bytes after the answer"),
    "length_none": (lambda a: head(a, b"", length=0), "a length of 1 bytes"),
    "length_vast": (lambda a: head(a, read_pdu(a), length=9000), "a length of 9011 bytes"),
    "twice": (lambda a: a.done() + a.done(), "17 bytes after the answer"),
    "no_modbus": (lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n", "protocol 21584 is not Modbus"),
    "length_lies_more": (lambda a: head(a, read_pdu(a), length=2), "no answer within 200 ms"),
    "half": (lambda a: a.done()[:9], "no answer within 200 ms"),
    "nothing": (lambda _: b"", "no answer within 200 ms"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_answer_is_named_and_the_next_one_is_right(kind: str) -> None:
    answer, told = WRONG[kind]

    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(asked.done() if asked.number % 2 else answer(asked))

    async def check() -> None:
        async with raw_server(behave) as server:
            link = link_to(server.port)
            with pytest.raises(WrongAnswer) as error:
                await link.read(1, "holding", 40, 4)
            assert str(error.value) == f"holding registers 40 to 43: {told}"
            assert not link.connected
            assert await link.read(1, "holding", 40, 4) == (40, 41, 42, 43)
            await link.close()

    asyncio.run(check())


@pytest.mark.parametrize(
    "kind", [kind for kind in WRONG if kind not in ("one_less", "one_more", "odd", "count_lies")]
)
def test_a_write_that_is_not_answered_properly_is_uncertain_and_never_sent_again(kind: str) -> None:
    answer, _ = WRONG[kind]

    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(asked._replace(pdu=bytes((3, 0, 40, 0, 4)))))

    async def check() -> None:
        async with raw_server(behave) as server:
            link = link_to(server.port)
            with pytest.raises(WriteUncertain):
                await link.write(1, ONE)
            assert not link.connected
            await asyncio.sleep(0.02)
            assert [asked.pdu.hex() for asked in server.asked] == ["0600640007"]
            await link.close()

    asyncio.run(check())


@pytest.mark.parametrize(
    "echo",
    [bytes((6, 0, 100, 0, 8)), bytes((6, 0, 101, 0, 7)), bytes((6, 0, 100)), bytes((16, 0, 100, 0, 1))],
)
def test_an_echo_of_another_write_is_uncertain(echo: bytes) -> None:
    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(asked.framed(echo))

    async def check() -> None:
        async with raw_server(behave) as server:
            with pytest.raises(WriteUncertain):
                await link_to(server.port).write(1, ONE)

    asyncio.run(check())


@pytest.mark.parametrize("code", range(1, 13))
def test_exceptions_have_their_names(code: int) -> None:
    """A device that fails in the middle, is still at it, or is behind a gateway may have done what it was
    told."""

    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(asked.framed(bytes((asked.pdu[0] | 0x80, code))))

    async def check() -> None:
        async with raw_server(behave) as server:
            link = link_to(server.port)
            with pytest.raises(WrongAnswer, match=rf"exception {code} \("):
                await link.read(1, "input", 0, 1)
            assert link.connected
            for write in (ONE, TWO):
                expected = WriteUncertain if code in (4, 5, 8, 11) else WriteRefused
                with pytest.raises(expected, match=rf"exception {code} \("):
                    await link.write(1, write)
            await link.close()

    asyncio.run(check())


def test_writes_are_sent_as_they_are_and_taken_when_they_are_echoed() -> None:
    async def check() -> None:
        async with raw_server(properly) as server:
            link = link_to(server.port)
            await link.write(1, ONE)
            await link.write(247, TWO)
            assert await link.read(0, "input", 65_411, 125) == tuple(range(65_411, 65_536))
            await link.close()
        assert [(asked.unit, asked.pdu.hex()) for asked in server.asked] == [
            (1, "0600640007"),
            (247, "100064000204" + "00070008"),
            (0, "04ff83007d"),
        ]

    asyncio.run(check())


def test_one_request_at_a_time() -> None:
    """Twenty are asked at once of a server that answers each after 5 ms and never finds two in its hands."""
    waiting = [0, 0]

    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        waiting[0] += 1
        waiting[1] = max(waiting)
        await asyncio.sleep(0.005)
        waiting[0] -= 1
        writer.write(asked.done())

    async def check() -> None:
        async with raw_server(behave) as server:
            link = link_to(server.port)
            found = await asyncio.gather(*(link.read(1, "holding", at, 2) for at in range(20)))
            assert found == [(at, at + 1) for at in range(20)]
            assert (waiting[1], len(server.endings)) == (1, 0)
            await link.close()

    asyncio.run(check())


async def trickle(asked: Asked, writer: asyncio.StreamWriter) -> None:
    for byte in asked.done():
        writer.write(bytes((byte,)))
        await asyncio.sleep(0.05)


async def fall_silent(_: Asked, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(0)


async def hang_up(_: Asked, writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.mark.parametrize(("behave", "most_s"), [(trickle, 0.35), (fall_silent, 0.35), (hang_up, 0.1)])
def test_a_deadline_holds_and_the_end_of_a_connection_is_seen_at_once(
    behave: Callable[[Asked, asyncio.StreamWriter], Awaitable[None]], most_s: float
) -> None:
    async def check() -> None:
        async with raw_server(behave) as server:
            for ask in (lambda link: link.read(1, "holding", 0, 9), lambda link: link.write(1, ONE)):
                link = link_to(server.port)
                began = time.monotonic()
                with pytest.raises((WrongAnswer, WriteUncertain)):
                    await ask(link)
                assert time.monotonic() - began < most_s

    asyncio.run(check())


def test_giving_up_is_a_reset() -> None:
    """What the kernel had not delivered must not arrive once the device is back: there is nothing to go
    on."""

    async def check() -> None:
        async with raw_server(fall_silent) as server:
            with pytest.raises(WriteUncertain):
                await link_to(server.port, 50).write(1, ONE)
            await asyncio.sleep(0.05)
            assert server.endings == ["ConnectionResetError"]

    asyncio.run(check())


def test_who_gives_up_waiting_leaves_nothing_behind() -> None:
    """A cancelled reading's answer never answers the next one."""

    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if not asked.number:
            await asyncio.sleep(0.1)
        writer.write(asked.done())

    async def check() -> None:
        async with raw_server(behave) as server:
            link = link_to(server.port)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(link.read(1, "holding", 0, 2), 0.03)
            assert not link.connected
            assert await link.read(1, "holding", 50, 2) == (50, 51)
            await link.close()

    asyncio.run(check())


def test_a_cancellation_that_comes_with_the_answer_is_not_lost() -> None:
    """Python 3.11's wait_for returns the answer and forgets that its task was to end."""

    async def check() -> None:
        async with raw_server(fall_silent) as server:
            link = link_to(server.port, 2000)
            reading = asyncio.create_task(link.read(1, "holding", 0, 1))
            await server.first
            assert link._client is not None
            link._client.ctx.response_future.set_result(Answer(1, 1, bytes((3, 2, 0, 0))))
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(reading, 0.5)
            assert not link.connected

    asyncio.run(check())


def test_closing_ends_what_is_waited_for() -> None:
    async def check() -> None:
        async with raw_server(fall_silent) as server:
            link = link_to(server.port, 2000)
            reading = asyncio.create_task(link.read(1, "holding", 0, 2))
            await server.first
            await link.close()
            with pytest.raises(WrongAnswer, match="the connection was lost"):
                await asyncio.wait_for(reading, 0.5)

    asyncio.run(check())


def test_nobody_there_is_unreachable_in_time() -> None:
    """Refused at once; or a listener whose queue is full, so that no connection is ever made."""

    async def check() -> None:
        with socket.socket() as closed, socket.socket() as full:
            closed.bind(("127.0.0.1", 0))
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            queued = [socket.socket() for _ in range(3)]
            for each in queued:
                each.setblocking(False)
                each.connect_ex(full.getsockname())
            for port in (closed.getsockname()[1], full.getsockname()[1]):
                link = link_to(port)
                for ask in (link.read(1, "holding", 0, 2), link.write(1, ONE)):
                    began = time.monotonic()
                    with pytest.raises(Unreachable, match=f"no connection to 127.0.0.1:{port}"):
                        await ask
                    assert time.monotonic() - began < 0.35
            for each in queued:
                each.close()

    asyncio.run(check())


def test_pymodbus_own_server_understands_and_is_understood() -> None:
    """An independent peer: reads of both tables, writes by both functions, what it does not have."""

    async def check() -> None:
        registers = SimData(0, count=200, values=5, datatype=DataType.REGISTERS)
        server = ModbusTcpServer(SimDevice(3, simdata=[registers]), address=("127.0.0.1", 0))
        await server.serve_forever(background=True)
        port = server.transport.sockets[0].getsockname()[1]
        link = link_to(port, 1000)
        await link.write(3, RegisterWrite("one", 6, 10, (65_535,)))
        await link.write(3, RegisterWrite("two", 16, 11, (1, 2, 3)))
        assert await link.read(3, "holding", 9, 6) == (5, 65_535, 1, 2, 3, 5)
        assert await link.read(3, "input", 100, 100) == (5,) * 100
        with pytest.raises(WrongAnswer, match="exception 2 "):
            await link.read(3, "holding", 190, 20)
        await link.close()
        await server.shutdown()

    asyncio.run(check())


GOOD = (
    struct.pack(">HHHB", 7, 0, 7, 1) + bytes((3, 4, 0, 1, 0, 2)),
    bytes((1, 3, 4, 0, 1, 0, 2, 0x2A, 0x32)),
)


@given(
    which=st.integers(0, 1),
    changed=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 255)), max_size=3),
    cut=st.integers(0, 13),
    after=st.binary(max_size=3),
)
@settings(derandomize=True, max_examples=200)
def test_of_bytes_that_are_nearly_the_answer_only_the_answer_is_taken(
    which: int, changed: list[tuple[int, int]], cut: int, after: bytes
) -> None:
    """Nothing is raised into the event loop either. A serial frame is taken with its checksum only; over TCP
    the function and what it holds are the link's to check."""
    framer = (StrictSocketFramer, StrictRtuFramer)[which](DecodePDU(is_server=False))
    data = bytearray(GOOD[which])
    for at, byte in changed:
        if at < len(data):
            data[at] = byte
    sent = bytes(data[:cut]) + after
    used, found = framer.handleFrame(sent, 1, 7)
    if found is None:
        assert used == 0
        return
    assert isinstance(found, Answer)
    assert used == len(sent)
    assert (found.dev_id, found.transaction_id) == (1, 7), "pymodbus hands it on at once"
    if not found.wrong:
        assert sent == (sent[:7] if which == 0 else sent[:1]) + found.body + (
            b"" if which == 0 else sent[-2:]
        )
        if which == 0:
            assert sent[:7] == struct.pack(">HHHB", 7, 0, len(found.body) + 1, 1)
        else:
            assert sent[0] == 1
            assert sent[-2:] == crc_of(sent[:-2])


def test_the_answer_itself_is_taken() -> None:
    for which, kind in enumerate((StrictSocketFramer, StrictRtuFramer)):
        framer = kind(DecodePDU(is_server=False))
        data = GOOD[which]
        if which:
            assert data[-2:] == crc_of(data[:-2])
        for end in range(len(data)):
            assert framer.handleFrame(data[:end], 1, 7) == (0, None)
        used, found = framer.handleFrame(data, 1, 7)
        assert used == len(data)
        assert isinstance(found, Answer)
        assert (found.wrong, found.body.hex()) == ("", "030400010002")


KILLED = """
import asyncio, sys
from adapters.driving.fleet_file import ModbusTcp
from adapters.modbus.link import Link
from dispatch.devices.writing import RegisterWrite
link = Link(ModbusTcp(host="127.0.0.1", port=int(sys.argv[1]), answer_ms=1_000))
asyncio.run(link.write(1, RegisterWrite("setpoint", 6, 100, (7,))))
"""


def test_what_a_killed_process_had_not_sent_is_not_sent_after_it() -> None:
    """Its connection ends with a reset: an orderly end would deliver what the kernel still holds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = [sys.executable, "-c", KILLED, str(server.getsockname()[1])]
        process = subprocess.Popen(command, cwd=ROOT)
        try:
            server.settimeout(20)
            connection, _ = server.accept()
            connection.settimeout(20)
            with connection:
                assert connection.recv(100)
                process.kill()
                with pytest.raises(ConnectionResetError):
                    connection.recv(100)
        finally:
            process.kill()
            process.wait(10)
