"""An auction's result is registered the day before, the real-time prices when they come; what is not told yet
is missing, not zero."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.queries.price_series import series
from ledger.interval import Interval
from ledger.market_price import Product
from ledger.refusal import Refused
from tests.adapters import sample
from tests.adapters.cli.terminal import Terminal, terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api

START = datetime(2026, 8, 1, tzinfo=UTC)
WHOLE = Interval(START, START + timedelta(hours=2))
BOTH = "start_utc,day_ahead_cny_per_kwh,real_time_cny_per_kwh\n"
AUCTION = BOTH + "2026-08-01T00:00:00Z,0.3,\n2026-08-01T01:00:00Z,0.4,\n"
ONE_HOUR = BOTH + "2026-08-01T00:00:00Z,0.3,0.2\n2026-08-01T01:00:00Z,0.4,\n"
LATER = "start_utc,real_time_cny_per_kwh\n2026-08-01T00:00:00Z,0.2\n2026-08-01T01:00:00Z,0.5\n"


@pytest.fixture
def api(bench: Bench) -> Iterator[Api]:
    bench.door.execute(sample.found_book(), command_id="found", actor="ada")
    made = Api(bench)
    yield made
    made.close()


@pytest.fixture
def run(api: Api, bench: Bench, capsys: pytest.CaptureFixture[str]) -> Terminal:
    api.wait()
    return terminal_of(bench, capsys)


def registered(run: Terminal, file: Path, text: str) -> str:
    file.write_text(text)
    return run("register", "prices", str(file), "--market", "m", "--node", "n")


def known(api: Api, bench: Bench, product: Product) -> list[int]:
    """Hundredths of CNY per kWh of both hours.

    Raises:
        Refused: `price_missing`.
    """
    api.wait()
    with bench.database.reading(bench.book) as connection:
        found, _ = series(connection, 10**6, market="m", node="n", product=product, interval=WHOLE)
    block = found.between(WHOLE)
    return [int(one) * 100 // 10**block.scale for one in block.mantissas]


def test_real_time_prices_follow_the_days_before(
    run: Terminal, api: Api, bench: Bench, tmp_path: Path
) -> None:
    file = tmp_path / "prices.csv"
    told = registered(run, file, AUCTION)
    assert "1 block of prices of m n: 1 recorded" in told
    assert "note: no real_time prices are told: none is recorded" in told
    assert known(api, bench, "day_ahead") == [30, 40]
    with pytest.raises(Refused, match="no price") as found:
        known(api, bench, "real_time")
    assert found.value.code == "price_missing"

    told = registered(run, file, ONE_HOUR)
    assert "1 recorded, 1 known already" in told
    assert "note: real_time prices are told up to 2026-08-01T01:00Z: none is recorded after" in told
    with pytest.raises(Refused, match="real_time has no price from 2026-08-01 01:00") as found:
        known(api, bench, "real_time")
    assert found.value.code == "price_missing"

    assert "note: no day_ahead prices" in registered(run, file, LATER)
    assert (known(api, bench, "day_ahead"), known(api, bench, "real_time")) == ([30, 40], [20, 50])
    assert "registered already, nothing is new" in registered(run, file, LATER)


def test_real_time_prices_of_hours_that_are_not_over_are_refused(
    run: Terminal, bench: Bench, tmp_path: Path
) -> None:
    """A mistyped date: the file is refused whole, with the row, and the day-ahead ones are taken alone."""
    bench.now = START + timedelta(minutes=90)
    before = bench.recorder.max_notification_id()
    shuffled = BOTH + "2026-08-01T01:00:00Z,0.4,0.3\n2026-08-01T00:00:00Z,0.3,0.2\n"
    with pytest.raises(Refused, match="2026-08-01T02:00:00Z") as found:
        registered(run, tmp_path / "both.csv", shuffled)
    assert (found.value.code, found.value.place) == ("price_future", "row 2")
    assert bench.recorder.max_notification_id() == before
    told = registered(run, tmp_path / "one.csv", ONE_HOUR)
    assert "2 recorded" in told
    bench.now = START + timedelta(hours=2)
    assert "1 recorded" in registered(run, tmp_path / "later.csv", LATER)


def test_a_platforms_hours_that_are_not_over_are_refused(run: Terminal, bench: Bench, tmp_path: Path) -> None:
    header = "business_day,hour_business,interval_end_local,rt_price\n"
    file = tmp_path / "hours.csv"
    file.write_text(header + "2026-08-01,9,2026-08-01 09:00:00,300\n")
    asked = ("register", "prices", str(file), "--market", "m", "--node", "n", "--zone", "Asia/Shanghai")
    bench.now = START + timedelta(minutes=30)
    with pytest.raises(Refused) as found:
        run(*asked)
    assert (found.value.code, found.value.place) == ("price_future", "row 2")
    bench.now = START + timedelta(hours=1)
    assert "1 recorded" in run(*asked)
