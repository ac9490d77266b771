"""The store goes away and comes back: what is written meanwhile, and what the record says afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.driving.fallback_file import FallbackFile
from adapters.driving.stop_all import stop_all
from dispatch.control.fallback import Fallback, FallbackSchedule, StoreFallback, fallback_aggregate
from tests.adapters.bess_peer.running_peer import RunningPeer, peer
from tests.adapters.conftest import Bench
from tests.adapters.driving.driven import (
    KW,
    Journals,
    Store,
    driving,
    fleet_device,
    furnish,
    now,
    setpoint,
    stands,
)
from tests.stack import NatsServer, PostgresServer


@pytest.fixture(scope="module")
def bess() -> Iterator[RunningPeer]:
    with peer("bess_swapped", "--count", "4") as running:
        yield running


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path / "nats")
    yield server
    server.stop()


@pytest.fixture
def store(nats: NatsServer, migrated: PostgresServer) -> Iterator[Store]:
    bench = Bench(nats, migrated)
    made = Store(nats.url, nats.app_seed, bench.book, bench.database)
    furnish(made.front, ("a", "b"))
    yield made
    made.client.close()
    bench.close()


def test_a_stop_never_waits_for_the_store(
    store: Store, nats: NatsServer, bess: RunningPeer, tmp_path: Path, journals: Journals
) -> None:
    async def drive() -> None:
        journal = journals(tmp_path / "journal", "run-1")
        async with driving(store, fleet_device("a", bess.ports[0]), journal, "run-1") as driven:
            executor = driven.executor
            executor.want(setpoint(100 * KW))
            await driven.until(lambda: stands(executor, 100 * KW))
            await driven.until(lambda: not executor.untold)
            nats.child.kill()
            # What raises waits for an intent that nobody can record; what stands is kept, and may be lowered.
            executor.want(setpoint(120 * KW))
            await driven.until(lambda: store.door.lost)
            assert bess.truth(0)["target_w"] == 100 * KW
            executor.want(setpoint(80 * KW))
            await driven.until(lambda: stands(executor, 80 * KW))
            executor.want(setpoint(150 * KW))
            await asyncio.sleep(1.0)
            assert bess.truth(0)["setpoint_w"] == 80 * KW
            began = time.monotonic()
            stopped = await stop_all([executor], "smoke")
            took = time.monotonic() - began
            assert (stopped[0].verified, took < 0.25) == (True, True), took
            assert bess.truth(0)["setpoint_w"] == 0
            assert len(journal.kept("a")) == 2
            nats.start()
            await driven.until(lambda: not executor.untold, 20)
            assert journal.kept("a") == ()
            executor.allow()
            executor.want(setpoint(30 * KW))
            await driven.until(lambda: stands(executor, 30 * KW))
            await driven.until(lambda: not executor.untold)
        written = sorted(
            (one.written_at, one.setpoint.setpoint_w) for one in await store.told("a") if one.written_at
        )
        assert [power for _, power in written] == [100 * KW, 80 * KW, 0, 30 * KW]

    asyncio.run(drive())


@pytest.mark.fault
def test_when_a_setpoint_is_over_and_the_store_away_the_agreed_schedule_holds_else_a_stop(
    store: Store, nats: NatsServer, bess: RunningPeer, tmp_path: Path, journals: Journals
) -> None:
    schedule = FallbackSchedule(
        device="a", start=now() - timedelta(minutes=1), interval_s=900, setpoint_w=(25 * KW, 10 * KW)
    )
    store.front.execute(StoreFallback(schedule, "anna"), command_id="fallback", actor="anna")

    async def drive() -> None:
        journal = journals(tmp_path / "journal", "run-1")
        fallbacks = FallbackFile(tmp_path / "fallback")
        agreed, none = fleet_device("a", bess.ports[1]), fleet_device("b", bess.ports[2])
        async with (
            driving(store, agreed, journal, "run-1", fallbacks=fallbacks) as one,
            driving(store, none, journal, "run-1", fallbacks=fallbacks) as other,
        ):
            both = (one.executor, other.executor)
            for executor in both:
                executor.want(setpoint(20 * KW, lasts_s=6))
            await one.until(lambda: all(stands(executor, 20 * KW) for executor in both))
            await one.until(lambda: fallbacks.agreed("a", now()) is not None)
            nats.child.kill()
            one.executor.want(None)
            other.executor.want(None)
            await one.until(lambda: stands(one.executor, 25 * KW), 15)
            await other.until(lambda: bess.truth(2)["target_w"] == 0, 15)
            nats.start()
            await one.until(lambda: not one.executor.untold, 20)
        state = await asyncio.to_thread(store.front.state, fallback_aggregate("a"))
        assert isinstance(state, Fallback)
        assert state.kept == schedule
        assert not state.agreed, "no site has said so"
        last = (await store.told("a"))[-1]
        assert (last.setpoint.origin, last.setpoint.setpoint_w) == ("fallback", 25 * KW)
        assert not last.raised_unrecorded

    asyncio.run(drive())
