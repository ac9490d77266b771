"""From recorded prices and readings to a forecast on record: at the command line and by HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest

from dispatch.forecasts.forecast import Forecast
from ledger.recorded_price import PricesRecorded, RecordPrices
from ledger.refusal import Refused
from tests.adapters.cli.terminal import Terminal, terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api, problem
from tests.adapters.test_settling import filled

NODE = ("spot", "north")


def prices(bench: Bench, month: int, last: int) -> None:
    """Hourly day-ahead prices of 2026, UTC days 1 to `last` of a month."""
    start = datetime(2026, month, 1, tzinfo=UTC)
    hours = np.arange(last * 24)
    mantissas = 4000 + np.rint(1500 * np.sin((hours - 3) / 24 * 2 * np.pi)).astype(int) + hours % 7
    block = PricesRecorded(
        *NODE, "day_ahead", 3600, "CNY", start, 6, tuple((100 * mantissas).tolist()), "made up for the tests"
    )
    bench.door.execute(RecordPrices(block), command_id=f"prices-{month}", actor="desk")


@pytest.fixture
def api(bench: Bench) -> Iterator[Api]:
    bench.now = datetime(2026, 8, 5, 12, tzinfo=UTC)
    filled(bench)
    prices(bench, 7, 31)
    prices(bench, 8, 5)
    made = Api(bench)
    made.wait()
    yield made
    made.close()


@pytest.fixture
def run(bench: Bench, api: Api, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return terminal_of(bench, capsys)


def test_a_price_forecast_is_a_version_and_is_found_again(run: Terminal, api: Api, bench: Bench) -> None:
    """Prices up to 5 August, 24:00 UTC: 6 August in Shanghai is half known, and is forecast."""
    asked = ("forecast", "price:spot:north:day_ahead", "2026-08-06")
    shown = run(*asked, "--check")
    assert "not put on record" in shown
    assert api.get("/v1/forecasts", "operator").json()["items"] == []
    made = msgspec.json.decode(run(*asked, "--format", "json"), type=Forecast)
    hours = np.arange(24) - 8
    truth = 400_000 + 150_000 * np.sin((hours - 3) / 24 * 2 * np.pi)
    assert np.abs(np.array(made.expected) - truth).max() < 20_000
    assert made.currency == "CNY"
    assert made.issued_at < bench.now
    api.wait()
    body = api.get("/v1/forecasts/price_spot_north_day_ahead", "operator").json()
    assert body["issue"]["version"] == 1
    assert msgspec.convert(body["issue"]["document"], Forecast) == made
    [item] = api.get("/v1/forecasts", "auditor").json()["items"]
    assert item["id"] == "price_spot_north_day_ahead"
    assert item["effective_from"] == "2026-08-05T16:00:00Z"
    at = "/v1/forecasts/price_spot_north_day_ahead?effective=2026-08-0"
    assert api.get(f"{at}6T01:00:00Z", "operator").json()["issue"]["version"] == 1
    assert api.get(f"{at}6T16:00:00Z", "operator").json()["issue"] is None
    problem(api.get("/v1/forecasts/load_S9", "operator"), 404, "unknown_forecast")
    assert "forecast.issued.v1" in api.get(f"/v1/events/{item['sequence']}", "auditor").text


def test_as_of_before_later_prices_the_same_is_forecast(run: Terminal, api: Api, bench: Bench) -> None:
    """Prices recorded later, and a correction of earlier ones, change nothing of a forecast as of before."""
    last = bench.recorder.max_notification_id()
    asked = ("forecast", "price:spot:north:day_ahead", "2026-08-06", "--as-of", str(last), "--format", "json")
    before = run(*asked)
    start = datetime(2026, 8, 1, tzinfo=UTC)
    block = PricesRecorded(*NODE, "day_ahead", 3600, "CNY", start, 6, (900_000,) * 240, "corrected")
    bench.door.execute(RecordPrices(block), command_id="again", actor="desk")
    api.wait()
    assert run(*asked) == before
    with pytest.raises(Refused) as refused:
        run(*asked[:3], "--check")
    assert refused.value.code == "forecast_horizon"


def test_a_load_forecast_knows_the_site_and_refusals_say_why(run: Terminal, bench: Bench) -> None:
    """August's quarter-hours are between 320 and 1200 kW; a site without PV meters has no PV to forecast."""
    bench.now = datetime(2026, 8, 31, 15, tzinfo=UTC)
    shown = run("forecast", "load:S1", "2026-09-01", "--format", "json")
    made = msgspec.json.decode(shown, type=Forecast)
    assert len(made.expected) == 96
    assert 650_000 < np.mean(made.expected) < 870_000
    assert made.scores is not None
    assert 800 <= made.scores.covered_permille <= 980
    told = run("forecast", "load:S1", "2026-09-01", "--check")
    assert "% of the best value captured" in told
    for subject, code in (
        ("pv:S1", "meter_layout"),
        ("load:S9", "unknown_site"),
        ("revenue:S1", "forecast_market"),
        ("price:spot:south:day_ahead", "price_missing"),
        ("price:spot:north:balancing", "product"),
        ("wind:S1", "forecast_subject"),
    ):
        with pytest.raises(Refused) as refused:
            run("forecast", subject, "2026-09-01")
        assert refused.value.code == code
    with pytest.raises(Refused) as refused:
        run("forecast", "load:S1", "2026-08-31")
    assert refused.value.code == "forecast_horizon"
    assert timedelta(seconds=made.interval_s) * 96 == timedelta(days=1)
