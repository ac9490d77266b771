"""Devices that are read every 100 ms beside their turns, to the stream: what is reached, and what it takes.

It is measured with `benchmarks.telemetry`.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final

from adapters.driving.fast_channels import FastChannels
from adapters.driving.fleet_file import FleetDevice, ModbusTcp
from adapters.driving.poller import Poller
from adapters.modbus.port import ports
from adapters.nats.client import NatsClient
from adapters.telemetry.forwarding import Forwarder
from adapters.telemetry.outbox import Outbox
from benchmarks.devices import peer_of
from benchmarks.figure import Figure
from dispatch.devices.profile_file import parse
from dispatch.telemetry.sample import Sample

_PROFILE: Final = Path(__file__).parents[1] / "examples" / "devices" / "bess_single.toml"
_DEVICES: Final = 40
_PERIOD_MS: Final = 100.0
_CORE_PERCENT: Final = 25.0
_WARM_S: Final = 2.0


async def measure(client: NatsClient, book: str, folder: Path, *, quick: bool) -> list[Figure]:
    """One device, and as many as a quarter of a core reads."""
    seconds = 5.0 if quick else 30.0
    one, _, _ = await _read(client, book, folder / "one", 1, seconds)
    many, core, late_ms = await _read(client, book, folder / "many", _DEVICES, seconds)
    what = f"{_DEVICES} devices each 100 ms, and at 1 Hz beside it"
    return [
        _shown("fast channel of one device, period p50", _part(one, 0.5), "ms"),
        _shown("the same, p99", _part(one, 0.99), "ms"),
        _at_most(f"{what}: period p50", _part(many, 0.5), _PERIOD_MS * 1.05, "ms"),
        _shown(f"{what}: period p99", _part(many, 0.99), "ms"),
        _at_most(f"{what}: of a core, to the stream", core, _CORE_PERCENT, "%"),
        _shown(f"{what}: lateness of the turns p99", late_ms, "ms"),
    ]


async def _read(
    client: NatsClient, book: str, folder: Path, count: int, seconds: float
) -> tuple[list[float], float, float]:
    """Periods ascending, percent of a core, and how late turns began at the 99th percent."""
    profile = parse(_PROFILE.read_bytes())
    came: dict[str, list[float]] = defaultdict(list)
    late_ms: list[float] = []
    outbox = Outbox(folder, 1 << 28)
    with peer_of(_PROFILE, count) as (numbers, _):
        devices = [
            FleetDevice(
                id=f"F{count}-{at}", profile=profile, address=ModbusTcp(host="127.0.0.1", port=number)
            )
            for at, number in enumerate(numbers)
        ]
        pollers: list[Poller] = []

        def seen(at: int, sample: Sample) -> None:
            late_ms.append(pollers[at].late_s * 1000)
            outbox.put(sample)

        def put(sample: Sample) -> None:
            came[sample.device].append(time.perf_counter() * 1000)
            outbox.put(sample, fast=True)

        def told(about: str, text: str) -> None:
            if text:
                print(f"{about}: {text}")

        for at, port in enumerate(ports(devices, "bench", lambda: time.time_ns() // 1_000_000)):
            pollers.append(Poller(port, partial(seen, at), at / count * 60))
        fast = FastChannels(devices, pollers, put, told)
        async with AsyncExitStack() as closing:
            for poller in pollers:
                closing.push_async_callback(poller.port.close)
            group = await closing.enter_async_context(asyncio.TaskGroup())
            tasks = [group.create_task(work) for work in (*(one.run() for one in pollers), fast.run())]
            tasks.append(group.create_task(Forwarder(outbox, client, book).run()))
            await asyncio.sleep(_WARM_S)
            came.clear()
            late_ms.clear()
            cpu, wall = time.process_time(), time.perf_counter()
            await asyncio.sleep(seconds)
            core = 100 * (time.process_time() - cpu) / (time.perf_counter() - wall)
            for task in tasks:
                task.cancel()
    outbox.close()
    assert len(came) == count, "every device was read"
    periods = sorted(after - before for each in came.values() for before, after in pairwise(each))
    return periods, core, _part(sorted(late_ms), 0.99)


def _part(ordered: Sequence[float], part: float) -> float:
    return ordered[int(part * len(ordered))]


def _shown(what: str, ours: float, unit: str) -> Figure:
    return Figure(what, ours, None, "", unit, ours, None)


def _at_most(what: str, ours: float, limit: float, unit: str) -> Figure:
    return Figure(what, ours, limit, "limit", unit, limit / ours, 1.0)
