"""Forecasts and back-tests asked for by HTTP are the command line's, made in processes of their own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import pytest

from adapters.http import backtests, forecasts
from dispatch.forecasts.forecast import Forecast
from dispatch.planning.storage_terms import StateStorage
from tests.adapters import sample
from tests.adapters.cli.terminal import Terminal, terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import ROLES, Api, problem
from tests.adapters.test_backtest import TERMS
from tests.adapters.test_settling import filled

ASKED = {"subject": "load:S1", "first": "2026-09-01"}
MONTH = {"site": "S1", "month": "2026-08", "through": "2026-08-10"}


@pytest.fixture
def api(bench: Bench) -> Iterator[Api]:
    bench.now = datetime(2026, 8, 31, 15, tzinfo=UTC)
    filled(bench)
    made = Api(bench)
    made.wait()
    yield made
    made.close()


@pytest.fixture
def run(bench: Bench, api: Api, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return terminal_of(bench, capsys)


def test_a_forecast_is_made_once_and_is_the_command_lines(api: Api, run: Terminal) -> None:
    shown = msgspec.json.decode(run("forecast", "load:S1", "2026-09-01", "--check", "--format", "json"))
    answer = api.post("/v1/forecasts", ASKED, "market_desk", key="k1")
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert (body["id"], body["version"], body["model"]) == ("load_S1", 1, shown["model"])
    assert (body["unit"], body["currency"]) == ("W", "")
    again = api.post("/v1/forecasts", ASKED, "market_desk", key="k1")
    assert (again.headers["idempotency-replayed"], again.json()) == ("true", body)
    problem(
        api.post("/v1/forecasts", {**ASKED, "days": 2}, "market_desk", key="k1"), 409, "command_id_reused"
    )
    api.wait()
    issue = api.get("/v1/forecasts/load_S1", "operator").json()["issue"]
    assert (issue["version"], issue["sequence"]) == (1, body["sequence"])
    made = msgspec.convert(issue["document"], Forecast)
    assert made.features == shown["features"], "of the same numbers"
    assert (list(made.expected), len(made.expected)) == (shown["expected"], 96)


@pytest.mark.parametrize(
    ("given", "code", "place"),
    [
        ({"subject": "load:S9"}, "unknown_site", "subject"),
        ({"subject": "pv:S1"}, "meter_layout", "subject"),
        ({"subject": "wind:S1"}, "forecast_subject", "subject"),
        ({"subject": "load:../S1"}, "id", "subject"),
        ({"subject": "price:spot:south:day_ahead"}, "price_missing", None),
        ({"first": "2026-08-31"}, "forecast_horizon", "first"),
        ({"first": "9999-12-31"}, "forecast_horizon", "first"),
        ({"first": "0001-01-01"}, "forecast_horizon", "first"),
    ],
)
def test_what_cannot_be_forecast_is_refused(
    api: Api, given: dict[str, str], code: str, place: str | None
) -> None:
    problem(api.post("/v1/forecasts", {**ASKED, **given}), 422, code, place)


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("/v1/forecasts", ASKED),
        ("/v1/forecasts", {"subject": "wind:S9", "first": "2026-08-01"}),
        ("/v1/plans", {"portfolio": "S1"}),
        ("/v1/plans", {"portfolio": "S9", "day": "2026-08-01", "objective": "profit"}),
    ],
)
def test_a_missing_key_is_told_before_what_is_asked_for(api: Api, path: str, given: dict[str, str]) -> None:
    headers = {"Authorization": f"Bearer {api.secret('market_desk')}"}
    answer = api.client.post(path, headers=headers, json=given)
    problem(answer, 400, "parameter", "Idempotency-Key")


def test_one_forecast_at_a_time_and_for_those_who_may(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    with forecasts._FORECASTING:
        problem(api.post("/v1/forecasts", ASKED, key="k1"), 409, "planner_busy", "subject")
    monkeypatch.setattr(forecasts, "SECONDS", 0.0)
    problem(api.post("/v1/forecasts", ASKED, key="k1"), 422, "work_stopped")
    monkeypatch.undo()
    assert api.get("/v1/forecasts", "operator").json()["items"] == [], "what was stopped is not on record"
    assert api.post("/v1/forecasts", ASKED, key="k1").status_code == 201
    assert api.post("/v1/forecasts", ASKED, "finance").status_code == 403
    assert api.post("/v1/forecasts", {**ASKED, "days": 8}).status_code == 422


def test_a_backtest_is_the_command_lines_and_records_nothing(api: Api, run: Terminal, bench: Bench) -> None:
    problem(api.post("/v1/backtests", MONTH), 422, "storage_unstated")
    bench.door.record(StateStorage("S1", sample.FROM_2026, TERMS), actor="ada")
    api.wait()
    with backtests._TESTING:
        problem(api.post("/v1/backtests", MONTH), 409, "planner_busy", "site")
    secrets = {role: api.secret(role) for role in ROLES}
    before = bench.recorder.max_notification_id()
    answer = api.post(f"/v1/backtests?as_of={before}", MONTH, "finance")
    assert answer.status_code == 200, answer.text
    assert (len(secrets), bench.recorder.max_notification_id()) == (len(ROLES), before), "nothing is recorded"
    body = answer.json()
    assert body["position"] == before
    shown = run(
        "backtest", "S1", "2026-08", "--through", "2026-08-10", "--format", "json", "--as-of", f"{before}"
    )
    assert body["backtest"] == msgspec.json.decode(shown)
    assert api.post("/v1/backtests", MONTH, "partner").status_code == 403
    for given, code in (
        ({"site": "S9"}, "no_contract"),
        ({"issued": "25:00"}, "backtest_clock"),
        ({"month": "9999-12", "through": None}, "month"),
    ):
        problem(api.post("/v1/backtests", {**MONTH, **given}), 422, code)
