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
