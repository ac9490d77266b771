"""A device that fell back by itself follows nothing: not its setpoint's register, and not a band around 0."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec
import pytest

from adapters.modbus.port import ModbusPort
from dispatch.control.setpoint import Setpoint
from tests.adapters.bess_peer.running_peer import EXAMPLES, RunningPeer, peer
from tests.adapters.driving.driven import (
    KW,
    Driven,
    Journals,
    Store,
    driving,
    fleet_device,
    setpoint,
    stands,
)
from tests.adapters.driving.driver_book import DriverBook, grid_meter, storage
from tests.adapters.driving.test_fleet import stands as fleet_stands

TRIPS_MS = 31_000
"""Longer than the example's watchdog waits."""


def banded(power_w: int) -> Setpoint:
    return msgspec.structs.replace(setpoint(power_w, origin="regulation"), band_w=30 * KW)


async def fall_back(bess: RunningPeer) -> None:
    """As its watchdog would have it, but that its clock goes on."""
    port = ModbusPort(fleet_device("a", bess.ports[0]), "its own", lambda: time.time_ns() // 1_000_000)
    await port.release()
    await port.close()
    assert (bess.truth()["enabled"], bess.truth()["target_w"]) == (False, 0)


async def raised_anew(driven: Driven, store: Store, bess: RunningPeer, wanted: Setpoint) -> None:
    """Under a new command, and enabled."""
    executor = driven.executor
    await driven.until(lambda: bool(bess.truth()["enabled"]) and stands(executor, wanted.setpoint_w))
    await driven.until(lambda: not executor.untold)
    assert bess.truth()["target_w"] == wanted.setpoint_w
    first, again = await store.told("a")
    assert (first.status, first.writer, first.found_w) == ("overridden", "watchdog", 0)
    assert (again.status in ("read_back", "seen"), again.setpoint) == (True, wanted)
    assert again.token >= first.token > 0


@pytest.mark.parametrize("power_w", [0, 20 * KW])
def test_a_band_that_reaches_the_safe_state_is_raised_anew_when_its_device_fell_back(
    store: Store, tmp_path: Path, journals: Journals, power_w: int
) -> None:
    async def drive(bess: RunningPeer) -> None:
        journal, wanted = journals(tmp_path, "run-1"), banded(power_w)
        async with driving(store, fleet_device("a", bess.ports[0]), journal, "run-1") as driven:
            driven.executor.want(wanted)
            await driven.until(lambda: stands(driven.executor, power_w))
            await fall_back(bess)
            await raised_anew(driven, store, bess, wanted)

    with peer("bess_swapped") as bess:
        asyncio.run(drive(bess))


def test_what_fell_back_between_two_drivers_is_raised_anew(
    store: Store, tmp_path: Path, journals: Journals
) -> None:
    """The setpoint's register still holds it, and the wish is the same."""

    async def drive(bess: RunningPeer) -> None:
        device, wanted = fleet_device("a", bess.ports[0]), banded(20 * KW)
        async with driving(store, device, journals(tmp_path, "run-1"), "run-1") as driven:
            driven.executor.want(wanted)
            await driven.until(lambda: stands(driven.executor, 20 * KW) and not driven.executor.untold)
        await fall_back(bess)
        assert bess.truth()["setpoint_w"] == 20 * KW
        async with driving(store, device, journals(tmp_path / "run-2", "run-2"), "run-2") as driven:
            assert driven.executor.standing is None, "nothing is taken over"
            driven.executor.want(wanted)
            await raised_anew(driven, store, bess, wanted)

    with peer("bess_swapped") as bess:
        asyncio.run(drive(bess))


@pytest.mark.fault
def test_what_fell_back_is_given_by_nobody(book: DriverBook) -> None:
    """Its clock has gone wrong with it, and nothing is raised there."""
    missing = "20000 W of its plan are given by nobody"
    with peer("bess_swapped", "--meter", str(EXAMPLES / "meter_import_export.toml")) as bess:
        a, meter = storage("a", bess.ports[0]), grid_meter(bess.ports[0])
        book.furnish((a,))
        book.plan(20 * KW, 20 * KW, regulation_w=(30 * KW, 30 * KW))

        async def drive() -> None:
            async with book.driving(a, meter) as role:
                await book.until(lambda: fleet_stands(role, "a", 20 * KW))
                await asyncio.sleep(2)
                said = len(book.said)
                assert bess.ask(do="lapse", ms=TRIPS_MS, beats=False) == {"ok": True}
                await book.until(lambda: any(missing in line for line in book.said[said:]))
                assert not bess.truth()["enabled"]
                await book.until(lambda: "safe state of a: it went there by itself, 0 W" in book.said)

        asyncio.run(drive())


@pytest.mark.fault
def test_a_storage_that_fell_back_and_does_again_what_it_is_told_is_said_once_each(book: DriverBook) -> None:
    with peer("bess_swapped", "--meter", str(EXAMPLES / "meter_import_export.toml")) as bess:
        a, meter = storage("a", bess.ports[0]), grid_meter(bess.ports[0])
        book.furnish((a,))
        book.plan(20 * KW, 20 * KW)

        async def drive() -> None:
            async with book.driving(a, meter) as role:
                await book.until(lambda: fleet_stands(role, "a", 20 * KW))
                await fall_back(bess)
                await book.until(lambda: "safe state of a: over: it does as it is told again" in book.said)
                assert fleet_stands(role, "a", 20 * KW)

        asyncio.run(drive())
    lines = [line for line in book.said if line.startswith("safe state of a")]
    assert len(lines) == 2, lines
