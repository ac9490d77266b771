"""Who waits is woken, or goes on when the time is over; nothing that wakes is forgotten."""

from __future__ import annotations

import asyncio

import pytest

from adapters.driving.wake import Wake

LONG_S = 60.0


def test_the_time_is_over_when_nobody_wakes() -> None:
    async def waited() -> bool:
        return await Wake().within(0.01)

    assert not asyncio.run(waited())


def test_it_is_woken_before_its_time_and_once() -> None:
    async def waited() -> list[bool]:
        wake = Wake()
        asyncio.get_running_loop().call_soon(wake.set)
        return [await wake.within(LONG_S), await wake.within(-1.0)]

    assert asyncio.run(waited()) == [True, False]


def test_who_woke_it_before_it_waited_is_not_forgotten() -> None:
    async def waited() -> list[bool]:
        wake = Wake()
        wake.set()
        wake.set()
        return [await wake.within(LONG_S), await wake.within(0.0)]

    assert asyncio.run(waited()) == [True, False]


def test_one_that_was_cancelled_may_wait_again() -> None:
    async def waited() -> bool:
        wake = Wake()
        waiting = asyncio.create_task(wake.within(LONG_S))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        wake.set()
        return await wake.within(LONG_S)

    assert asyncio.run(waited())
