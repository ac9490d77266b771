"""`register prices --format`: a public file's prices and facts in a book, once."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.refusal import Refused
from tests.adapters.cli.terminal import terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.gateway.test_caiso_prices import SMALL

RULE = Path(__file__).parents[3] / "examples" / "market_rules" / "regulation_caiso.toml"


def test_a_public_file_is_recorded_with_its_facts_once(
    bench: Bench, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Facts go first: under a rule that is not there, no price is stored either."""
    run = terminal_of(bench, capsys)
    file = tmp_path / "caiso.csv"
    file.write_text(SMALL, encoding="utf-8")
    command = ("register", "prices", str(file), "--format", "caiso", "--market", "caiso", "--node", "np15",
               "--regulation-rule", "caiso-regulation")  # fmt: skip
    before = bench.recorder.max_notification_id()
    with pytest.raises(Refused) as caught:
        run(*command)
    assert caught.value.code == "unknown_market_rule"
    assert bench.recorder.max_notification_id() == before
    run("register", "market-rule", str(RULE), "--from", "2020-01-01", "--zone", "America/Los_Angeles")
    told = run(*command)
    assert told.startswith("caiso.csv: 1 block of prices of caiso np15: 1 recorded, 0 known already\n")
    assert "  2 facts of caiso-regulation, 0 known already\n" in told
    assert "  note: day-ahead: 2 prices of 3600 s from 2020-01-01T08:00Z to 2020-01-01T10:00Z\n" in told
    stored = bench.recorder.max_notification_id()
    assert "  0 facts of caiso-regulation, 2 known already\n" in run(*command)
    assert bench.recorder.max_notification_id() == stored
