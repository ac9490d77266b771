"""`make client` gives a typed client that works against a real server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import ROOT, approved, bid, furnish
from tests.adapters.http.conftest import Api
from tests.adapters.live.listening import RunningServer

SCRIPT = """
import sys
from wattledger_client.api.trading_desk import v1_bids_list_bids, v1_bids_name_submit_submit_bid
from wattledger_client.client import AuthenticatedClient
from wattledger_client.models.submission import Submission

client = AuthenticatedClient(base_url=sys.argv[1], token=sys.argv[2])
page = v1_bids_list_bids.sync(client=client)
(found,) = page.items
done = v1_bids_name_submit_submit_bid.sync(
    found.id, client=client, body=Submission(revision=found.revision), idempotency_key="from-the-client"
)
print(found.id, found.status, done.status)
"""


@pytest.mark.fault
@pytest.mark.long
def test_a_generated_client_submits_a_bid(bench: Bench, tmp_path: Path) -> None:
    make = (ROOT / "Makefile").read_text()
    recipe = re.search(r"^client:.*\n((?:\t.*\n)+)", make, re.MULTILINE)
    assert recipe is not None
    described, generated = tmp_path / "openapi.json", tmp_path / "wattledger_client"
    commands = (
        recipe[1]
        .replace("$(PY)", sys.executable)
        .replace("$(CURDIR)/.venv/bin", sysconfig.get_path("scripts"))
        .replace(".uv/tmp/openapi.json", str(described))
        .replace("var/client/wattledger_client", str(generated))
        .replace("$$", "$")
    )
    made = subprocess.run(
        ["bash", "-euc", commands], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert made.returncode == 0, made.stdout + made.stderr
    desk = furnish(bench)
    approved(desk, bid())
    api = Api(bench)
    api.wait()
    served = RunningServer(api)
    try:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, served.url, api.grant("market_desk", actor="anna")],
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        served.stop()
        api.close()
    assert done.stdout.split() == ["b1", "approved", "submitted"], done.stdout + done.stderr
