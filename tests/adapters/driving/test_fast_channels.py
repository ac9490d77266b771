"""A device's power ten times a second: shown, and in nobody's way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from adapters.driving import fast_channels
from adapters.driving.fast_channels import FastChannels
from adapters.driving.fleet_file import FleetDevice, ModbusRtu, ModbusTcp
from adapters.driving.poller import Poller
from adapters.modbus.port import ModbusPort
from adapters.telemetry.history import History
from dispatch.telemetry.sample import Sample
from tests.adapters.bess_peer.running_peer import EXAMPLES, RunningPeer, peer
from tests.adapters.cli.terminal import terminal_of
from tests.adapters.driving.driver_book import KW, DriverBook, grid_meter, now
from tests.adapters.driving.test_poller import until
from tests.adapters.modbus.reached import now_ms
from tests.dispatch.devices.profile_samples import example

SINGLE = example("bess_single")
METER = ("--meter", str(EXAMPLES / "meter_import_export.toml"))


@pytest.fixture
def storage() -> Iterator[RunningPeer]:
    with peer("bess_single") as running:
        yield running


class Scene:
    """One device, its turns and its fast channel; what was put and said."""

    def __init__(self, number: int) -> None:
        address = ModbusTcp(host="127.0.0.1", port=number, answer_ms=500)
        self.device = FleetDevice(id="B1", profile=SINGLE, address=address)
        self.turns: list[Sample] = []
        self.put: list[Sample] = []
        self.said: list[str] = []
        self.poller = Poller(ModbusPort(self.device, "run1", now_ms), self.turns.append, 0)
        self.fast = FastChannels(
            [self.device], [self.poller], self.put.append, lambda _, text: self.said.append(text)
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self.poller.run()), asyncio.create_task(self.fast.run())]
        try:
            await until(lambda: self.turns and len(self.put) > 2, 5)
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await self.poller.port.close()


def test_it_is_numbered_by_itself_and_the_turns_are_as_they_were(storage: RunningPeer) -> None:
    scene = Scene(storage.ports[0])

    async def check() -> None:
        async with scene.running():
            await until(lambda: len(scene.turns) >= 4, 10)

    asyncio.run(check())
    assert [one.number for one in scene.put] == list(range(1, len(scene.put) + 1))
    assert [one.number for one in scene.turns] == list(range(1, len(scene.turns) + 1))
    assert {(*one.readings, *one.others) for one in scene.put} == {("active_power",)}
    assert len(scene.put) > 2 * len(scene.turns)
    span_ms = scene.put[-1].at_ms - scene.put[0].at_ms
    assert len(scene.put) <= span_ms // 100 + 3, "no instant is due twice"
    assert all(later.at_ms - before.at_ms > 900 for before, later in pairwise(scene.turns))


def test_it_asks_nothing_while_another_has_the_device_or_its_turns_are_paused(storage: RunningPeer) -> None:
    scene = Scene(storage.ports[0])

    async def check() -> None:
        async with scene.running():
            async with scene.poller.lock:
                before = storage.truth(0)["requests"]
                waiting = asyncio.create_task(scene.poller.lock.acquire())
                await asyncio.sleep(0.5)
                assert storage.truth(0)["requests"] == before
            await waiting
            count = len(scene.put)
            scene.poller.lock.release()
            await until(lambda: len(scene.put) > count, 5)
            scene.poller.pause()
            async with scene.poller.lock:
                count = len(scene.put)
            await asyncio.sleep(0.5)
            assert len(scene.put) == count
            scene.poller.go_on()
            await until(lambda: len(scene.put) > count, 5)

    asyncio.run(check())


def test_the_period_that_is_reached_is_said_where_a_device_is_too_slow(
    storage: RunningPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast_channels, "_JUDGED_S", 1.0)
    scene = Scene(storage.ports[0])

    async def check() -> None:
        async with scene.running():
            storage.fault("late", delay_ms=150)
            await until(lambda: any("in place of 100 ms" in text for text in scene.said), 10)
            storage.clear()
            scene.said.clear()
            await until(lambda: "" in scene.said, 20)

    asyncio.run(check())


def test_one_that_does_not_answer_is_left_in_peace_and_read_again(storage: RunningPeer) -> None:
    scene = Scene(storage.ports[0])

    async def check() -> None:
        async with scene.running():
            storage.fault("black_hole")
            await until(lambda: scene.turns[-1].lost, 10)
            count = len(scene.put)
            await asyncio.sleep(0.5)
            assert len(scene.put) == count
            storage.clear()
            await until(lambda: len(scene.put) > count, 20)
            assert not scene.turns[-1].lost

    asyncio.run(check())


def test_a_serial_line_has_none_and_that_is_said() -> None:
    said: list[str] = []
    read: list[Sample] = []
    device = FleetDevice(id="B1", profile=SINGLE, address=ModbusRtu(path="/dev/none"))
    poller = Poller(ModbusPort(device, "run1", now_ms), read.append, 0)
    fast = FastChannels([device], [poller], read.append, lambda about, text: said.append(f"{about}: {text}"))
    asyncio.run(fast.run())
    assert said == ["B1: its fast channel: not read: only over Modbus TCP"]


def test_a_driver_sends_it_and_the_terminal_shows_it(
    book: DriverBook, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    since = now()

    def samples(history: History) -> list[Sample]:
        return [one for one in history.items("a", since) if isinstance(one, Sample)]

    async def driven() -> None:
        with peer("bess_single", *METER) as running:
            address = ModbusTcp(host="127.0.0.1", port=running.ports[0])
            a = FleetDevice(id="a", profile=SINGLE, address=address)
            book.furnish((a,))
            book.plan(50 * KW, 50 * KW)
            fast = History(book.stack.client, book.bench.book, "fast")

            async with book.driving(a, grid_meter(running.ports[0])):
                while len(await asyncio.to_thread(samples, fast)) < 30:  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
        items = samples(fast)
        assert [one.number for one in items] == list(range(1, len(items) + 1))
        turns = samples(History(book.stack.client, book.bench.book))
        assert turns
        assert all(set(one.readings) != {"active_power"} for one in turns), "none of them is a turn's"

    asyncio.run(asyncio.wait_for(driven(), 60))
    text = terminal_of(book.bench, capsys)(
        "telemetry", "a", "--fast", "--from", since.isoformat(), "--to", now().isoformat()
    )
    assert text.endswith("20 samples, and older ones\n")
    assert "active_power" in text
