"""Reading and writing devices: `python -m benchmarks.devices [--quick]`.

500 storages in a process of their own, each read once a second by its own poller in two blocks of 100
registers with 70 values each; then 50 of them fall silent. And one that is written and read back.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvloop

from adapters.driving.fleet_file import FleetDevice, ModbusTcp
from adapters.driving.poller import Poller
from adapters.loaded import keep_what_is_loaded
from adapters.modbus.port import ModbusPort
from benchmarks.figure import Figure
from dispatch.devices.control import Control, Limits, WriteStep
from dispatch.devices.point import Point
from dispatch.devices.profile import Block, Period, Profile
from dispatch.devices.profile_text import profile_text
from dispatch.telemetry.sample import Sample

_BLOCK: Final = 100
_FAST: Final[tuple[Period, ...]] = ("fast",)
_CPU_PERCENT: Final = 25.0
_LATE_MS: Final = 50.0
_WRITE_MS: Final = 250.0
_WAN_S: Final = 2.0
_WAN_MS: Final = 250
_BAD_S: Final = 3.0
_WARM_S: Final = 3.0


def measure(*, quick: bool) -> list[Figure]:
    """What 500 devices take of a core, how late their turns are, and what a silent tenth does to the rest."""
    count, seconds, rounds = (100, 4.0, 100) if quick else (500, 20.0, 1000)
    _allow_files(2 * count + 64)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.toml"
        profile = bench_profile()
        path.write_text(profile_text(profile, "What the benchmark reads."), encoding="utf-8")
        with peer_of(path, count) as (ports, control):
            figures = uvloop.run(_reading(profile, ports, control, seconds))
            figures += uvloop.run(_writing(profile, ports[-1], rounds))
            far = {"kind": "late", "delay_ms": _WAN_MS}
            _ask(control, [{"do": "fault", "storage": count - 1, "fault": far}])
            took = uvloop.run(_written(profile, ports[-1], 1 if quick else 10))
            what = f"write to verified readback where answers take {_WAN_MS} ms: the longest"
            return [*figures, _at_most(what, took[-1] / 1000, _WAN_S, "s")]


async def _reading(profile: Profile, ports: Sequence[int], control: int, seconds: float) -> list[Figure]:
    count = len(ports)
    late_ms: list[list[float]] = [[] for _ in ports]
    lost_at: dict[int, float] = {}
    lost = [0]

    def seen(number: int, sample: Sample) -> None:
        late_ms[number].append(pollers[number].late_s * 1000)
        if sample.lost:
            lost[0] += 1
            lost_at.setdefault(number, time.monotonic())
        else:
            assert len(sample.readings) + len(sample.others) == _VALUES

    pollers = [
        Poller(_port(profile, number, port), partial(seen, number), number / count * 60)
        for number, port in enumerate(ports)
    ]
    keep_what_is_loaded()
    tasks = [asyncio.create_task(poller.run()) for poller in pollers]
    await asyncio.sleep(_WARM_S)
    for each in late_ms:
        each.clear()
    cpu, wall = time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    share = 100 * (time.process_time() - cpu) / (time.monotonic() - wall)
    late = sorted(ms for each in late_ms for ms in each)
    lost_first = lost[0]
    assert late, "somebody answered"
    for each in late_ms:
        each.clear()
    silent = count // 10
    lost_at.clear()
    began = time.monotonic()
    await asyncio.to_thread(_ask, control, [_black_hole(number) for number in range(silent)])
    await asyncio.sleep(max(seconds / 2, _BAD_S + 1))
    others = sorted(ms for each in late_ms[silent:] for ms in each)
    assert set(range(silent)) <= set(lost_at)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=5)
    assert all(task.cancelled() for task in tasks)
    for poller in pollers:
        await poller.port.close()
    longest = max(lost_at[number] for number in range(silent)) - began
    astray = lost_first + sum(number >= silent for number in lost_at)
    what = f"{count} devices, 1 Hz, 2 blocks of {_BLOCK} registers"
    return [
        _at_most(f"{what}: of a core, decoded", share, _CPU_PERCENT, "%"),
        _at_most(f"{what}: lateness p99", _part(late, 0.99), _LATE_MS, "ms"),
        Figure(f"{what}: lateness p50", _part(late, 0.5), None, "", "ms", _part(late, 0.5), None),
        _at_most(
            f"{silent} of {count} black-holed: the others' lateness p99", _part(others, 0.99), _LATE_MS, "ms"
        ),
        Figure("turns answered, one a second", len(late), count * seconds, "all", "turns", len(late), None),
        Figure("turns of others that were not answered in time", astray, None, "", "turns", astray, None),
        _at_most(
            f"{silent} of {count} black-holed: until all of them are known to be lost", longest, _BAD_S, "s"
        ),
    ]


async def _writing(profile: Profile, number: int, rounds: int) -> list[Figure]:
    took = await _written(profile, number, rounds)
    return [
        _at_most("write to verified readback, loopback: p99", _part(took, 0.99), _WRITE_MS, "ms"),
        Figure("the same: p50", _part(took, 0.5), None, "", "ms", _part(took, 0.5), None),
    ]


async def _written(profile: Profile, number: int, rounds: int) -> list[float]:
    """Setpoint, timer and enable, then the block that shows them: milliseconds, ascending."""
    port = _port(profile, 0, number)
    await port.read(_FAST)
    took: list[float] = []
    for turn in range(rounds):
        power_w = 1000 + turn % 90 * 1000
        began = time.perf_counter()
        await port.write_setpoint(power_w, 60)
        sample = await port.read(_FAST)
        took.append((time.perf_counter() - began) * 1000)
        assert sample.value("setpoint") == power_w
    await port.close()
    return sorted(took)


def _port(profile: Profile, number: int, port: int) -> ModbusPort:
    device = FleetDevice(id=f"B{number}", profile=profile, address=ModbusTcp(host="127.0.0.1", port=port))
    return ModbusPort(device, "bench", lambda: time.time_ns() // 1_000_000)


def bench_profile(period: Period = "fast") -> Profile:
    """Two blocks, read in that period; in each ten times two int32, four int16 with a scale, and a uint32."""
    points: list[Point] = []
    for block in (0, _BLOCK):
        for row in range(block, block + _BLOCK, 10):
            written = block > 0 and row == block
            points += [
                _point(row, 2, "int32", "W", written=written),
                _point(row + 2, 2, "int32", "W" if not written else "s", written=written),
                *(
                    _point(row + at, 1, "int16", "V", scale=-1)
                    for at in range(4, 8)
                    if not (written and at == 4)
                ),
                _point(row + 8, 2, "uint32", "Wh"),
            ]
    named = {point.name: point for point in points}
    named["p6"] = Point(name="p6", address=6, count=1, type="int16", scale=-1, unit="%", not_available=())
    named["p7"] = Point(name="p7", address=7, count=1, type="uint16", not_available=())
    named["p104"] = Point(name="p104", address=104, count=1, type="uint16", not_available=(), access="rw")
    ordered = tuple(sorted(named.values(), key=lambda point: point.address))
    assert len(ordered) == _VALUES
    return Profile(
        id="bench",
        vendor="example",
        title="What the benchmark reads",
        kind="bess",
        points=ordered,
        blocks=(
            Block(address=0, count=_BLOCK, period=period),
            Block(address=_BLOCK, count=_BLOCK, period=period),
        ),
        roles={
            "active_power": "p0",
            "soc": "p6",
            "state": "p7",
            "stored_wh": "p8",
            "setpoint": "p100",
            "revert_timer": "p102",
            "enable": "p104",
        },
        states={"1": "standby", "2": "running"},
        limits=Limits(charge_w_max=100_000, discharge_w_max=100_000, ramp_w_per_s=50_000, energy_wh=200_000),
        control=Control(
            functions=(6, 16),
            writes_per_day=30_000,
            steps=(
                WriteStep(point="p100", gives="setpoint"),
                WriteStep(point="p102", gives="revert_timer"),
                WriteStep(point="p104", gives="constant", constant=1),
            ),
            release=(WriteStep(point="p104", gives="constant", constant=0),),
        ),
    )


_VALUES: Final = 140


def _point(address: int, count: int, kind: Any, unit: Any, *, scale: int = 0, written: bool = False) -> Point:
    return Point(
        name=f"p{address}",
        address=address,
        count=count,
        type=kind,
        unit=unit,
        scale=scale,
        not_available=(),
        access="rw" if written else "r",
    )


@contextmanager
def peer_of(profile: Path, count: int) -> Iterator[tuple[list[int], int]]:
    """The storages as a process; their ports, and the control port."""
    program = (sys.executable, "-m", "adapters.bess_peer", "--profile", str(profile))
    process = subprocess.Popen(
        [*program, "--count", str(count), "--port", "0", "--control", "0"],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        yield told["ports"], told["control"]
    finally:
        process.terminate()
        process.wait(timeout=10)


def _black_hole(number: int) -> dict[str, object]:
    return {"do": "fault", "storage": number, "fault": {"kind": "black_hole"}}


def _ask(control: int, lines: list[dict[str, object]]) -> None:
    with socket.create_connection(("127.0.0.1", control), timeout=10) as connection:
        connection.sendall(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        with connection.makefile("rb") as answers:
            for _ in lines:
                assert json.loads(answers.readline()) == {"ok": True}


def _part(ordered: list[float], part: float) -> float:
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)]


def _at_most(what: str, ours: float, most: float, unit: str) -> Figure:
    return Figure(what, ours, most, "limit", unit, most / ours, 1.0)


def _allow_files(needed: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(needed, hard), hard))


def main() -> None:
    """Measure and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 devices, a few seconds")
    for figure in measure(quick=parser.parse_args().quick):
        limit = "" if figure.peer is None else f" (limit {figure.peer:g}) {figure.met}"
        print(f"{figure.what}: {figure.ours:.2f} {figure.unit}{limit}")


if __name__ == "__main__":
    main()
