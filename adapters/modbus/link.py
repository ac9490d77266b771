"""One connection that Modbus requests go over, one at a time: what is answered is checked, and all of it
ends.

pymodbus's client sends and waits, without its retries and its reconnecting; framing.py tells what came.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Protocol, cast

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)
from pymodbus.transaction import TransactionManager

from adapters.cancellation import cancellable
from adapters.driving.fleet_file import ModbusRtu, ModbusTcp, Parity
from adapters.driving.port import Unreachable, WriteRefused, WriteUncertain, WrongAnswer
from adapters.modbus.framing import Answer, StrictRtuFramer, StrictSocketFramer
from dispatch.devices.point import Table
from dispatch.devices.writing import RegisterWrite

# What it would log as an error comes to the caller as an exception.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)

_EXCEPTIONS: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "illegal function",
        2: "illegal data address",
        3: "illegal data value",
        4: "server device failure",
        5: "acknowledge",
        6: "server device busy",
        7: "negative acknowledge",
        8: "memory parity error",
        10: "gateway path unavailable",
        11: "gateway target device failed to respond",
    }
)
"""MODBUS Application Protocol 1.1b3, 7."""
_MAY_BE_DONE: Final = frozenset({4, 5, 8, 11})
"""Exceptions after which a write may have been done all the same: failed in the middle, still at it, or sent
on by a gateway to a device that did not answer."""
_PARITIES: Final[Mapping[Parity, str]] = MappingProxyType({"none": "N", "even": "E", "odd": "O"})
_LINGER: Final = struct.pack("ii", 1, 0)


class _Lost(Exception):
    """The connection ended while an answer was waited for."""


class _NoAnswer(Exception):
    """There is none, or what came is no answer: what it says is why."""


class _Wire(Protocol):
    """Of asyncio's transports, what is needed here."""

    def abort(self) -> None: ...
    def get_extra_info(self, name: str) -> socket.socket | None: ...


