"""A driver's reading side as a process of its own: `python -m benchmarks.polling`, told by its parent.

Each device has its poller; each sample goes to the outbox, and from there to the book's telemetry. It answers
a line when all devices were read, measures for as long as it is told, sends what is left and answers the
rest.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from adapters.driving.fleet_file import FleetDevice, ModbusTcp
from adapters.driving.poller import Poller
from adapters.loaded import keep_what_is_loaded
from adapters.modbus.port import ports
from adapters.nats.client import NatsClient
from adapters.telemetry.forwarding import Forwarder
from adapters.telemetry.frame import Carried, Passed
from adapters.telemetry.outbox import Outbox
from dispatch.devices.profile_file import parse
from dispatch.telemetry.sample import Sample

RUN: Final = "bench"
_OUTBOX_BYTES: Final = 1 << 30
_SPREAD_S: Final = 60
_PART: Final = 0.99
_GIVE_UP_S: Final = 120.0


class Polled(msgspec.Struct, frozen=True, kw_only=True):
    """Devices of one profile: their ids begin with `prefix`."""

    prefix: str
    profile: str
    ports: list[int]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What the process is to do; paths are text."""

    nats: str
    seed: str
    book: str
    folder: str
    groups: list[Polled]
    seconds: float


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """Times in milliseconds, shares in percent of a core. `waited`: for a core, of all threads."""

    turns: int
    lost: int
    late_p50: float
    late_p99: float
    acknowledged_p50: float
    acknowledged_p99: float
    core: float
    waited: float
    put: int
    acknowledged: int
    last: dict[str, int]
    """The last sample's number of each group's first device."""


class _Poll:
    def __init__(self, told: Told) -> None:
        self.outbox = Outbox(Path(told.folder), _OUTBOX_BYTES)
        self.client = NatsClient(told.nats, seed_file=Path(told.seed), name="bench-polling")
        self.forwarder = Forwarder(self.outbox, self.client, told.book, self.acknowledged)
        self.late: list[float] = []
        self.took: list[float] = []
        self.lost = 0
        self.put = 0
        self.kept = 0
        self.numbers: dict[str, int] = {}
        self._since = 0.0
        self._put_at: dict[tuple[str, int], float] = {}
        self.pollers: list[Poller] = []
        devices = [
            (f"{group.prefix}{number}", group.profile, port)
            for group in told.groups
            for number, port in enumerate(group.ports)
        ]
        profiles = {group.profile: parse(Path(group.profile).read_bytes()) for group in told.groups}
        found = []
        for name, profile, port in devices:
            address = ModbusTcp(host="127.0.0.1", port=port)
            found.append(FleetDevice(id=name, profile=profiles[profile], address=address))
        for number, link in enumerate(ports(found, RUN, lambda: time.time_ns() // 1_000_000)):
            phase_s = number * _SPREAD_S / len(devices)
            self.pollers.append(Poller(link, partial(self.seen, number), phase_s))

    def seen(self, number: int, sample: Sample) -> None:
        self.late.append(self.pollers[number].late_s * 1000)
        self.lost += bool(sample.lost)
        self.numbers[sample.device] = sample.number
        self._put_at[sample.device, sample.number] = time.perf_counter()
        assert self.outbox.put(sample), self.outbox.failure
        self.put += 1

    def acknowledged(self, items: Sequence[Passed]) -> None:
        now = time.perf_counter()
        for item in items:
            assert isinstance(item, Carried)
            self.kept += 1
            put_at = self._put_at.pop((item.device, item.number))
            if put_at >= self._since:
                self.took.append((now - put_at) * 1000)

    def forget(self) -> None:
        """What is measured begins now."""
        self._since = time.perf_counter()
        self.late.clear()
        self.took.clear()
        self.lost = 0

    @property
    def waiting(self) -> int:
        """Samples that were put and are not acknowledged."""
        return len(self._put_at)

    @property
    def all_read(self) -> bool:
        return len(self.numbers) == len(self.pollers)


async def _run(told: Told) -> None:
    poll = _Poll(told)
    keep_what_is_loaded()
    tasks = [asyncio.create_task(poller.run()) for poller in poll.pollers]
    sending = asyncio.create_task(poll.forwarder.run())
    await _until(lambda: poll.all_read and poll.waiting <= len(poll.pollers) // 5)
    print("{}", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    poll.forget()
    cpu, wall, waited = time.process_time(), time.monotonic(), _waited_s()
    await asyncio.sleep(told.seconds)
    wall = time.monotonic() - wall
    core, waited = 100 * (time.process_time() - cpu) / wall, 100 * (_waited_s() - waited) / wall
    late, lost = sorted(poll.late), poll.lost
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await _until(lambda: not poll.waiting)
    sending.cancel()
    with suppress(asyncio.CancelledError):
        await sending
    took = sorted(poll.took)
    measured = Measured(
        turns=len(late),
        lost=lost,
        late_p50=_part(late, 0.5),
        late_p99=_part(late, _PART),
        acknowledged_p50=_part(took, 0.5),
        acknowledged_p99=_part(took, _PART),
        core=core,
        waited=waited,
        put=poll.put,
        acknowledged=poll.kept,
        last={group.prefix: poll.numbers[f"{group.prefix}0"] for group in told.groups},
    )
    print(msgspec.json.encode(measured).decode(), flush=True)
    poll.outbox.close()
    poll.client.close()


async def _until(what: Callable[[], bool]) -> None:
    give_up = time.monotonic() + _GIVE_UP_S
    while not what():
        assert time.monotonic() < give_up, "it does not come"
        await asyncio.sleep(0.01)


def _waited_s() -> float:
    """How long this process's threads could have run and had no core (Linux)."""
    found = 0
    for thread in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # It ended meanwhile.
            found += int((thread / "schedstat").read_text().split()[1])
    return found / 1e9


def _part(ordered: list[float], part: float) -> float:
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)]


if __name__ == "__main__":
    uvloop.run(_run(msgspec.json.decode(sys.stdin.readline(), type=Told)))
