"""`wattledger tell` killed again and again: no message is lost, and each comes again under its id at most."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from adapters.live.archive import LiveArchive
from adapters.webhooks.signing_keys import SigningKeys
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import ROOT, furnish
from tests.adapters.webhooks.receiver import Receiver
from trading.risk import ResumeTrading, StopTrading
from trading.webhook import RegisterWebhook, Webhook

_TIMES = 12


def teller(bench: Bench, folder: Path) -> subprocess.Popen[bytes]:
    environment = {
        "WATTLEDGER_BOOK": bench.book,
        "WATTLEDGER_NATS_URL": bench.nats.url,
        "WATTLEDGER_NATS_MONITOR_URL": bench.nats.monitor_url,
        "WATTLEDGER_NATS_SEED": str(bench.nats.app_seed),
        "WATTLEDGER_POSTGRES_URL": bench.postgres_url,
        "WATTLEDGER_STATE": str(folder / "var"),
    }
    command = [sys.executable, "-m", "adapters.main", "tell", "--loopback"]
    return subprocess.Popen(command, env=os.environ | environment, cwd=ROOT)


def test_a_killed_teller_loses_nothing_and_keeps_the_order(bench: Bench, tmp_path: Path) -> None:
    furnish(bench)
    receiver = Receiver(SigningKeys(tmp_path / "var/webhooks" / bench.book).made("k1"))
    receiver.pause_s = 0.05
    hook = Webhook(id="desk", url=receiver.url, key_id="k1", kinds=("risk",))
    start = bench.door.execute(RegisterWebhook(hook, "anna"), command_id="hook", actor="anna").sequence
    projector = bench.projector()
    thread = threading.Thread(target=projector.run)
    thread.start()
    running: subprocess.Popen[bytes] | None = None
    try:
        for number in range(_TIMES):
            bench.door.execute(StopTrading("anna", "noon"), command_id=f"s{number}", actor="anna")
            bench.door.execute(ResumeTrading("bert", "on"), command_id=f"r{number}", actor="bert")
        for kill_after in (9, 2 * _TIMES):
            running = teller(bench, tmp_path)
            give_up = time.monotonic() + 20
            while len({one.id for one in receiver.heard}) < kill_after and time.monotonic() < give_up:
                time.sleep(0.005)
            running.kill()
            running.wait()
    finally:
        if running is not None:
            running.kill()
            running.wait()
        projector.stop()
        thread.join()
        receiver.close()
    told = [one.id for one in LiveArchive(bench.database, bench.book).after(start).messages]
    assert len(told) == 2 * _TIMES
    heard = [one.id for one in receiver.heard]
    assert list(dict.fromkeys(heard)) == told
    assert len(heard) <= len(told) + 1, "at most the one under way at each kill comes again"
