"""While a setpoint stands: its timer is refreshed, and its own meter says whether it is done."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from adapters.driving import judging
from dispatch.control.site_load import PowerRange
from tests.adapters.bess_peer.running_peer import EXAMPLES, peer
from tests.adapters.driving.driven import (
    KW,
    Journals,
    Store,
    driving,
    fleet_device,
    now,
    setpoint,
    stands,
)


@pytest.mark.fault
def test_a_timer_shorter_than_the_setpoint_is_refreshed_without_another_intent(
    store: Store, tmp_path: Path, journals: Journals
) -> None:
    text = (EXAMPLES / "bess_swapped.toml").read_text()
    profile = tmp_path / "short"
    profile.with_suffix(".toml").write_text(text.replace("maximum = 3600", "maximum = 6"))

    async def drive(port: int) -> None:
        journal = journals(tmp_path / "journal", "run-1")
        async with driving(store, fleet_device("a", port, str(profile)), journal, "run-1") as driven:
            executor = driven.executor
            executor.want(setpoint(50 * KW, lasts_s=60))
            await driven.until(lambda: stands(executor, 50 * KW))
            before = bess.truth(0)
            for _ in range(18):
                await asyncio.sleep(0.5)
                assert bess.truth(0)["target_w"] == 50 * KW, "the device's timer of 6 s ended it"
            after = bess.truth(0)
            written = after["writes"] - before["writes"] - (after["beats"] - before["beats"])
            assert 6 <= written <= 15, "three registers, a third of the timer apart"
            await driven.until(lambda: not executor.untold)
        (one,) = await store.told("a")
        assert one.status == "seen"

    with peer(str(profile)) as bess:
        asyncio.run(drive(bess.ports[0]))


def test_where_the_storage_has_a_meter_of_its_own_that_says_whether_it_is_done(
    store: Store, tmp_path: Path, journals: Journals
) -> None:
    async def drive(port: int) -> None:
        journal = journals(tmp_path / "journal", "run-1")
        async with driving(store, fleet_device("a", port), journal, "run-1") as driven:
            executor = driven.executor
            executor.metered("M1", 0, now())
            executor.want(setpoint(20 * KW))
            await driven.until(lambda: stands(executor, 20 * KW))
            await driven.until(lambda: executor.snapshot.power_w == 20 * KW)
            standing = executor.standing
            assert standing is not None
            assert not standing.seen, "what the device says of itself is not asked for"
            executor.metered("M1", 0, standing.expected_at)
            assert "meter_disagrees" not in executor.alarms, "it may ramp up to then"
            executor.metered("M1", 9 * KW, standing.expected_at.replace(year=now().year + 1))
            assert executor.alarms["meter_disagrees"] == "9000 W in place of 20000 W"
            executor.metered("M1", 19 * KW, now())
            assert standing.seen
            assert "meter_disagrees" not in executor.alarms
            await driven.until(lambda: not executor.untold)
        (one,) = await store.told("a")
        assert (one.status, one.meter, one.measured_w) == ("seen", "M1", 19 * KW)

    with peer("bess_swapped") as bess:
        asyncio.run(drive(bess.ports[0]))


def test_what_the_others_of_the_site_were_told_is_part_of_the_last_look(
    store: Store, tmp_path: Path, journals: Journals
) -> None:
    """500 kW may leave the site, and the others were told 450 kW: 60 kW more are not written, 40 kW are."""

    async def drive(port: int) -> None:
        journal = journals(tmp_path / "journal", "run-1")
        async with driving(store, fleet_device("a", port), journal, "run-1") as driven:
            executor = driven.executor
            assert executor.aims() == PowerRange(0, 0)
            executor.beside = lambda: PowerRange(-450 * KW, 450 * KW)
            executor.want(setpoint(60 * KW))
            await driven.until(lambda: executor.alarms.get("interlock") == "grid_export")
            assert bess.truth(0)["setpoint_w"] == 0
            executor.want(setpoint(-60 * KW))
            await driven.until(lambda: executor.alarms.get("interlock") == "grid_import")
            executor.want(setpoint(40 * KW))
            await driven.until(lambda: stands(executor, 40 * KW))
            assert executor.aims() == PowerRange(40 * KW, 40 * KW), "it is on its way there"
            standing = executor.standing
            assert standing is not None
            standing.expected_at = now()
            await driven.until(lambda: executor.snapshot.power_w == 40 * KW)
            bess.fault("acknowledge_only")
            executor.want(setpoint(10 * KW))
            await driven.until(lambda: stands(executor, 10 * KW))
            assert executor.standing is not None
            executor.standing.expected_at = now()
            assert executor.aims() == PowerRange(10 * KW, 40 * KW), "it was told less, and does not do it"

    with peer("bess_swapped") as bess:
        asyncio.run(drive(bess.ports[0]))


@pytest.mark.fault
def test_more_than_was_told_is_named_though_the_setpoint_changes_each_few_seconds(
    store: Store, tmp_path: Path, journals: Journals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is younger than the time that it is given; what it does was never told."""
    monkeypatch.setattr(judging, "METER_LATE", timedelta(seconds=5))

    async def drive(port: int) -> None:
        journal = journals(tmp_path / "journal", "run-1")
        async with driving(store, fleet_device("a", port), journal, "run-1") as driven:
            executor = driven.executor
            loop = asyncio.get_running_loop()
            end = loop.time() + 30
            for power_w in itertools.cycle((20 * KW, 30 * KW)):
                assert loop.time() < end, "nobody names it"
                executor.site_draws(PowerRange(0, 0), now())
                executor.want(setpoint(power_w))
                await driven.until(partial(stands, executor, power_w))
                changes = loop.time() + 2
                while loop.time() < changes:
                    executor.metered("M1", 200 * KW, now())
                    await asyncio.sleep(0.1)
                if "meter_disagrees" in executor.alarms:
                    assert "200000 W in place of" in executor.alarms["meter_disagrees"]
                    executor.metered("M1", power_w, now())
                    assert "meter_disagrees" not in executor.alarms
                    return

    with peer("bess_swapped") as bess:
        asyncio.run(drive(bess.ports[0]))
