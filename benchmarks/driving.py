"""What drives devices: `python -m benchmarks.driving [--quick]`.

Storages in a process of their own, each with a poller and an executor, and the book they record in: a stop of
all of them, and one setpoint from the wish to the verified readback, with its intent and lease on record.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import uvloop

from adapters.awaited_door import AwaitedDoor
from adapters.driving.executor import Executor
from adapters.driving.fleet_file import FleetDevice, ModbusTcp
from adapters.driving.journal import Journal
from adapters.driving.poller import Poller
from adapters.driving.stop_all import stop_all
from adapters.driving.watched_door import WatchedDoor
from adapters.front_door import Wish
from adapters.modbus.port import ModbusPort
from benchmarks.figure import Figure
from benchmarks.rig import FROM, Book, Rig
from dispatch.control.interlock import DeviceLimits
from dispatch.control.setpoint import Setpoint
from dispatch.control.site_load import PowerRange
from dispatch.devices.profile import Profile
from dispatch.devices.profile_file import parse
from dispatch.telemetry.sample import Sample
from ledger.device import Device, RegisterDevice

_PROFILE: Final = Path(__file__).parents[1] / "examples/devices/bess_swapped.toml"
_KW: Final = 1000
_STOP_S: Final = 2.0
_WRITE_MS: Final = 250.0
_LIMITS: Final = DeviceLimits(
    charge_w=250 * _KW,
    discharge_w=250 * _KW,
    soc_floor_millipercent=5_000,
    soc_ceiling_millipercent=95_000,
    import_w=10**9,
    export_w=10**9,
)


def measure(rig: Rig, *, quick: bool) -> list[Figure]:
    """A stop of 500 storages until each is verified, and one's setpoints from the wish to the readback."""
    count, rounds = (50, 20) if quick else (500, 200)
    _allow_files(4 * count + 64)
    book = rig.book()
    try:
        book.register_sites(1, "sh-single-1-10kv")
        for number in range(count):
            device = Device(f"D{number}", "S0", "battery", 250 * _KW, 500 * _KW)
            book.execute_all([Wish(RegisterDevice(FROM, device), f"d{number}")])
        with _peer(_PROFILE, count) as ports, tempfile.TemporaryDirectory() as folder:
            return uvloop.run(_driving(book, ports, Path(folder), rounds))
    finally:
        book.close()


async def _driving(book: Book, ports: Sequence[int], folder: Path, rounds: int) -> list[Figure]:
    door = WatchedDoor(AwaitedDoor(book.door), "bench")
    journal = Journal(folder, "bench-1")
    profile = parse(_PROFILE.read_bytes())
    count = len(ports)
    made = [_device(number, port, profile, door, journal, count) for number, port in enumerate(ports)]
    executors = [executor for executor, _ in made]
    tasks = [asyncio.create_task(part.run()) for pair in made for part in pair]
    await _until(lambda: all(one.ready for one in executors), tasks)
    for one in executors:
        one.want(_setpoint(50 * _KW, 0))
    await _until(lambda: all(_stands(one, 50 * _KW) for one in executors), tasks)
    began = time.perf_counter()
    stopped = await stop_all(executors, "bench", [poller for _, poller in made])
    took_s = time.perf_counter() - began
    assert all(one.verified for one in stopped), [one for one in stopped if not one.verified][:3]
    await _until(lambda: all(not one.untold for one in executors), tasks)
    took_ms = await _rounds(executors[0], rounds, tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await journal.close()
    await door.close()
    p50, p99 = statistics.median(took_ms), sorted(took_ms)[int(len(took_ms) * 0.99) - 1]
    return [
        Figure(f"stop of {count} storages, verified", took_s, _STOP_S, "limit", "s", _STOP_S / took_s, 1.0),
        Figure("wish to verified readback, p50", p50, _WRITE_MS, "limit", "ms", _WRITE_MS / p50, 1.0),
        Figure("wish to verified readback, p99", p99, _WRITE_MS, "limit", "ms", _WRITE_MS / p99, 1.0),
    ]


async def _rounds(executor: Executor, rounds: int, tasks: Sequence[asyncio.Task[None]]) -> list[float]:
    """Rising setpoints, and a lowering one in between: intents, leases and stops in turn."""
    executor.allow()
    took: list[float] = []
    for number in range(rounds):
        power = (number % 10 + 1) * 10 * _KW
        began = time.perf_counter()
        executor.want(_setpoint(power, number))
        await _until(lambda power=power: _stands(executor, power), tasks)  # type: ignore[misc]
        took.append((time.perf_counter() - began) * 1000)
        await _until(lambda: not executor.untold, tasks)
    return took


def _device(
    number: int, port: int, profile: Profile, door: WatchedDoor, journal: Journal, count: int
) -> tuple[Executor, Poller]:
    device = FleetDevice(id=f"D{number}", profile=profile, address=ModbusTcp(host="127.0.0.1", port=port))
    link = ModbusPort(device, "bench-1", lambda: time.time_ns() // 1_000_000)
    made: list[Executor] = []

    def seen(sample: Sample) -> None:
        made[0].site_draws(PowerRange(0, 0), sample.at)
        made[0].seen(sample)

    poller = Poller(link, seen, number / count * 60)
    executor = Executor(link, poller.lock, door, device, _LIMITS, _now, journal, "bench-1")
    executor.commissioned = True
    made.append(executor)
    return executor, poller


def _stands(executor: Executor, power_w: int) -> bool:
    standing = executor.standing
    return standing is not None and standing.confirmed and standing.setpoint.setpoint_w == power_w


def _setpoint(power_w: int, number: int) -> Setpoint:
    ends = _now() + timedelta(minutes=30)
    return Setpoint(setpoint_w=power_w, expires_at=ends, origin="plan", cause=f"plan {number}")


def _now() -> datetime:
    return datetime.now(UTC)


async def _until(what: Callable[[], bool], tasks: Sequence[asyncio.Task[None]], seconds: float = 120) -> None:
    give_up = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < give_up, "it does not come"
        for task in tasks[:2]:
            assert not task.done(), task
        await asyncio.sleep(0.001)


@contextmanager
def _peer(profile: Path, count: int) -> Iterator[list[int]]:
    program = (sys.executable, "-m", "adapters.bess_peer", "--profile", str(profile))
    process = subprocess.Popen(
        [*program, "--count", str(count), "--port", "0", "--control", "0"],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        told: dict[str, Any] = json.loads(process.stdout.readline())
        yield told["ports"]
    finally:
        process.terminate()
        process.wait(timeout=10)


def _allow_files(needed: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(needed, hard), hard))


def main() -> None:
    """Measure and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="50 storages instead of 500")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(Path(folder))
        try:
            for figure in measure(rig, quick=quick):
                print(f"{figure.what}: {figure.ours:.2f} {figure.unit} (limit {figure.peer:g}) {figure.met}")
        finally:
            rig.close()


if __name__ == "__main__":
    main()
