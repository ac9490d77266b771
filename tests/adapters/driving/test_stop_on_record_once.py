"""A stop of a device that does not answer is written again and again, and is one command on record."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.adapters.bess_peer.running_peer import peer
from tests.adapters.driving.driven import KW, Journals, Store, driving, fleet_device, setpoint
from tests.adapters.driving.driven import stands as stands_at


def test_it_is_one_command_until_the_device_answers(store: Store, tmp_path: Path, journals: Journals) -> None:
    with peer("bess_swapped") as bess:

        async def drive() -> None:
            journal = journals(tmp_path, "run-1")
            async with driving(store, fleet_device("a", bess.ports[0]), journal, "run-1") as driven:
                executor = driven.executor
                executor.want(setpoint(50 * KW))
                await driven.until(lambda: stands_at(executor, 50 * KW))
                put = executor._writes.put
                puts: list[int] = []

                async def counted(power_w: int, expires_at: object) -> object:
                    puts.append(power_w)
                    return await put(power_w, expires_at)  # type: ignore[arg-type]

                executor._writes.put = counted  # type: ignore[assignment, method-assign]
                bess.ask(do="fault", storage=0, fault={"kind": "black_hole"})
                assert not (await executor.stop("smoke")).verified
                await driven.until(lambda: puts.count(0) >= 4, 40)
                await driven.until(lambda: not executor.untold)
                told = await store.told("a")
                assert [one.setpoint.setpoint_w for one in told] == [50 * KW, 0]
                bess.ask(do="clear", storage=0)
                await driven.until(lambda: stands_at(executor, 0), 40)
                await driven.until(lambda: not executor.untold)
            last = (await store.told("a"))[-1]
            assert (last.setpoint.setpoint_w, last.status) == (0, "read_back")
            assert bess.truth(0)["target_w"] == 0

        asyncio.run(drive())
