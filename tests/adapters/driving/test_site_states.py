"""What the driver puts on record of its sites for planning: what is stored, and that devices are lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import adapters.driving.site_states as states_module
from dispatch.planning.imposed_limit import ImposedLimit, limit_aggregate
from dispatch.planning.stored_seen import StoredSeen, stored_aggregate
from ledger.effective import History
from tests.adapters.bess_peer.running_peer import EXAMPLES, peer
from tests.adapters.conftest import Bench
from tests.adapters.driving.driver_book import KW, driver_book, grid_meter, now, storage

METER = ("--meter", str(EXAMPLES / "meter_import_export.toml"))


@pytest.mark.fault
def test_a_lost_device_is_a_limit_until_it_is_back_and_what_is_stored_is_on_record(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(states_module, "_BEGIN_S", 5)
    monkeypatch.setattr(states_module, "BETTER_S", 1)
    with driver_book(bench, tmp_path) as book, peer("bess_swapped", *METER, "--count", "2") as running:
        a, b = (storage(name, port) for name, port in zip("ab", running.ports, strict=True))
        book.furnish((a, b))

        def seen() -> StoredSeen | None:
            found = bench.door.state(stored_aggregate("S1", now().date()))
            return found if isinstance(found, StoredSeen) else None

        def limit() -> ImposedLimit | None:
            found = bench.door.state(limit_aggregate("S1"))
            return found.latest.document if isinstance(found, History) else None

        async def driven() -> None:
            async with book.driving(a, b, grid_meter(running.ports[0])):
                await book.until(lambda: seen() is not None)
                await asyncio.sleep(5)
                assert limit() is None, "nothing is lost"
                running.ask(do="fault", storage=1, fault={"kind": "black_hole"})
                took = await book.until(lambda: limit() is not None)
                assert took < 11, "3 s until it is lost, 3 s that it stays so"
                imposed = limit()
                assert imposed is not None
                assert (imposed.reason, imposed.charge_w) == ("driver: b is lost", 250 * KW)
                running.ask(do="clear", storage=1)
                await book.until(lambda: (held := limit()) is not None and held.charge_w is None, 20)

        asyncio.run(driven())
        found = seen()
    assert found is not None
    assert 0 < found.stored_wh < 500 * KW