class Link:
    """`address`: a host's port or a serial line. It connects when something is asked, and closes after
    whatever is no proper answer: what comes late never answers another question.

    Every request ends within `answer_ms` for the connection and the same for the answer; on a serial line the
    next one after a failure waits as long before.
    """

    def __init__(self, address: ModbusTcp | ModbusRtu) -> None:
        self.address = address
        self._lock = asyncio.Lock()
        self._client: AsyncModbusTcpClient | AsyncModbusSerialClient | None = None
        self._connections = 0
        self._waiting = False
        self._quiet_until = 0.0

    @property
    def connected(self) -> bool:
        return self._client is not None and bool(self._client.connected)

    @property
    def connections(self) -> int:
        """How many there were; the newest one's number."""
        return self._connections

    async def read(self, unit: int, table: Table, address: int, count: int) -> tuple[int, ...]:
        """`count` registers.

        Raises:
            Unreachable: there is no connection. WrongAnswer: none, a foreign one, or an exception, named.
        """
        kind = ReadHoldingRegistersRequest if table == "holding" else ReadInputRegistersRequest
        request = kind(address=address, count=count, dev_id=unit)
        what = f"{table} registers {address} to {address + count - 1}"
        async with self._lock:
            try:
                body = await self._answer(request, what)
                if body[0] & 0x80:
                    raise WrongAnswer(f"{what}: exception {_named(body[1])}")
                if body[1] != 2 * count or len(body) != 2 + 2 * count:
                    raise _NoAnswer(f"{len(body) - 2} bytes, stated as {body[1]}, in place of {2 * count}")
            except _NoAnswer as error:
                self._give_up()
                raise WrongAnswer(f"{what}: {error}") from None
        return struct.unpack_from(f">{count}H", body, 2)

    async def write(self, unit: int, write: RegisterWrite, connection: int | None = None) -> None:
        """One write; on that connection or not at all, where one is named.

        Raises:
            Unreachable: it was not sent. WriteRefused: the device says that it did not do it. WriteUncertain:
            nobody knows; the connection is closed and what of it had not left will not leave any more.
        """
        words = list(write.words)
        request: ModbusPDU
        if write.function == 6:
            request = WriteSingleRegisterRequest(address=write.address, registers=words, dev_id=unit)
            echo = struct.pack(">BHH", 6, write.address, *words)
        else:
            request = WriteMultipleRegistersRequest(address=write.address, registers=words, dev_id=unit)
            echo = struct.pack(">BHH", 16, write.address, len(words))
        async with self._lock:
            if connection is not None and not (self.connected and connection == self._connections):
                raise Unreachable(f"{write.point}: the connection was lost")
            try:
                body = await self._answer(request, write.point)
                if body[0] & 0x80 and body[1] not in _MAY_BE_DONE:
                    raise WriteRefused(f"{write.point}: exception {_named(body[1])}")
                if body[0] & 0x80:
                    raise _NoAnswer(f"exception {_named(body[1])}")
                if body != echo:
                    raise _NoAnswer(f"{body.hex(' ')} in place of {echo.hex(' ')}")
            except _NoAnswer as error:
                self._give_up()
                raise WriteUncertain(f"{write.point}: {error}") from None

    async def close(self) -> None:
        """Whatever is under way ends as though the connection were lost."""
        self._on_lost()
        self._drop()

    async def _answer(self, request: ModbusPDU, what: str) -> bytes:
        """The answer's body, of the function that was asked.

        Raises:
            Unreachable; _NoAnswer: anything else that is not a proper answer.
        """
        client = await self._connected(what)
        self._waiting = True
        try:
            answer = await _exchanged(client.ctx, request, self.address.answer_ms / 1000)
        except _Lost:
            raise _NoAnswer("the connection was lost") from None
        except TimeoutError:
            raise _NoAnswer(f"no answer within {self.address.answer_ms} ms") from None
        except asyncio.CancelledError:
            # Whoever waited gave up: the answer may still come.
            self._give_up()
            raise
        finally:
            self._waiting = False
        assert isinstance(answer, Answer), "the strict framers' own"
        if answer.wrong:
            raise _NoAnswer(answer.wrong)
        body = answer.body
        if body[0] & 0x7F != request.function_code:
            raise _NoAnswer(f"function {body[0]} in place of {request.function_code}")
        if body[0] & 0x80 and len(body) != 2:
            raise _NoAnswer(f"an exception of {len(body)} bytes")
        return body

    async def _connected(self, what: str) -> AsyncModbusTcpClient | AsyncModbusSerialClient:
        if self._client is not None and self._client.connected:
            return self._client
        self._drop()
        await asyncio.sleep(max(self._quiet_until - asyncio.get_running_loop().time(), 0))
        client = self._client = self._made()
        try:
            done = await cancellable(client.connect())
        except asyncio.CancelledError:
            self._drop()
            raise
        if not done:
            self._drop()
            raise Unreachable(f"{what}: no connection to {_shown(self.address)}")
        _send_nothing_after_the_end(client)
        self._connections += 1
        return client

    def _made(self) -> AsyncModbusTcpClient | AsyncModbusSerialClient:
        address, seconds = self.address, self.address.answer_ms / 1000
        client: AsyncModbusTcpClient | AsyncModbusSerialClient
        if isinstance(address, ModbusTcp):
            client = AsyncModbusTcpClient(
                address.host,
                port=address.port,
                timeout=seconds,
                retries=0,
                reconnect_delay=0,
                trace_connect=self._on_connection,
            )
            client.ctx.framer = StrictSocketFramer(DecodePDU(is_server=False))
        else:
            client = AsyncModbusSerialClient(
                address.path,
                baudrate=address.baud,
                parity=_PARITIES[address.parity],
                stopbits=address.stop_bits,
                timeout=seconds,
                retries=0,
                reconnect_delay=0,
                trace_connect=self._on_connection,
            )
            client.ctx.framer = StrictRtuFramer(DecodePDU(is_server=False))
        return client

    def _on_connection(self, made: bool) -> None:  # noqa: FBT001 - as pymodbus calls it
        if not made:
            self._on_lost()

    def _on_lost(self) -> None:
        """pymodbus would wait the whole timeout for an answer that cannot come any more."""
        if self._waiting and self._client is not None and not self._client.ctx.response_future.done():
            self._client.ctx.response_future.set_exception(_Lost())

    def _give_up(self) -> None:
        """Close; and on a serial line, where nothing tells a late answer from the next one's, let it pass."""
        self._drop()
        if isinstance(self.address, ModbusRtu):
            self._quiet_until = asyncio.get_running_loop().time() + self.address.answer_ms / 1000

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        wire = cast("_Wire | None", client.ctx.transport)
        if wire is not None:
            wire.abort()
        client.close()


def _send_nothing_after_the_end(client: AsyncModbusTcpClient | AsyncModbusSerialClient) -> None:
    """However it ends, by a kill too, it ends without goodbye: else what the kernel still holds would be
    delivered when the peer is back."""
    wire = cast("_Wire | None", client.ctx.transport)
    raw = None if wire is None else wire.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):  # The peer was faster.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)


async def _exchanged(transactions: TransactionManager, request: ModbusPDU, seconds: float) -> ModbusPDU:
    """The request is sent, and what came. In place of the client's own execute, in which Python 3.11's
    wait_for loses a cancellation that comes with the answer: its task would go on for ever.

    Raises:
        _Lost, TimeoutError.
    """
    loop = asyncio.get_running_loop()
    request.transaction_id = transactions.getNextTID()
    future: asyncio.Future[ModbusPDU] = loop.create_future()
    transactions.response_future = future
    transactions.pdu_send(request)
    timer = loop.call_later(seconds, _expire, future)
    try:
        return await future
    finally:
        timer.cancel()


def _expire(future: asyncio.Future[ModbusPDU]) -> None:
    """Nothing, where the answer lay in the socket by then: that this machine was busy is not the device's
    fault."""
    if not future.done():
        future.set_exception(TimeoutError())


def _named(code: int) -> str:
    return f"{code} ({_EXCEPTIONS.get(code, 'unknown')})"


def _shown(address: ModbusTcp | ModbusRtu) -> str:
    return f"{address.host}:{address.port}" if isinstance(address, ModbusTcp) else address.path
