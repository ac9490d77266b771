"""A replay gives the same bytes in another process, under another hash seed, in another order."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from adapters import replay
from tests.adapters.conftest import Bench
from tests.adapters.test_tamper_published import settled


def test_hash_seed_and_order_change_no_byte(bench: Bench) -> None:
    settled(bench)
    here = replay.replay(bench.log, bench.database)
    assert here.equal
    expected = {"equal": True} | {table.table: table.sha256 for table in here.tables}
    assert len(set(expected.values())) > 5, "tables with rows have digests of their own"
    command = [
        sys.executable, "-m", "tests.adapters.replay_process", bench.nats.url, str(bench.nats.app_seed),
        bench.book, bench.database.url,
    ]  # fmt: skip
    running = [
        subprocess.Popen(
            [*command, str(shift)],
            env=os.environ | {"PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for shift, seed in ((0, "1"), (3, "4242"))
    ]
    for one in running:
        said, _ = one.communicate(timeout=60)
        assert json.loads(said) == expected
