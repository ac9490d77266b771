"""One device, from the wish to the meter: every test drives a real peer and records in a real stream."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from dispatch.control.command_life import Status
from dispatch.control.lease import TOKENS_A_DAY
from tests.adapters.bess_peer.running_peer import RunningPeer, peer
from tests.adapters.conftest import Bench
from tests.adapters.driving.driven import (
    KW,
    Journals,
    Store,
    driving,
    fleet_device,
    setpoint,
    stands,
)


@pytest.fixture(scope="module")
def bess() -> Iterator[RunningPeer]:
    with peer("bess_swapped", "--count", "20") as running:
        yield running


def test_a_setpoint_from_the_wish_to_the_meter(
    store: Store, bess: RunningPeer, tmp_path: Path, journals: Journals
) -> None:
    async def drive() -> None:
        journal = journals(tmp_path, "run-1")
        async with driving(store, fleet_device("a", bess.ports[0]), journal, "run-1") as driven:
            executor = driven.executor
            executor.want(setpoint(100 * KW))
            await driven.until(lambda: stands(executor, 100 * KW))
            await driven.until(lambda: bool(executor.standing and executor.standing.seen))
            assert bess.truth(0)["target_w"] == 100 * KW
            executor.want(setpoint(40 * KW))
            await driven.until(lambda: stands(executor, 40 * KW))
            await driven.until(lambda: bool(executor.standing and executor.standing.seen))
            await driven.until(lambda: not executor.untold)
            stopped = await executor.stop("smoke")
            assert stopped.verified
            await driven.until(lambda: not executor.untold)
        told = await store.told("a")
        found: list[tuple[int, Status, int | None]] = [
            (one.setpoint.setpoint_w, one.status, one.found_w) for one in told
        ]
        assert found == [
            (100 * KW, "seen", 100 * KW),
            (40 * KW, "seen", 40 * KW),
            (0, "read_back", 0),
        ]
        assert [one.raised_unrecorded for one in told] == [False] * 3
        assert [one.token % TOKENS_A_DAY for one in told] == [1, 0, 0]
        assert bess.truth(0)["target_w"] == 0

    asyncio.run(drive())


def test_a_write_that_was_not_answered_is_read_and_never_sent_again(
    store: Store, bess: RunningPeer, tmp_path: Path, journals: Journals
) -> None:
    async def drive() -> None:
        journal = journals(tmp_path, "run-1")
        device = fleet_device("a", bess.ports[1])
        async with driving(store, device, journal, "run-1", polled=False) as driven:
            before = bess.truth(1)["writes"]
            # The first request of the write: it is done, and answered by a reset.
            bess.ask(do="fault", storage=1, fault={"kind": "reset", "times": 1})
            driven.executor.want(setpoint(70 * KW))
            await driven.until(lambda: stands(driven.executor, 70 * KW))
            await driven.until(lambda: not driven.executor.untold)
            assert bess.truth(1)["target_w"] == 70 * KW
            assert bess.truth(1)["writes"] - before < 8
        told = await store.told("a")
        assert [one.setpoint.setpoint_w for one in told if one.status == "read_back"] == [70 * KW]
        assert {one.status for one in told} <= {"read_back", "superseded", "overridden"}

    asyncio.run(drive())


def test_it_ends_while_a_stop_is_written_and_a_wish_waits_for_its_turn(
    store: Store, bess: RunningPeer, tmp_path: Path, journals: Journals
) -> None:
    """The wish waits until all is told, which nobody does any more."""

    async def drive() -> None:
        found = fleet_device("a", bess.ports[15])
        device = replace(found, address=replace(found.address, answer_ms=2000))
        async with asyncio.timeout(60):
            async with driving(store, device, journals(tmp_path, "run-1"), "run-1") as driven:
                executor = driven.executor
                executor.telling.pause()
                executor.telling.tell(executor.door.until_back)
                assert bess.ask(do="fault", storage=15, fault={"kind": "black_hole"}) == {"ok": True}
                stopping = asyncio.create_task(executor.stop("smoke"))
                await driven.until(lambda: executor.writing)
                executor.want(setpoint(50 * KW))
                executor.allow()
                await driven.until(lambda: executor._raising._task is not None)
                assert executor.writing
        assert not (await stopping).verified

    asyncio.run(drive())


def test_an_interlock_is_on_record_once_and_looked_at_again(
    store: Store, bess: RunningPeer, tmp_path: Path, journals: Journals
) -> None:
    async def drive() -> None:
        journal = journals(tmp_path, "run-1")
        bess.ask(do="put", storage=2, soc=9_000)
        async with driving(store, fleet_device("a", bess.ports[2]), journal, "run-1") as driven:
            driven.executor.want(setpoint(50 * KW))
            await driven.until(lambda: driven.executor.alarms.get("interlock") == "soc_low")
            await asyncio.sleep(2.5)
            assert [one.interlocks for one in await store.told("a")] == [("soc_low",)]
            bess.ask(do="put", storage=2, soc=50_000)
            await driven.until(lambda: stands(driven.executor, 50 * KW))
            assert "interlock" not in driven.executor.alarms
            await driven.until(lambda: not driven.executor.untold)
            assert (await store.told("a"))[0].status == "refused"
            assert len(await store.told("a")) == 2

    asyncio.run(drive())


@pytest.mark.fault
def test_a_setpoint_of_somebody_else_is_written_over_once_for_each_wish(
    store: Store, bess: RunningPeer, tmp_path: Path, journals: Journals
) -> None:
    async def drive() -> None:
        journal = journals(tmp_path, "run-1")
        async with driving(store, fleet_device("a", bess.ports[3]), journal, "run-1") as driven:
            executor = driven.executor
            executor.want(setpoint(50 * KW))
            await driven.until(lambda: stands(executor, 50 * KW))
            for round_ in (1, 2):
                bess.ask(do="fault", storage=3, fault={"kind": "second_writer", "power_w": -30 * KW})
                driven.poller.hurry()
                await driven.until(lambda: executor.standing is None)
                assert executor.alarms["foreign_writer"] == "stranger set -30000 W"
                if round_ == 1:
                    await driven.until(lambda: stands(executor, 50 * KW))
            await asyncio.sleep(2.2)
            assert bess.truth(3)["target_w"] == -30 * KW
            executor.want(setpoint(20 * KW))
            await driven.until(lambda: stands(executor, 20 * KW))
            await driven.until(lambda: not executor.untold)
            assert [one.writer for one in await store.told("a")] == ["stranger", "stranger", None]

    asyncio.run(drive())


@pytest.mark.fault
def test_one_of_two_drivers_writes_and_the_other_waits_for_the_end_of_its_lease(
    store: Store, bench: Bench, bess: RunningPeer, tmp_path: Path, journals: Journals
) -> None:
    async def drive() -> None:
        other = Store(bench.nats.url, bench.nats.app_seed, bench.book, bench.database)
        device = fleet_device("a", bess.ports[4])
        first, second = journals(tmp_path / "1", "run-1"), journals(tmp_path / "2", "run-2")
        async with driving(other, device, second, "run-2", ready=False) as waiting:
            async with driving(store, device, first, "run-1", ready=False) as driven:
                both = (driven.executor, waiting.executor)
                for one in both:
                    one.want(setpoint(60 * KW, cause=one.device.id))
                await driven.until(lambda: any(stands(one, 60 * KW) for one in both))
                await asyncio.sleep(1.0)
                assert sum(one.ready for one in both) == 1
                assert len(await store.told("a")) == 1
                loser = next(one for one in both if not one.ready)
                assert loser.standing is None
                winner = driven if driven.executor.ready else waiting
                if winner is waiting:
                    return
            # The winner ended and released: what stands is taken over as it is, and nothing written again.
            await waiting.until(lambda: waiting.executor.ready, 12)
            assert stands(waiting.executor, 60 * KW)
        assert (await store.told("a"))[0].token % TOKENS_A_DAY == 1
        other.client.close()

    asyncio.run(drive())


@pytest.mark.fault
def test_what_a_lost_clock_and_a_missing_step_test_forbid(
    store: Store, bess: RunningPeer, tmp_path: Path, journals: Journals
) -> None:
    async def drive() -> None:
        journal = journals(tmp_path, "run-1")
        async with driving(store, fleet_device("a", bess.ports[5]), journal, "run-1") as driven:
            executor = driven.executor
            executor.commissioned = False
            executor.want(setpoint(50 * KW))
            await driven.until(lambda: executor.alarms.get("interlock") == "not_commissioned")
            executor.commissioned = True
            await driven.until(lambda: stands(executor, 50 * KW))
            executor.clock_lost = True
            await driven.until(lambda: bess.truth(5)["setpoint_w"] == 0)
            await driven.until(lambda: stands(executor, 0))
            executor.clock_lost = False
            await driven.until(lambda: stands(executor, 50 * KW))
            await driven.until(lambda: not executor.untold)
            stop = (await store.told("a"))[-2].setpoint
            assert (stop.setpoint_w, stop.origin, stop.cause.startswith("clock lost")) == (
                0,
                "fallback",
                True,
            )

    asyncio.run(drive())


@pytest.mark.fault
def test_a_signal_within_the_band_needs_no_intent_and_what_is_over_is_stopped(
    store: Store, bess: RunningPeer, tmp_path: Path, journals: Journals
) -> None:
    async def drive() -> None:
        journal = journals(tmp_path, "run-1")
        async with driving(store, fleet_device("a", bess.ports[6]), journal, "run-1") as driven:
            executor = driven.executor
            banded = msgspec.structs.replace(
                setpoint(50 * KW, lasts_s=4, origin="regulation"), band_w=20 * KW
            )
            executor.want(banded)
            await driven.until(lambda: stands(executor, 50 * KW))
            for signal, expected in ((65 * KW, 65 * KW), (90 * KW, 70 * KW), (-90 * KW, 30 * KW)):
                executor.follow(signal)
                await driven.until(lambda expected=expected: bess.truth(6)["setpoint_w"] == expected)  # type: ignore[misc]
            driven.poller.hurry()
            assert len(await store.told("a")) == 1
            # Over: the device's own timer, or our stop, whoever is first.
            await driven.until(lambda: bess.truth(6)["target_w"] == 0, 6)
            await driven.until(lambda: executor.snapshot.setpoint_w == 0 and not executor.untold)
            assert (await store.told("a"))[0].status in ("expired", "seen", "superseded")
            assert "foreign_writer" not in executor.alarms

    asyncio.run(drive())


def test_a_device_that_takes_nothing_is_told_twice_and_then_refused(
    store: Store, bess: RunningPeer, tmp_path: Path, journals: Journals
) -> None:
    async def drive() -> None:
        journal = journals(tmp_path, "run-1")
        async with driving(store, fleet_device("a", bess.ports[7]), journal, "run-1") as driven:
            executor = driven.executor
            bess.ask(do="fault", storage=7, fault={"kind": "ignore_writes"})
            executor.want(setpoint(50 * KW))
            await driven.until(lambda: "device_refused" in executor.alarms)
            await driven.until(lambda: not executor.untold)
            await asyncio.sleep(1.5)
            told = await store.told("a")
            assert [(one.status, one.interlocks) for one in told] == [("refused", ("device_refused",))]
            bess.ask(do="clear", storage=7)
            executor.want(setpoint(60 * KW))
            await driven.until(lambda: stands(executor, 60 * KW))
            assert "device_refused" not in executor.alarms

    asyncio.run(drive())
