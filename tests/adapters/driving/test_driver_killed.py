"""A driver is killed at its worst moments: what the device does, and what the next driver puts on record."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dispatch.control.lease import TOKENS_A_DAY
from tests.adapters.bess_peer.running_peer import EXAMPLES, ROOT, RunningPeer, peer
from tests.adapters.conftest import Bench
from tests.adapters.driving.driven import KW, Journals, Store, driving, fleet_device, stands

pytestmark = pytest.mark.fault


def kill_at(when: str, bench: Bench, profile: str, bess: RunningPeer, folder: Path) -> None:
    postgres = bench.postgres_url
    arguments = (bench.nats.url, bench.nats.app_seed, bench.book, postgres, profile, bess.ports[0])
    process = subprocess.run(
        [sys.executable, "-m", "tests.adapters.driving.driver_process"]
        + [str(one) for one in (*arguments, folder, "run-1", 100 * KW, when)],
        cwd=ROOT,
        timeout=25,
        check=False,
    )
    assert process.returncode == -signal.SIGKILL


def test_killed_between_write_and_read_back_device_and_record_agree_after_the_restart(
    store: Store, bench: Bench, tmp_path: Path, journals: Journals
) -> None:
    with peer("bess_swapped") as bess:
        kill_at("written", bench, "bess_swapped", bess, tmp_path)
        assert bess.truth(0)["setpoint_w"] == 100 * KW
        writes = bess.truth(0)["writes"]
        assert [one.status for one in asyncio.run(store.told("a"))] == ["leased"]

        async def restart() -> None:
            journal = journals(tmp_path, "run-2")
            device = fleet_device("a", bess.ports[0])
            async with driving(store, device, journal, "run-2", ready=False) as driven:
                executor = driven.executor
                # The lease of the killed one: 4 s, 5 s for its last write, 2 s for its clock.
                await driven.until(lambda: executor.ready, 14)
                assert stands(executor, 100 * KW)
                assert executor.snapshot.setpoint_w == 100 * KW
                await driven.until(lambda: not executor.untold)
                told = (await store.told("a"))[0]
                assert (told.found_w, told.token % TOKENS_A_DAY, told.status in ("read_back", "seen")) == (
                    100 * KW,
                    1,
                    True,
                )
                beats = bess.truth(0)["beats"]
                # Not one setpoint was written by the second driver: only its heartbeats.
                assert bess.truth(0)["writes"] - writes <= beats

        asyncio.run(restart())


def test_killed_while_it_holds_a_setpoint_the_device_is_safe_within_its_watchdogs_time(
    store: Store, bench: Bench, tmp_path: Path
) -> None:
    text = (EXAMPLES / "bess_swapped.toml").read_text().replace("period_s = 10, timeout_s = 30", "{}")
    profile = tmp_path / "quick"
    profile.with_suffix(".toml").write_text(text.replace("{}", "period_s = 3, timeout_s = 9"))
    with peer(str(profile)) as bess:
        kill_at("seen", bench, str(profile), bess, tmp_path)
        killed = time.monotonic()
        assert bess.truth(0)["target_w"] == 100 * KW
        while bess.truth(0)["target_w"]:
            assert time.monotonic() - killed < 9.5
            time.sleep(0.1)
        assert bess.truth(0)["tripped"]
        assert [one.status in ("read_back", "seen") for one in asyncio.run(store.told("a"))] == [True]
