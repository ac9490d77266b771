"""Within a regulation band only what was written is ours: another's setpoint there is found, and named."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

import adapters.driving.judging as judging_module
from adapters.driving.device_writes import Found
from adapters.driving.judging import Judging
from adapters.driving.tried import AtDevice
from dispatch.control.setpoint import Setpoint
from tests.adapters.bess_peer.running_peer import peer
from tests.adapters.driving.driven import (
    KW,
    Journals,
    Store,
    driving,
    fleet_device,
    setpoint,
    stands,
)

START = datetime(2026, 8, 3, tzinfo=UTC)


@pytest.mark.fault
@pytest.mark.parametrize("signal_w", [None, 20 * KW])
def test_another_who_writes_within_the_band_is_found_and_written_over_once(
    store: Store, tmp_path: Path, journals: Journals, signal_w: int | None
) -> None:
    banded = msgspec.structs.replace(setpoint(0, origin="regulation"), band_w=250 * KW)
    ours_w = signal_w or 0

    async def drive(port: int) -> None:
        async with driving(store, fleet_device("a", port), journals(tmp_path, "run-1"), "run-1") as driven:
            executor = driven.executor
            executor.want(banded)
            await driven.until(lambda: stands(executor, 0))
            executor.follow(signal_w)
            await driven.until(lambda: bess.truth()["setpoint_w"] == ours_w)
            await asyncio.sleep(6)
            assert "foreign_writer" not in executor.alarms, "read once more meanwhile"
            bess.fault("second_writer", power_w=-30 * KW)
            await driven.until(lambda: "foreign_writer" in executor.alarms)
            assert executor.alarms["foreign_writer"] == f"stranger set {-30 * KW} W"
            await driven.until(lambda: stands(executor, 0) and bess.truth()["setpoint_w"] == ours_w)
            await driven.until(lambda: not executor.untold)
            told = (await store.told("a"))[0]
            assert (told.status, told.writer, told.found_w) == ("overridden", "stranger", -30 * KW)
            bess.fault("second_writer", power_w=-30 * KW)
            await driven.until(lambda: executor.standing is None)
            await asyncio.sleep(2)
            assert bess.truth()["setpoint_w"] == -30 * KW, "it is not fought"

    with peer("bess_swapped") as bess:
        asyncio.run(drive(bess.ports[0]))


@pytest.mark.fault
def test_the_alarm_is_over_when_what_we_wrote_has_held(
    store: Store, tmp_path: Path, journals: Journals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging_module, "FOREIGN_OVER", timedelta(seconds=2))

    async def drive(port: int) -> None:
        async with driving(store, fleet_device("a", port), journals(tmp_path, "run-1"), "run-1") as driven:
            executor = driven.executor
            executor.want(setpoint(20 * KW))
            await driven.until(lambda: stands(executor, 20 * KW))
            bess.fault("second_writer", power_w=-30 * KW)
            await driven.until(lambda: "foreign_writer" in executor.alarms)
            await driven.until(lambda: stands(executor, 20 * KW))
            assert "foreign_writer" in executor.alarms, "written over, and not yet over"
            await driven.until(lambda: "foreign_writer" not in executor.alarms)

    with peer("bess_swapped") as bess:
        asyncio.run(drive(bess.ports[0]))


@pytest.mark.parametrize(
    ("came_from_w", "target_w", "measured_w", "seen"),
    [
        (None, 0, -30 * KW, False),
        (None, 0, 4 * KW, True),
        (0, 20 * KW, 11 * KW, True),
        (0, 20 * KW, -30 * KW, False),
        (20 * KW, 20 * KW, 11 * KW, False),
    ],
)
def test_a_meter_has_seen_what_was_written_and_no_other_power_of_the_band(
    came_from_w: int | None, target_w: int, measured_w: int, *, seen: bool
) -> None:
    told: list[int] = []
    standing = AtDevice(
        setpoint=Setpoint(
            setpoint_w=0,
            expires_at=START + timedelta(hours=1),
            origin="regulation",
            cause="1",
            band_w=250 * KW,
        ),
        day=START.date(),
        target_w=target_w,
        came_from_w=came_from_w,
        before_w=0,
        written_at=START,
        confirmed=True,
        expected_at=START + timedelta(seconds=12),
    )
    one = SimpleNamespace(
        standing=standing,
        limits=SimpleNamespace(charge_w=250 * KW, discharge_w=250 * KW),
        alarms={},
        steps=SimpleNamespace(tell_seen=lambda *_: told.append(1)),
    )
    judging = Judging(cast("Any", one), cast("Any", None))
    judging.metered("M1", Found(measured_w, START + timedelta(seconds=20)))
    assert (standing.seen, bool(told), one.alarms) == (seen, seen, {})
