"""The fast channels of a fleet: read many times a second beside the pollers' turns, and never in anybody's
way."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from adapters.driving.fleet_file import FleetDevice
from adapters.driving.poller import Poller
from adapters.driving.port import FastPort, Unreachable, WrongAnswer
from adapters.telemetry.frame import Unkept
from dispatch.telemetry.sample import Sample

_JUDGED_S: Final = 10.0
_REACHED_PERCENT: Final = 80
"""Of the readings that are due in `_JUDGED_S`; with fewer the period that was reached is said."""
_TURN_PART: Final = 0.25
"""Of a period: whoever had the device is waited for so long, once."""
_BACK_OFF_S: Final = 2.0
_BACK_OFF_S_MAX: Final = 60.0
"""After the n-th reading in a row without an answer: 2 s x n, and no more than a minute."""


class FastChannels:
    """`tell` is given what a person should know of a device's, "" once it is well again."""

    def __init__(
        self,
        devices: Iterable[FleetDevice],
        pollers: Sequence[Poller],
        put: Callable[[Sample], object],
        tell: Callable[[str, str], None],
    ) -> None:
        of_device = {one.port.device: one for one in pollers}
        self._tell: Final = tell
        self._unread: list[str] = []
        self.readers: list[FastReader] = []
        stated = [one.id for one in devices if one.profile.fast_channel]
        for number, device in enumerate(stated):
            poller = of_device[device]
            port = poller.port
            if isinstance(port, FastPort) and port.fast_ms:
                phase_s = number / len(stated) * port.fast_ms / 1000
                self.readers.append(FastReader(port, poller, put, tell, phase_s))
            else:
                self._unread.append(device)

    async def run(self) -> None:
        """Until it is cancelled."""
        for device in self._unread:
            self._tell(_about(device), "not read: only over Modbus TCP")
        async with asyncio.TaskGroup() as group:
            for reader in self.readers:
                group.create_task(reader.run())


class FastReader:
    """One device's. It takes the poller's lock for one request, and only while nobody else has it: who writes
    or reads in a turn waits at most for the request that is on its way. It is not read while its turns are
    not answered, or are paused for a stop."""

    def __init__(
        self,
        port: FastPort,
        poller: Poller,
        put: Callable[[Sample], object],
        tell: Callable[[str, str], None],
        phase_s: float,
    ) -> None:
        self._port: Final = port
        self._poller: Final = poller
        self._put: Final = put
        self._tell: Final = tell
        self._phase_s: Final = phase_s
        self._every_s: Final = port.fast_ms / 1000
        self._failed = 0
        self._judged_at = 0.0
        self._read = 0

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        self._begin(loop.time())
        due = loop.time()
        while True:
            # A loop's timer may be a hair early: the same instant is not due twice.
            due = self._due_after(max(loop.time(), due + self._every_s / 2))
            await asyncio.sleep(due - loop.time())
            if self._poller.lock.locked():
                await asyncio.sleep(self._every_s * _TURN_PART)
            if self._poller.silent or self._poller.paused:
                self._begin(loop.time())
            elif not self._poller.lock.locked():
                await self._turn()
            self._judge(loop.time())

    def _due_after(self, at: float) -> float:
        """What fell due meanwhile is not made up for."""
        return (math.floor((at - self._phase_s) / self._every_s) + 1) * self._every_s + self._phase_s

    async def _turn(self) -> None:
        try:
            async with self._poller.lock:
                sample = await self._port.read_fast()
            self._put(sample)
        except (Unreachable, WrongAnswer, Unkept) as error:
            self._failed += 1
            self._tell(_about(self._poller.port.device), f"not read: {error}")
            await asyncio.sleep(min(_BACK_OFF_S * self._failed, _BACK_OFF_S_MAX))
            self._begin(asyncio.get_running_loop().time())
        else:
            self._failed = 0
            self._read += 1

    def _begin(self, now: float) -> None:
        """Judge from now on."""
        self._judged_at, self._read = now, 0

    def _judge(self, now: float) -> None:
        """Whether its period was reached."""
        took_s = now - self._judged_at
        if took_s < _JUDGED_S:
            return
        slow = 100 * self._read * self._every_s < _REACHED_PERCENT * took_s
        each = f"each {round(1000 * took_s / max(self._read, 1))} ms in place of {self._port.fast_ms} ms"
        self._tell(_about(self._poller.port.device), each if slow else "")
        self._begin(now)


def _about(device: str) -> str:
    return f"{device}: its fast channel"
