"""A serial line of a pair of pseudo-terminals, with storages at its other end that are asked frame by
frame."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from adapters.bess_peer.storage import Storage
from tests.adapters.modbus.reached import now_ms


def crc_of(data: bytes) -> bytes:
    """MODBUS over Serial Line 1.02, 6.2.2, bit by bit."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc.to_bytes(2, "little")


class Line:
    """`distort`: what becomes of each answer's frame on its way."""

    def __init__(self, storages: dict[int, Storage], path: str, far: int) -> None:
        self.path = path
        self.requests: list[bytes] = []
        self.distort: Callable[[bytes], bytes] = lambda frame: frame
        self._storages = storages
        self._far = far
        self._buffer = b""

    def received(self) -> None:
        self._buffer += os.read(self._far, 1024)
        size = 8
        if len(self._buffer) > 6 and self._buffer[1] == 16:
            size = 9 + self._buffer[6]
        if len(self._buffer) < size:
            return
        frame, self._buffer = self._buffer[:size], self._buffer[size:]
        assert frame[-2:] == crc_of(frame[:-2])
        self.requests.append(frame)
        storage = self._storages.get(frame[0])
        if storage is None:
            return
        told = frame[:1] + storage.answer(frame[0], frame[1:-2], now_ms())
        os.write(self._far, self.distort(told + crc_of(told)))


@asynccontextmanager
async def serial_line(storages: dict[int, Storage]) -> AsyncIterator[Line]:
    far, near = os.openpty()
    tty.setraw(near)
    loop = asyncio.get_running_loop()
    line = Line(storages, os.ttyname(near), far)
    loop.add_reader(far, line.received)
    try:
        yield line
    finally:
        loop.remove_reader(far)
        os.close(far)
        os.close(near)
