"""A driver whose file has meters and no storage reads them, as while a storage is tested."""

from __future__ import annotations

import asyncio

from adapters.cli.drive import _stop
from adapters.telemetry.history import History
from tests.adapters.bess_peer.running_peer import EXAMPLES, peer
from tests.adapters.driving.driver_book import DriverBook, grid_meter, now, storage


def test_meters_are_read_without_a_storage(book: DriverBook) -> None:
    history = History(book.stack.client, book.stack.settings.book)
    with peer("bess_swapped", "--meter", str(EXAMPLES / "meter_import_export.toml")) as running:
        book.furnish((storage("a", running.ports[0]),))

        async def driven() -> None:
            async with book.driving(grid_meter(running.ports[0])) as role:
                await book.until(lambda: (found := history.newest("G1")) is not None and found.number > 1, 30)
                assert role.fleet is not None
                assert not role.fleet.storages
                assert await asyncio.to_thread(_stop, book.folder, "guard-1", "smoke", now()) == 0
                await book.until(lambda: book.folder.stop_file.read() is None)

        asyncio.run(driven())
