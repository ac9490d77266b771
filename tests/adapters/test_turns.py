"""What is awaited together is worked on together: each once, none before it was asked, no fault shared."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from adapters.turns import Turns


class Work:
    """Keeps each turn, and holds it until it is let go."""

    def __init__(self) -> None:
        self.turns: list[list[str]] = []
        self.go = asyncio.Event()

    async def __call__(self, items: Sequence[str]) -> None:
        self.turns.append(list(items))
        async with asyncio.timeout(10):
            await self.go.wait()
        if "broken" in items:
            raise ValueError("broken")


async def _until(work: Work, turns: int) -> None:
    for _ in range(1000):
        if len(work.turns) == turns:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("they do not begin")


async def _under_way(work: Work, turns: Turns[str]) -> asyncio.Task[None]:
    task = asyncio.create_task(turns("first"))
    await _until(work, 1)
    return task


def test_what_waits_joins_one_turn_that_has_not_begun() -> None:
    async def main() -> None:
        work = Work()
        turns = Turns(work)
        tasks = [await _under_way(work, turns)]
        tasks += [asyncio.create_task(turns(f"w{number}")) for number in range(120)]
        await asyncio.sleep(0.05)
        assert work.turns == [["first"]], "one at a time"
        work.go.set()
        await asyncio.gather(*tasks)
        assert sorted(len(turn) for turn in work.turns[1:]) == [20, 100]
        assert sorted(item for turn in work.turns[1:] for item in turn) == sorted(
            f"w{number}" for number in range(120)
        )
        await turns("later")
        assert work.turns[-1] == ["later"]

    asyncio.run(main())


def test_the_fault_of_one_is_not_its_neighbours() -> None:
    async def main() -> None:
        work = Work()
        turns = Turns(work)
        tasks = [await _under_way(work, turns)]
        tasks += [asyncio.create_task(turns(name)) for name in ("a", "broken", "b")]
        await asyncio.sleep(0.05)
        work.go.set()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(one) for one in done] == [type(None)] * 2 + [ValueError, type(None)]
        assert work.turns[1] == ["a", "broken", "b"]
        assert sorted(map(tuple, work.turns[2:])) == [("a",), ("b",), ("broken",)]
        with pytest.raises(ValueError, match="broken"):
            await turns("broken")
        await turns("after it")

    asyncio.run(main())


def test_who_gives_up_waiting_stops_nobody() -> None:
    async def main() -> None:
        work = Work()
        turns = Turns(work)
        first = await _under_way(work, turns)
        gone, kept = (asyncio.create_task(turns(name)) for name in ("gone", "kept"))
        await asyncio.sleep(0.05)
        gone.cancel()
        work.go.set()
        await asyncio.gather(first, kept)
        assert gone.cancelled()

    asyncio.run(main())
