"""A watchdog that nobody refreshed in time: what the device does then, though its register says otherwise."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec
import pytest

from tests.adapters.bess_peer.running_peer import EXAMPLES, peer
from tests.adapters.driving.driven import (
    KW,
    Journals,
    Store,
    driving,
    fleet_device,
    setpoint,
    stands,
)

pytestmark = pytest.mark.fault


def test_a_trip_is_seen_where_no_register_shows_it_and_the_setpoint_is_intended_anew(
    store: Store, tmp_path: Path, journals: Journals
) -> None:
    """bess_single has no enable: after its watchdog its setpoint register still holds what we wrote."""
    text = (EXAMPLES / "bess_single.toml").read_text()
    text = text.replace("period_s = 5, timeout_s = 15", "period_s = 1, timeout_s = 4")
    profile = tmp_path / "quick"
    profile.with_suffix(".toml").write_text(
        text.replace("writes_per_day = 20_000\nsteps", "writes_per_day = 90_000\nsteps")
    )

    async def drive(port: int) -> None:
        journal = journals(tmp_path / "journal", "run-1")
        async with driving(store, fleet_device("a", port, str(profile)), journal, "run-1") as driven:
            executor = driven.executor
            executor.limits = msgspec.structs.replace(executor.limits, has_clock=False)
            executor.want(setpoint(30 * KW))
            await driven.until(lambda: bool(executor.standing and executor.standing.seen))
            async with driven.poller.lock:
                await driven.until(lambda: bool(bess.truth(0)["tripped"]))
                await asyncio.sleep(1.5)
            assert bess.truth(0)["setpoint_w"] == 30 * KW
            await driven.until(lambda: executor.standing is None)
            assert "meter_disagrees" not in executor.alarms
            await driven.until(lambda: stands(executor, 30 * KW) and bess.truth(0)["target_w"] == 30 * KW)
            await driven.until(lambda: not executor.untold)
        told = await store.told("a")
        assert [(one.writer, one.raised_unrecorded) for one in told] == [("watchdog", False), (None, False)]
        assert told[0].found_w == 0

    with peer(str(profile)) as bess:
        asyncio.run(drive(bess.ports[0]))


@pytest.mark.parametrize("silent", [False, True])
def test_one_that_tripped_is_beaten_at_once_and_gives_its_power(
    store: Store, tmp_path: Path, journals: Journals, *, silent: bool
) -> None:
    """Time that is moved on is moved on for the device and for who refreshes its watchdog."""
    off_s = 0.0

    async def drive(port: int) -> None:
        nonlocal off_s
        journal, seconds = journals(tmp_path / "journal", "run-1"), lambda: time.monotonic() + off_s
        async with driving(store, fleet_device("a", port), journal, "run-1", seconds=seconds) as driven:
            executor = driven.executor
            executor.want(setpoint(30 * KW))
            await driven.until(lambda: bool(executor.standing and executor.standing.seen))
            if silent:
                bess.fault("black_hole")
                await driven.until(lambda: driven.poller.silent)
            async with driven.poller.lock:
                bess.ask(do="lapse", ms=40_000, beats=False)
                off_s += 40
            assert bess.truth()["tripped"]
            if silent:
                await driven.until(lambda: "watchdog" in executor.alarms)
                bess.clear()
            begun = time.monotonic()
            await driven.until(lambda: not bess.truth()["tripped"])
            assert time.monotonic() - begun < 6, "no period later, which is 10 s"
            await driven.until(lambda: bess.truth()["power_w"] == 30 * KW)

    # Its clock is to be within half a minute of ours before and after.
    with peer("bess_swapped", "--ahead-ms=-20000") as bess:
        asyncio.run(drive(bess.ports[0]))
