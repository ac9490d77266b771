"""A plan that nobody carries out is said: by whoever drives something of the book, and at a terminal."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

import adapters.driving.role as role_module
from dispatch.control.lease import TakeLease
from dispatch.planning.storage_terms import StateStorage
from ledger.device import Device, RegisterDevice
from ledger.refusal import Refused
from tests.adapters import sample
from tests.adapters.bess_peer.running_peer import peer
from tests.adapters.cli.terminal import terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.driving.driver_book import KW, SINCE, TERMS, DriverBook, now, storage


def furnish_second(book: DriverBook, *devices: Device) -> None:
    """S2, planned to discharge."""
    book.do(sample.register_site("S2"))
    book.do(StateStorage("S2", SINCE, TERMS))
    for one in devices:
        book.do(RegisterDevice(SINCE, one))
    book.plan(*(40 * KW,) * 8, site="S2")


def take(book: DriverBook, device: str) -> None:
    """In a UTC day's first minute nobody takes a lease who did not have it before."""
    while True:
        try:
            book.do(TakeLease(device, "driver-2", now().date(), 900, 500))
        except Refused as refused:
            if refused.code not in ("lease_held", "command_day"):
                raise
            time.sleep(1)
        else:
            return


def test_at_a_terminal_a_planned_site_without_a_driver_is_named_with_its_plan(
    book: DriverBook, bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.now = now()
    book.furnish(())
    furnish_second(book, Device("b", "S2", "battery", 250 * KW, 1), Device("pcs", "S2", "pcs", 250 * KW, 1))
    run = terminal_of(bench, capsys)
    book.stack.caught_up()
    rows = run("device", "undriven").splitlines()
    assert rows[2] == "2 of 2 storages have no driver"
    assert rows[3].startswith("S2 is planned to 20")
    assert ", 40000 W now, and nobody drives it: plan.S2_" in rows[3]
    assert len(rows) == 4, "S1 is not planned"
    (told,) = json.loads(run("device", "undriven", "--format", "json"))["plans"]
    assert (told["site"], told["planned_w"], told["devices"]) == ("S2", 40 * KW, ["b", "pcs"])
    take(book, "pcs")
    book.stack.caught_up()
    bench.now = now()
    rows = run("device", "undriven").splitlines()
    assert [row.partition(" ")[0] for row in rows] == ["b", "1"], (
        "the battery is driven through its converter"
    )


def test_a_driver_says_once_that_nobody_drives_what_is_planned(
    book: DriverBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(role_module, "_UNDRIVEN_S", 0.3)
    with peer("bess_swapped") as running:
        a = storage("a", running.ports[0])
        book.furnish((a,))
        book.plan(*(10 * KW,) * 8)
        furnish_second(book, Device("b", "S2", "battery", 250 * KW, 1))

        async def driven() -> None:
            async with book.driving(a) as role:
                await book.until(lambda: "plan of S2: nobody drives b" in book.said)
                await book.until(lambda: bool(role.fleet) and all(one.ready for one in role.fleet.executors))
                await asyncio.sleep(1)
                assert book.said.count("plan of S2: nobody drives b") == 1
                await asyncio.to_thread(take, book, "b")
                await book.until(lambda: "plan of S2: well again" in book.said)

        asyncio.run(driven())
