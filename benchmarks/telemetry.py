"""Telemetry from a sample that was read to its acknowledgement: `python -m benchmarks.telemetry
[--quick]`."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

from adapters.nats import telemetry_stream
from adapters.nats.client import NatsClient
from adapters.telemetry.forwarding import Forwarder
from adapters.telemetry.frame import Carried, Passed
from adapters.telemetry.history import History
from adapters.telemetry.outbox import Outbox
from benchmarks import fast_channel
from benchmarks.figure import Figure
from benchmarks.rig import Rig
from dispatch.devices.quality import Reading
from dispatch.devices.role import Role
from dispatch.telemetry.sample import Sample

_DEVICES: Final = 500
_P99_MS: Final = 100.0
_BOOK: Final = "bench-telemetry"
_RESTARTER: Final = ThreadPoolExecutor(1)
"""A server ends with the thread that started it: this one lasts as long as whatever is measured next."""
_ROLES: Final[tuple[Role, ...]] = (
    "active_power", "setpoint", "enable", "revert_remaining", "soc", "state", "alarm", "device_heartbeat",
    "temperature", "grid_frequency", "grid_voltage", "meter_power", "meter_import_wh", "meter_export_wh",
)  # fmt: skip


def measure(rig: Rig, *, quick: bool) -> list[Figure]:
    """500 devices at 1 Hz, the same with NATS killed and started in between, how fast a backlog goes, and the
    fast channel."""
    return asyncio.run(_measure(rig, quick=quick))


async def _measure(rig: Rig, *, quick: bool) -> list[Figure]:
    operator = rig.nats.operator()
    telemetry_stream.create(operator, _BOOK, max_bytes=8 << 30)
    operator.close()
    client = rig.nats.app("telemetry")
    outbox = Outbox(rig.folder / "outbox", 1 << 30)
    scene = _Scene(rig, outbox, client)
    try:
        calm, _ = await scene.play(5 if quick else 20, killed=False)
        lost = await scene.play(5 if quick else 20, killed=True)
        rate = await scene.backlog(10_000 if quick else 50_000)
        history = History(client, _BOOK)
        for number in (0, _DEVICES - 1):
            items = await asyncio.to_thread(lambda: list(history.items(_name(number))))  # noqa: B023
            assert [one.number for one in items if isinstance(one, Sample)] == list(
                range(1, scene.numbers[number] + 1)
            )
        fast = await fast_channel.measure(client, _BOOK, rig.folder / "fast", quick=quick)
    finally:
        outbox.close()
        client.close()
    what = "500 devices at 1 Hz, from read to acknowledged"
    return [
        Figure(f"{what}, p50", statistics.median(calm), None, "", "ms", statistics.median(calm), None),
        _limit(f"{what}, p99", _p99(calm)),
        Figure(f"{what}, longest put", scene.longest_put_ms, None, "", "ms", scene.longest_put_ms, None),
        _limit("the same over a restart of NATS, p99 once it answers, nothing lost", _p99(lost[1])),
        Figure("that restart: longest wait of a sample", max(lost[0]), None, "", "ms", max(lost[0]), None),
        Figure("a backlog, samples forwarded", rate, _DEVICES, "limit", "1/s", rate / _DEVICES, 1.0),
        *fast,
    ]


class _Scene:
    def __init__(self, rig: Rig, outbox: Outbox, client: NatsClient) -> None:
        self.rig = rig
        self.outbox = outbox
        self.forwarder = Forwarder(outbox, client, _BOOK, self.acknowledged)
        self.numbers = [0] * _DEVICES
        self.longest_put_ms = 0.0
        self._put: dict[tuple[str, int], float] = {}
        self._took: list[tuple[float, float]] = []
        self._all = asyncio.Event()

    def acknowledged(self, items: Sequence[Passed]) -> None:
        now = time.perf_counter()
        for item in items:
            if isinstance(item, Carried):
                put = self._put.pop((item.device, item.number))
                self._took.append((put, (now - put) * 1000))
        if not self._put:
            self._all.set()

    def put(self, number: int) -> None:
        self.numbers[number] += 1
        name = _name(number)
        at_ms = int(time.time() * 1000)
        sample = Sample(
            device=name,
            run="bench",
            number=self.numbers[number],
            at_ms=at_ms,
            readings={role: Reading(12_345, "good", None, 12_345, at_ms) for role in _ROLES},
        )
        began = self._put[name, sample.number] = time.perf_counter()
        self._all.clear()
        assert self.outbox.put(sample)
        self.longest_put_ms = max(self.longest_put_ms, (time.perf_counter() - began) * 1000)

    async def play(self, seconds: int, *, killed: bool) -> tuple[list[float], list[float]]:
        """What each sample took, and each of those that were put once NATS answered again.

        With `killed` NATS is killed and started at a third of the time.
        """
        self._took.clear()
        running = asyncio.create_task(self.forwarder.run())
        total = seconds * _DEVICES
        began = time.perf_counter()
        restarting: asyncio.Future[float] | None = None
        for number in range(total):
            left = began + number / _DEVICES - time.perf_counter()
            if left > 0:
                await asyncio.sleep(left)
            self.put(number % _DEVICES)
            if killed and number == total // 3:
                restarting = asyncio.get_running_loop().run_in_executor(_RESTARTER, self._restart)
        back = await restarting if restarting is not None else 0.0
        await self._all.wait()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        assert not self._put, "every sample is acknowledged"
        answers = next((put + took / 1000 for put, took in self._took if put + took / 1000 > back), back)
        return [took for _, took in self._took], [took for put, took in self._took if put > answers]

    def _restart(self) -> float:
        """When it was done."""
        self.rig.nats.child.kill()
        self.rig.nats.start()
        return time.perf_counter()

    async def backlog(self, count: int) -> float:
        """Samples a second that are sent once NATS is there again."""
        for number in range(count):
            self.put(number % _DEVICES)
        began = time.perf_counter()
        while await self.forwarder.turn():
            pass
        return count / (time.perf_counter() - began)


def _name(number: int) -> str:
    return f"B{number}"


def _p99(took: Sequence[float]) -> float:
    return sorted(took)[int(0.99 * len(took))]


def _limit(what: str, ours: float) -> Figure:
    return Figure(what, ours, _P99_MS, "limit", "ms", _P99_MS / ours, 1.0)


def main() -> None:
    """Measure and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="5 s instead of 20")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(Path(folder))
        try:
            for figure in measure(rig, quick=quick):
                limit = "" if figure.peer is None else f" (limit {figure.peer:g}) {figure.met}"
                print(f"{figure.what}: {figure.ours:.2f} {figure.unit}{limit}")
        finally:
            rig.close()


if __name__ == "__main__":
    main()
