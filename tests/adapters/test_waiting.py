"""The same work in a thread and on a loop: in the one it never suspends, in the other it gives way."""

from __future__ import annotations

import asyncio
import time

import pytest

from adapters.waiting import Awaiting, Blocking, Waiting, done
from tests.adapters.conftest import Bench


async def _seven() -> int:
    await asyncio.sleep(0)
    return 7


async def _work(waiting: Waiting) -> tuple[int, int]:
    return await waiting.asked(_seven()), await waiting.worked(lambda: 8)


def test_both_answer_the_same(bench: Bench) -> None:
    assert done(_work(Blocking(bench.client))) == (7, 8)
    assert bench.client.run(_work(Awaiting())) == (7, 8)


def test_who_blocks_awaits_nothing_that_nobody_runs() -> None:
    with pytest.raises(AssertionError, match="nobody runs"):
        done(_seven())


def test_who_computes_for_long_lets_others_have_their_turn() -> None:
    async def main() -> int:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        waiting = Awaiting()
        for _ in range(10):
            time.sleep(0.003)  # noqa: ASYNC251
            await waiting.given_way()
        task.cancel()
        return turns

    assert asyncio.run(main()) >= 10
