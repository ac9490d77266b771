"""An award shared out, handed over and shown at a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.refusal import Refused
from tests.adapters.cli.terminal import Terminal, terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import DAY, MARKET, MW, UNIT, bid, furnish
from tests.adapters.desk.test_sharing_out import at_market, cleared, record
from tests.adapters.http.conftest import Api
from trading.clearing import Award


@pytest.fixture
def run(bench: Bench, capsys: pytest.CaptureFixture[str]) -> Iterator[Terminal]:
    """Of a book whose bid b1 was awarded 1 MW for a quarter-hour."""
    desk = furnish(bench)
    power = tuple(MW if quarter == 72 else 0 for quarter in range(96))
    at_market(bench, desk, bid())
    record(bench, desk, cleared(Award(bid="b1", power_w=power)))
    api = Api(bench)
    yield terminal_of(bench, capsys)
    api.close()


def test_an_award_at_a_terminal(run: Terminal, tmp_path: Path) -> None:
    assert run("sharing", "show", "b1") == "bid b1 is not shared out\n"
    with pytest.raises(Refused) as refused:
        run("sharing", "out", MARKET, "day_ahead", f"{DAY}", "--as", "anna")
    assert refused.value.code == "sharing_missing"
    terms = tmp_path / "terms.toml"
    terms.write_text('discount = "100%"\nconfidence = "100%"\n\n[sites]\nS2 = "50%"\n')
    told = run("sharing", "state", UNIT, str(terms), "2026-08-01", "--as", "anna")
    assert told.startswith(f"sharing out of {UNIT} stated: event ")
    able = tmp_path / "sites.json"
    able.write_text('{"sites": {"S1": [' + ", ".join(["300000"] * 96) + "]}}")
    run("sharing", "sites", UNIT, f"{DAY}", str(able), "--as", "anna")
    told = run("sharing", "out", MARKET, "day_ahead", f"{DAY}", "--as", "anna")
    assert told == "bid b1: award shared out among its sites\n"
    again = run("sharing", "out", MARKET, "day_ahead", f"{DAY}", "--as", "anna")
    assert again == "all shared out and handed over already\n"
    shown = run("sharing", "show", "b1").splitlines()
    assert shown[1:] == [
        "  S1: up to 300000 W toward the grid, 0 W from it, in 1 intervals",
        "  S2: up to 700000 W toward the grid, 0 W from it, in 1 intervals",
        "  without a site: up to 0 W toward the grid, 0 W from it, in 0 intervals",
    ]
    rows = run("position", "show", UNIT, f"{DAY}").splitlines()
    [row] = [line for line in rows if line.startswith("2026-09-03T10:00Z")]
    assert row.split()[1:4] == ["cleared", "250000", "-"]
    assert row.endswith("day_ahead 0..1000000 W, awarded 1000000")
    told = run("position", "profit", UNIT, f"{DAY}").splitlines()
    assert told[2].split()[:4] == [f"{DAY}", "cleared", "100", "0"]
    assert told[3] == "realised 0, open 100"
    assert run("story", "bid", "b1").count("shared out") >= 1
