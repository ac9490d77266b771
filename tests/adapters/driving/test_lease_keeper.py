"""A lease over midnight: it ends with its UTC day, and goes on under the next day's first token."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, date, datetime, timedelta

from adapters.awaited_door import AwaitedDoor
from adapters.driving.lease_keeper import LeaseKeeper
from adapters.driving.watched_door import WatchedDoor
from adapters.front_door import FrontDoor
from dispatch.control.lease import Lease, first_token, lease_aggregate
from tests.adapters.conftest import Bench
from tests.adapters.driving.driven import furnish

LAST, FIRST = date(2026, 11, 21), date(2026, 11, 22)


def test_it_goes_on_after_midnight_and_nobody_else_gets_in_between(bench: Bench) -> None:
    start = datetime(2026, 11, 21, 23, 59, 57, tzinfo=UTC)
    bench.now = start - timedelta(minutes=5)
    furnish(bench.door, ("a",))
    began = time.monotonic()

    def clock() -> datetime:
        return start + timedelta(seconds=time.monotonic() - began)

    front = FrontDoor(bench.recorder, clock, lambda: None)

    async def keep() -> None:
        door = WatchedDoor(AwaitedDoor(front), "driver")
        keeper = LeaseKeeper("a", "run-1", door, clock)
        other = LeaseKeeper("a", "run-2", door, clock)
        pause = await keeper.turn()
        assert (keeper.token, keeper.held()) == (first_token(LAST), True)
        assert 0 < pause < 3, "to midnight, not to a third of its time"
        assert await keeper.turn() <= pause
        while keeper.held():
            assert not await _got(other)
            await asyncio.sleep(0.02)
        assert not await _got(other)
        pause = await keeper.turn()
        assert (keeper.token, keeper.held(), pause) == (first_token(FIRST), True, 300)
        assert keeper.unbroken == first_token(LAST), "device and record need not be compared again"
        assert not await _got(other)
        await keeper.release()
        await door.close()

    asyncio.run(keep())
    last, first = (front.state(lease_aggregate("a", day)) for day in (LAST, FIRST))
    assert isinstance(last, Lease)
    assert isinstance(first, Lease)
    assert last.until == datetime(2026, 11, 22, tzinfo=UTC) <= first.since
    assert len(front.accepted_ids(lease_aggregate("a", LAST))) == 1, "up to midnight nothing was to renew"


async def _got(other: LeaseKeeper) -> bool:
    await other.turn()
    return other.held()


def test_who_must_wait_says_for_whom_and_until_when(bench: Bench) -> None:
    """On a day and, where the day before is not known, in the first minute after midnight UTC."""
    at = [datetime(2026, 11, 21, 12, tzinfo=UTC)]
    bench.now = at[0] - timedelta(minutes=5)
    furnish(bench.door, ("a",))
    front = FrontDoor(bench.recorder, lambda: at[0], lambda: None)

    async def keep() -> None:
        door = WatchedDoor(AwaitedDoor(front), "driver")
        one = LeaseKeeper("a", "run-1", door, lambda: at[0])
        other = LeaseKeeper("a", "run-2", door, lambda: at[0])
        await one.turn()
        await other.turn()
        assert one.waits == ""
        assert other.waits == "run-1 may write to a: free from 2026-11-21T12:15:07Z"
        at[0] = datetime(2026, 11, 22, 0, 0, 30, tzinfo=UTC)
        assert await other.turn() <= 1, "it asks again, and does not sleep through it"
        assert other.waits == "a holder of the day before may write to a: free from 2026-11-22T00:01:02Z"
        at[0] = datetime(2026, 11, 22, 0, 1, 2, tzinfo=UTC)
        await other.turn()
        assert (other.held(), other.waits) == (True, "")
        await door.close()

    asyncio.run(keep())


def test_who_is_proven_to_have_ended_is_not_waited_for(bench: Bench) -> None:
    at = [datetime(2026, 11, 21, 12, tzinfo=UTC)]
    bench.now = at[0] - timedelta(minutes=5)
    furnish(bench.door, ("a",))
    front = FrontDoor(bench.recorder, lambda: at[0], lambda: None)
    ended: set[str] = set()

    async def keep() -> None:
        door = WatchedDoor(AwaitedDoor(front), "driver")
        one = LeaseKeeper("a", "run-1", door, lambda: at[0])
        other = LeaseKeeper("a", "run-2", door, lambda: at[0], ended=ended.__contains__)
        await one.turn()
        for ended_too in (set(), {"run-2", "run-3"}):
            ended.update(ended_too)
            assert await other.turn() == 1
            assert not other.held()
        ended.add("run-1")
        assert await other.turn() < 0.1, "it asks again at once"
        await other.turn()
        assert (other.held(), other.token, other.unbroken) == (True, first_token(LAST) + 1, other.token)
        await one.turn()
        assert not one.held(), "fenced, had it lived"
        await door.close()

    asyncio.run(keep())
    lease = front.state(lease_aggregate("a", LAST))
    assert isinstance(lease, Lease)
    assert (lease.holder, lease.since) == ("run-2", at[0])
