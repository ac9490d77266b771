"""Webhooks at a terminal: a secret in a file, a fault that is seen, a replay; `tell` as its own process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ledger.refusal import Refused
from tests.adapters.cli.terminal import terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import ROOT, furnish
from tests.adapters.webhooks.receiver import Receiver
from trading.risk import ResumeTrading, StopTrading


def test_a_webhook_from_its_secret_to_a_replay(
    bench: Bench, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    furnish(bench)
    monkeypatch.chdir(tmp_path)
    projector = bench.projector()
    thread = threading.Thread(target=projector.run)
    thread.start()
    receiver = Receiver()
    run = terminal_of(bench, capsys)
    try:
        registered = run("webhook", "register", "desk", receiver.url, "--kind", "risk", "--unit", "vpp")
        (receiver.secret,) = re.findall(r"whsec_[A-Za-z0-9+/=]+", registered)
        assert "notice  127.0.0.1 is this machine: only `wattledger tell --loopback`" in registered
        receiver.answers.append(410)
        environment = {
            "WATTLEDGER_BOOK": bench.book,
            "WATTLEDGER_NATS_URL": bench.nats.url,
            "WATTLEDGER_NATS_MONITOR_URL": bench.nats.monitor_url,
            "WATTLEDGER_NATS_SEED": str(bench.nats.app_seed),
            "WATTLEDGER_POSTGRES_URL": bench.postgres_url,
            "WATTLEDGER_STATE": str(bench.nats.folder),
            "PYTHONPATH": str(ROOT),
        }
        tell = subprocess.Popen(
            [sys.executable, "-m", "adapters.main", "tell", "--loopback"],
            env=os.environ | environment,
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            bench.door.execute(StopTrading("anna", "noon"), command_id="stop", actor="anna")
            bench.door.execute(ResumeTrading("bert", "go on"), command_id="resume", actor="bert")
            heard = receiver.wait(1, 20)
            assert [one.type for one in heard] == ["risk.trading_resumed.v1"]
            dead = run("webhook", "dead-letters", "desk")
            assert "risk.trading_stopped.v1" in dead
            assert "410" in dead
            (sequence,) = re.findall(r":(\d+):0 ", dead)
            run("webhook", "replay", "desk", str(int(sequence) - 1))
            heard = receiver.wait(3, 20)
            assert [one.type for one in heard][1:] == ["risk.trading_stopped.v1", "risk.trading_resumed.v1"]
            assert "told up to" in run("webhook", "list")
            assert run("webhook", "stop", "desk", "over").startswith("webhook desk: stopped")
            assert "stopped" in run("webhook", "list")
        finally:
            tell.send_signal(signal.SIGTERM)
            _, errors = tell.communicate(timeout=20)
        assert tell.returncode == 0, errors
        assert run("webhook", "dead-letters", "desk") == ""
        with pytest.raises(Refused) as refused:
            run("webhook", "dead-letters", "nobody")
        assert refused.value.code == "unknown_webhook"
        with pytest.raises(Refused) as refused:
            run("webhook", "register", "desk", receiver.url, "--kind", "weather")
        assert refused.value.code == "live_kind"
        for url in ("https://10.1.2.3/alarms", "https://[fd00::1]:8443/", "https://169.254.1.1"):
            with pytest.raises(Refused, match="is private") as refused:
                run("webhook", "register", "plant", url)
            assert (refused.value.code, refused.value.place) == ("webhook_url", "url")
        assert "plant" not in run("webhook", "list")
    finally:
        receiver.close()
        projector.stop()
        thread.join()
