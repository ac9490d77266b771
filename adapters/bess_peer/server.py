"""Storages behind sockets: one port each, or one port for all, by unit ids."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, cast

from adapters.bess_peer.fault import BlackHole, Foreign, Late, Reset, Short, Stall, TransactionZero
from adapters.bess_peer.frame import READ_HOLDING, READ_INPUT, UNIT_AWAY, Frame, NotModbus, exception, taken
from adapters.bess_peer.storage import Storage

Clock = Callable[[], int]
"""Milliseconds since 1970."""
_STALL_POLL_S: Final = 0.02


class Served(NamedTuple):
    """A storage and the unit id that it knows itself by."""

    storage: Storage
    unit: int


class Connection(asyncio.Protocol):
    """One client: requests are answered in their order, all that came together in one go."""

    def __init__(self, units: Mapping[int, Served], clock: Clock) -> None:
        self._units = units
        self._clock = clock
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._held: deque[Frame] = deque()
        self._last_transaction = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass.

    def connection_lost(self, _: Exception | None) -> None:
        self._transport = None
        self._held.clear()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._transport is not None:
            try:
                frame = taken(self._buffer)
            except NotModbus:
                self._transport.close()
                return
            if frame is None:
                return
            self._answer(frame)

    def _answer(self, frame: Frame) -> None:
        served = self._units.get(frame.unit)
        if served is None:
            self._send(Frame(frame.transaction, frame.unit, exception(frame.pdu[0], UNIT_AWAY)))
            return
        now = self._clock()
        storage = served.storage
        if served.unit != storage.profile.unit_id:
            # What is wrong is the storage's; the meters beside it answer.
            answer = Frame(frame.transaction, frame.unit, storage.answer(served.unit, frame.pdu, now))
            self._send(answer)
            return
        if self._held or storage.faults.find(Stall, now) is not None:
            if not self._held:
                asyncio.get_running_loop().call_later(_STALL_POLL_S, self._go_on, storage)
            self._held.append(frame)
            return
        if storage.faults.take(BlackHole, now) is not None:
            return
        answer = Frame(frame.transaction, frame.unit, storage.answer(served.unit, frame.pdu, now))
        if storage.faults:
            self._send_wrongly(answer, storage, now)
        else:
            self._send(answer)
        self._last_transaction = frame.transaction

    def _go_on(self, storage: Storage) -> None:
        """After a stall: whatever was asked meanwhile is answered now."""
        if storage.faults.find(Stall, self._clock()) is not None:
            asyncio.get_running_loop().call_later(_STALL_POLL_S, self._go_on, storage)
            return
        held, self._held = self._held, deque()
        for frame in held:
            self._answer(frame)

    def _send_wrongly(self, answer: Frame, storage: Storage, now: int) -> None:
        faults = storage.faults
        if faults.take(Reset, now) is not None:
            self._reset()
            return
        function = answer.pdu[0]
        if function in (READ_HOLDING, READ_INPUT) and faults.take(Short, now) is not None:
            answer = answer._replace(pdu=bytes((function, answer.pdu[1] - 2)) + answer.pdu[2:-2])
        foreign = faults.take(Foreign, now)
        if foreign is not None:
            answer = self._foreign(answer, foreign)
        if faults.take(TransactionZero, now) is not None:
            answer = answer._replace(transaction=0)
        late = faults.take(Late, now)
        if late is None:
            self._send(answer)
        else:
            asyncio.get_running_loop().call_later(late.delay_ms / 1000, self._send, answer)

    def _foreign(self, answer: Frame, fault: Foreign) -> Frame:
        match fault.of:
            case "unit":
                return answer._replace(unit=(answer.unit + 1) % 256)
            case "transaction":
                return answer._replace(transaction=(answer.transaction - 1) % 65_536)
            case "function":
                other = READ_INPUT if answer.pdu[0] == READ_HOLDING else READ_HOLDING
                return answer._replace(pdu=bytes((other,)) + answer.pdu[1:])

    def _reset(self) -> None:
        """Closed without goodbye: the client sees a reset."""
        assert self._transport is not None
        raw = self._transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def _send(self, answer: Frame) -> None:
        if self._transport is not None:
            self._transport.write(answer.packed())


async def listen(
    storages: Sequence[Storage], host: str, port: int, clock: Clock, *, one_port: bool
) -> list[asyncio.Server]:
    """A server a storage, at `port`, port + 1 ..., with its own unit ids; or one for all, as units 1, 2 ...

    Port 0 takes free ones.
    """
    loop = asyncio.get_running_loop()
    if one_port:
        units = {number: Served(each, each.profile.unit_id) for number, each in enumerate(storages, 1)}
        return [await loop.create_server(lambda: Connection(units, clock), host, port)]
    servers = []
    for number, storage in enumerate(storages):
        own = {unit: Served(storage, unit) for unit in storage.units}
        chosen = port + number if port else 0
        servers.append(await loop.create_server(lambda own=own: Connection(own, clock), host, chosen))  # type: ignore[misc]
    return servers


def port_of(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])
