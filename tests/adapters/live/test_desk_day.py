"""The example of a desk's day runs against a real server and tells the story of its bid."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import DAY, MARKET, ROOT, UNIT, furnish
from tests.adapters.http.conftest import Api
from tests.adapters.live.listening import RunningServer


def test_the_example_goes_from_gate_to_position(bench: Bench) -> None:
    furnish(bench)
    api = Api(bench)
    served = RunningServer(api)
    try:
        keys = {
            "WATTLEDGER_KEY": api.grant("market_desk", actor="anna"),
            "WATTLEDGER_SECOND_KEY": api.grant("market_desk", actor="bert"),
        }
        script = [sys.executable, str(ROOT / "examples/desk/day.py"), MARKET, "day_ahead", UNIT, str(DAY)]
        done = subprocess.run(
            [*script, "--url", served.url, "--wait", "1.5"],
            env=os.environ | keys,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        stored = bench.recorder.max_notification_id()
        again = subprocess.run(
            [*script, "--url", served.url],
            env=os.environ | keys,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        served.stop()
        api.close()
    heads = [line.split()[0] for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert heads[:6] == ["gate", "check", "draft", "approve", "submit", "receipt"], done.stdout
    assert "result  submitted" in done.stdout
    live = [line.split()[2] for line in done.stdout.splitlines() if line.startswith("  live")]
    assert {"bid.drafted.v1", "bid.approved.v1", "bid.submitted.v1", "commitment.made.v1"} <= set(live)
    assert again.returncode == 0, again.stderr
    assert stored == bench.recorder.max_notification_id(), "the same day again stores nothing"
