"""Devices that are read in their turns: one that falls silent, one beside it, and somebody who writes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from adapters.driving.poller import Poller
from adapters.telemetry.frame import Unkept
from dispatch.telemetry.sample import Sample
from tests.adapters.bess_peer.running_peer import RunningPeer, peer
from tests.adapters.modbus.reached import port_to
from tests.dispatch.devices.profile_samples import example


@pytest.fixture(scope="module")
def storages() -> Iterator[RunningPeer]:
    with peer("bess_swapped", "--count", "2") as running:
        yield running


async def until(condition: object, seconds: float) -> float:
    """How long it took until `condition()`."""
    began = time.monotonic()
    while not condition():  # type: ignore[operator]
        assert time.monotonic() - began < seconds
        await asyncio.sleep(0.01)
    return time.monotonic() - began


def test_a_silent_device_is_told_in_time_and_disturbs_nobody(storages: RunningPeer) -> None:
    """A sample with `lost` within 1 s + the time that an answer is waited for; samples again after 2 s of
    back-off and its turn; the other's come each second all the time, and no number is missing."""
    samples: list[list[Sample]] = [[], []]

    async def check() -> None:
        pollers = [
            Poller(port_to("bess_swapped", number, answer_ms=200), samples[which].append, which / 2)
            for which, number in enumerate(storages.ports)
        ]
        tasks = [asyncio.create_task(poller.run()) for poller in pollers]
        await until(lambda: all(samples), 1.5)
        storages.fault("black_hole")
        assert await until(lambda: samples[0][-1].lost, 2) < 1.5
        storages.clear()
        assert await until(lambda: not samples[0][-1].lost, 4) > 1.9
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for poller in pollers:
            await poller.port.close()

    asyncio.run(check())
    first, second = samples
    assert [sample.number for sample in first] == list(range(1, len(first) + 1))
    assert [bool(sample.lost) for sample in first].count(True) == 1
    lost = next(sample for sample in first if sample.lost)
    assert lost.lost == "input registers 1000 to 1023: no answer within 200 ms"
    assert not lost.readings
    assert not any(sample.lost for sample in second)
    apart = [later.at_ms - before.at_ms for before, later in pairwise(second)]
    assert len(apart) >= 3
    assert all(900 < ms < 1100 for ms in apart)
    assert set(second[0].readings) == set(example("bess_swapped").roles)
    assert "capacity_wh" not in second[1].readings


def test_nothing_is_read_under_the_lock_and_who_hurries_is_read_at_once(
    storages: RunningPeer,
) -> None:
    samples: list[Sample] = []

    async def check() -> None:
        poller = Poller(port_to("bess_swapped", storages.ports[1]), samples.append, 0)
        task = asyncio.create_task(poller.run())
        await until(lambda: samples, 1.5)
        await poller.port.write_setpoint(5_000, 60)
        poller.hurry()
        assert await until(lambda: len(samples) > 1, 0.5) < 0.25
        assert samples[-1].value("setpoint") == 5_000
        async with poller.lock:
            poller.hurry()
            requests = storages.truth(1)["requests"]
            await asyncio.sleep(1.2)
            assert storages.truth(1)["requests"] == requests
            await poller.port.write_setpoint(0, 60)
        await until(lambda: len(samples) > 2, 0.5)
        assert poller.late_s > 0.1
        assert samples[-1].value("setpoint") == 0
        assert not task.done()
        task.cancel()
        await asyncio.wait([task])
        await poller.port.close()

    asyncio.run(check())


def test_nobody_there_is_asked_seldom_even_by_who_hurries() -> None:
    """Refused connections fail at once: each lost sample asks for the next, and yet they are a second
    apart."""
    samples: list[Sample] = []

    async def check() -> None:
        def seen(sample: Sample) -> None:
            samples.append(sample)
            poller.hurry()

        poller = Poller(port_to("bess_swapped", 1), seen, 0)
        task = asyncio.create_task(poller.run())
        await asyncio.sleep(2.2)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(check())
    assert 2 <= len(samples) <= 4
    assert all("no connection to 127.0.0.1:1" in sample.lost for sample in samples)


def test_what_is_no_fault_of_the_device_ends_it() -> None:
    def broken(_: Sample) -> None:
        raise OSError("the disk is full")

    async def check() -> None:
        with pytest.raises(OSError, match="the disk is full"):
            await asyncio.wait_for(Poller(port_to("bess_swapped", 1), broken, 0).run(), 3)

    asyncio.run(check())


def test_a_sample_that_cannot_be_kept_is_a_lost_one_that_says_why(storages: RunningPeer) -> None:
    samples: list[Sample] = []

    def keeps(sample: Sample) -> None:
        if not sample.lost:
            raise Unkept("sample_unkept", "beyond 64 bits", place=sample.device)
        samples.append(sample)

    async def check() -> None:
        poller = Poller(port_to("bess_swapped", storages.ports[0]), keeps, 0)
        task = asyncio.create_task(poller.run())
        await until(lambda: len(samples) > 1, 8)
        assert poller.silent
        assert not task.done()
        task.cancel()
        await asyncio.wait([task])
        await poller.port.close()

    asyncio.run(check())
    assert all(one.lost == f"sample_unkept: {one.device}: beyond 64 bits" for one in samples)
