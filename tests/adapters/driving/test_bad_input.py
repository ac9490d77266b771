"""What is wrong with a device or a wish is named, nothing is written for it, and it goes on once that is
right."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.driving import fleet_file
from ledger.refusal import Refused
from tests.adapters.bess_peer.running_peer import EXAMPLES, RunningPeer, peer
from tests.adapters.driving.driven import (
    KW,
    LIMITS,
    Journals,
    Store,
    driving,
    fleet_device,
    setpoint,
    stands,
)


@pytest.fixture(scope="module")
def bess() -> Iterator[RunningPeer]:
    with peer("bess_swapped", "--count", "4") as running:
        yield running


@pytest.mark.parametrize(
    ("at", "fault", "forbidden"),
    [
        (0, {"kind": "soc", "value": -247_000}, "soc_unknown"),
        (1, {"kind": "clock", "seconds": -3600}, "clock_skew"),
    ],
)
def test_a_device_that_tells_nonsense_is_not_raised_until_it_tells_sense(
    store: Store,
    bess: RunningPeer,
    tmp_path: Path,
    journals: Journals,
    at: int,
    fault: dict[str, Any],
    forbidden: str,
) -> None:
    """A state of charge of -247 %; a clock that goes back by an hour."""

    async def drive() -> None:
        journal = journals(tmp_path, "run-1")
        async with driving(store, fleet_device("a", bess.ports[at]), journal, "run-1") as driven:
            executor = driven.executor
            bess.ask(do="fault", storage=at, fault=fault)
            driven.poller.hurry()
            await driven.until(
                lambda: (
                    executor.snapshot.soc_millipercent is None
                    or (executor.snapshot.clock_ms or 0) < -3_000_000
                )
            )
            executor.want(setpoint(50 * KW))
            await driven.until(lambda: executor.alarms.get("interlock") == forbidden)
            assert (bess.truth(at)["setpoint_w"], bess.truth(at)["power_w"]) == (0, 0)
            bess.ask(do="clear", storage=at)
            await driven.until(lambda: stands(executor, 50 * KW))
            assert "interlock" not in executor.alarms
            await driven.until(lambda: not executor.untold)
        assert (await store.told("a"))[0].interlocks == (forbidden,)

    asyncio.run(drive())


async def _refused(store: Store, number: int) -> None:
    """Until so many are on record."""
    pause = 0.02
    told = await store.told("a")
    while [one.status for one in told].count("refused") < number:
        await asyncio.sleep(pause)
        told = await store.told("a")


def test_a_setpoint_beyond_the_nameplate_on_record_is_not_written_whoever_wishes_it(
    store: Store, bess: RunningPeer, tmp_path: Path, journals: Journals
) -> None:
    """200 kW are registered of a device whose profile knows 250 kW."""

    async def drive() -> None:
        journal = journals(tmp_path / "journal", "run-1")
        async with driving(store, fleet_device("a", bess.ports[3]), journal, "run-1") as driven:
            executor = driven.executor
            executor.limits = msgspec.structs.replace(LIMITS, charge_w=200 * KW, discharge_w=200 * KW)
            for number, power_w in enumerate((201 * KW, -201 * KW, 2**31 - 1), 1):
                executor.want(setpoint(50 * KW))
                await driven.until(lambda: stands(executor, 50 * KW) and "interlock" not in executor.alarms)
                executor.want(setpoint(power_w))
                await driven.until(lambda: executor.alarms.get("interlock") == "power_limit")
                # Before that the next wish would supersede it.
                await _refused(store, number)
                assert bess.truth(3)["setpoint_w"] in (50 * KW, 0)
            executor.want(setpoint(200 * KW))
            await driven.until(lambda: stands(executor, 200 * KW))
            await driven.until(lambda: not executor.untold)
        beyond = [one for one in await store.told("a") if abs(one.setpoint.setpoint_w) > 200 * KW]
        assert [one.status for one in beyond] == ["refused"] * 3

    asyncio.run(drive())


def test_a_register_that_ends_at_the_plate_is_never_given_more(
    store: Store, bess: RunningPeer, tmp_path: Path, journals: Journals
) -> None:
    async def drive() -> None:
        journal = journals(tmp_path, "run-1")
        async with driving(store, fleet_device("a", bess.ports[2]), journal, "run-1") as driven:
            driven.executor.want(setpoint(2**31 - 1))
            await driven.until(lambda: stands(driven.executor, 250 * KW))
            await driven.until(lambda: not driven.executor.untold)
        (one,) = await store.told("a")
        assert one.setpoint.setpoint_w == 250 * KW, "what is on record is what was written"

    asyncio.run(drive())


def test_a_fleet_whose_profile_has_points_over_each_other_is_refused_and_names_them(tmp_path: Path) -> None:
    text = (EXAMPLES / "bess_swapped.toml").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if "address = " in line and "name = " in line]
    twice = lines[0].replace('name = "', 'name = "again_')
    (tmp_path / "wrong.toml").write_text(text.replace(lines[0], f"{lines[0]}\n{twice}"), encoding="utf-8")
    fleet = tmp_path / "fleet.toml"
    fleet.write_text(
        '[[devices]]\nid = "a"\nprofile = "wrong.toml"\n'
        'address = { type = "modbus_tcp", host = "127.0.0.1", port = 1 }\n',
        encoding="utf-8",
    )
    with pytest.raises(
        Refused, match=r"points\[1\].address: its registers are power's, which end at 1001"
    ) as refused:
        fleet_file.load(fleet)
    assert refused.value.code == "point_overlap"
    assert "wrong.toml" in str(refused.value)
