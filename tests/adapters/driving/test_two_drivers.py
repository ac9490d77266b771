"""Two drivers, each a process of its own, on one device and one stream: one writes, the other waits for
it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.adapters.bess_peer.running_peer import ROOT, RunningPeer, peer
from tests.adapters.conftest import Bench
from tests.adapters.driving.driven import KW, Store

pytestmark = pytest.mark.fault
LEASE_S = 4
"""As the process takes it (driver_process)."""
WRITE_S, CLOCK_S = 5, 2


def begin(bench: Bench, bess: RunningPeer, folder: Path, run: str, power_w: int) -> subprocess.Popen[bytes]:
    postgres = bench.postgres_url
    given = (bench.nats.url, bench.nats.app_seed, bench.book, postgres, "bess_swapped", bess.ports[0])
    words = [str(one) for one in (*given, folder / run, run, power_w, "held")]
    return subprocess.Popen([sys.executable, "-m", "tests.adapters.driving.driver_process", *words], cwd=ROOT)


def test_the_other_writes_only_after_the_first_ones_lease_and_its_longest_write(
    store: Store, bench: Bench, tmp_path: Path
) -> None:
    powers = {40 * KW: "run-1", 60 * KW: "run-2"}
    with peer("bess_swapped") as bess:
        running = {run: begin(bench, bess, tmp_path, run, power) for power, run in powers.items()}
        try:
            first_w = _until_other_than(bess, 0, 20)
            winner = powers[first_w]
            # Both want something else all the time; one of them is heard.
            watched = time.monotonic() + 2
            while time.monotonic() < watched:
                assert bess.truth(0)["setpoint_w"] == first_w
                time.sleep(0.05)
            killed = time.monotonic()
            running[winner].kill()
            second_w = _until_other_than(bess, first_w, LEASE_S + WRITE_S + CLOCK_S + 10)
            took = time.monotonic() - killed
            assert (second_w, took > WRITE_S + CLOCK_S) == (sum(powers) - first_w, True), took
            deadline = time.monotonic() + 5
            newest = (told := asyncio.run(store.told("a")))[-1]
            while newest.by != powers[second_w] or newest.status not in ("read_back", "seen"):
                assert time.monotonic() < deadline, told
                time.sleep(0.1)
                newest = (told := asyncio.run(store.told("a")))[-1]
        finally:
            for one in running.values():
                one.kill()
                one.wait(10)
    written = [(one.setpoint.setpoint_w, one.by, one.fenced) for one in told if one.written_at is not None]
    assert written == [(first_w, winner, False), (second_w, powers[second_w], False)]
    tokens = [one.token for one in told if one.token]
    assert tokens == sorted(set(tokens))


def _until_other_than(bess: RunningPeer, power_w: int, seconds: float) -> int:
    """The setpoint that stands in place of that one."""
    deadline = time.monotonic() + seconds
    while (found := int(bess.truth(0)["setpoint_w"])) == power_w:
        assert time.monotonic() < deadline, "nobody writes"
        time.sleep(0.02)
    return found
