"""A clearing recorded and shown at a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from ledger.refusal import Refused
from tests.adapters.cli.terminal import Terminal, terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import DAY, MARKET, bid, furnish
from tests.adapters.desk.test_sharing_out import at_market, cleared
from tests.adapters.http.conftest import Api
from trading.clearing import clearing_id


@pytest.fixture
def run(bench: Bench, capsys: pytest.CaptureFixture[str]) -> Iterator[Terminal]:
    """Of a book whose bid b1 stands at the market."""
    at_market(bench, furnish(bench), bid())
    bench.now = datetime(2026, 9, 2, 10, tzinfo=UTC)
    api = Api(bench)
    yield terminal_of(bench, capsys)
    api.close()


def test_a_clearing_without_awards_at_a_terminal(run: Terminal, tmp_path: Path) -> None:
    name = clearing_id(MARKET, "day_ahead", DAY)
    file = tmp_path / "clearing.json"
    file.write_bytes(msgspec.json.encode(cleared()))
    told = run("clearing", "record", str(file), "--as", "carl")
    assert told.startswith(f"clearing {name} run 1: recorded, digest {cleared().digest}, event ")
    shown = run("clearing", "show", name).splitlines()
    assert shown[0].startswith(f"clearing {name} run 1, published 2026-09-02T10:00:00+00:00, event ")
    assert shown[1:] == ["  96 intervals, 400 to 400 CNY/MWh, from clearing-1.csv", "  nothing is awarded"]
    assert run("bid", "show", "b1").splitlines()[-2:] == [
        f"  awarded by {name}:",
        "  nothing in any interval",
    ]
    file.write_text("{}")
    with pytest.raises(Refused) as refused:
        run("clearing", "record", str(file), "--as", "carl")
    assert refused.value.code == "field_missing"
