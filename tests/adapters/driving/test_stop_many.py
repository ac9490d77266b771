"""A hundred storages stopped and read back by an order at the machine, while they are polled."""

from __future__ import annotations

import asyncio
import time

import pytest

from adapters.driving.emergencies import local_stop
from adapters.driving.fleet_file import ModbusTcp
from adapters.driving.role import DrivingRole
from ledger.device import Device, RegisterDevice
from tests.adapters.bess_peer.running_peer import peer
from tests.adapters.driving.driver_book import KW, SINCE, DriverBook, now, storage

COUNT = 100


def _ready(role: DrivingRole) -> int:
    return 0 if role.fleet is None else sum(one.executor.ready for one in role.fleet.storages.values())


@pytest.mark.fault
def test_a_hundred_storages_stop_within_two_seconds(book: DriverBook) -> None:
    with peer("bess_swapped", "--count", str(COUNT)) as running:
        template = storage("b0", running.ports[0])
        devices = tuple(
            type(template)(
                id=f"b{n}", profile=template.profile, address=ModbusTcp(host="127.0.0.1", port=port)
            )
            for n, port in enumerate(running.ports)
        )
        book.furnish(())
        for one in devices:
            book.do(RegisterDevice(SINCE, Device(one.id, "S1", "battery", 250 * KW, 500 * KW)))

        async def driven() -> None:
            async with book.driving(*devices) as role:
                ready = await book.until(lambda: _ready(role) == COUNT, 40)
                await asyncio.sleep(3)
                begun = time.monotonic()
                stop = book.folder.order(local_stop("guard-1", "smoke", now()))
                answer = await asyncio.to_thread(book.folder.answered, stop, 20.0)
                took = time.monotonic() - begun
                assert answer is not None
                assert (answer.devices, answer.verified) == (COUNT, COUNT), answer
                print(f"{COUNT} ready in {ready:.1f} s")
                print(f"{COUNT} stopped and read in {answer.took_ms} ms, {took:.2f} s from the order")
                assert answer.took_ms < 2_000

        asyncio.run(driven())
