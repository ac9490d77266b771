"""Terms and limits by HTTP and at a terminal, and plans as they were known then."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from adapters.queries.recorded_plans import RecordedPlan
from ledger.refusal import Refused
from tests.adapters.cli.terminal import Terminal, terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api, problem
from tests.adapters.planning.plan_book import NOON_BEFORE, TERMS
from tests.adapters.test_settling import filled

DAY = "2026-08-20"


@pytest.fixture
def api(bench: Bench) -> Iterator[Api]:
    filled(bench)
    bench.now = NOON_BEFORE
    made = Api(bench)
    made.wait()
    yield made
    made.close()


@pytest.fixture
def run(bench: Bench, api: Api, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return terminal_of(bench, capsys)


def test_terms_limits_and_plans_have_their_history(
    run: Terminal, api: Api, bench: Bench, tmp_path: Path
) -> None:
    with pytest.raises(Refused) as refused:
        run("plan", "S1", DAY)
    assert refused.value.code == "storage_unstated"
    file = tmp_path / "terms.json"
    file.write_bytes(msgspec.json.encode(TERMS))
    assert run("storage", "terms", "S1", str(file), "--from", "2026-08-01", "--as", "ada").startswith(
        "terms of the storage of S1: event "
    )
    shown = run("plan", "S1", DAY)
    assert "plan 1 of S1 for 2026-08-20: event " in shown
    assert "96 intervals of 900 s from 2026-08-19T16:00Z, optimised" in shown
    assert "on record already" in run("plan", "S1", DAY)
    first = bench.recorder.max_notification_id()
    answer = api.post(
        "/v1/storage-limits/S1",
        {
            "effective_from": "2026-08-19T16:00:00Z",
            "document": {"reason": "off", "charge_w": 0, "discharge_w": 0},
        },
        "operator",
    )
    assert answer.status_code == 201, answer.text
    assert "plan 2 of S1" in run("plan", "S1", DAY)
    api.wait()
    body = api.get(f"/v1/plans/S1/{DAY}", "market_desk").json()
    assert (body["number"], body["head"]["basis"]) == (2, "optimised")
    assert set(body["sites"][0]["setpoint_w"]) == {0}
    then = api.get(f"/v1/plans/S1/{DAY}", "auditor", as_of=first).json()
    assert then["number"] == 1
    assert max(then["sites"][0]["setpoint_w"]) > 0
    assert api.get(f"/v1/plans/S1/{DAY}", "auditor", site="S2").json()["sites"] == []
    problem(api.get("/v1/plans/S1/2026-08-21", "operator"), 404, "unknown_plan")
    assert api.get(f"/v1/plans/S1/{DAY}", "partner").status_code == 403
    decoded = msgspec.json.decode(
        run("plan", "show", "S1", DAY, "--as-of", str(first), "--format", "json"), type=RecordedPlan
    )
    assert (decoded.number, decoded.head.portfolio) == (1, "S1")
    table = run("plan", "show", "S1", DAY)
    assert "2026-08-20 00:00 +0800" in table
    assert "0.0 / 50.0" in table


def test_terms_by_http_and_their_refusals(api: Api) -> None:
    terms = json.loads(msgspec.json.encode(TERMS))
    body = {"effective_from": "2025-12-31T16:00:00Z", "document": terms}
    assert api.post("/v1/storage-terms/S1", body, "operator").status_code == 201
    api.wait()
    assert api.get("/v1/storage-terms/S1", "auditor").json()["versions"][0]["document"] == terms
    assert [one["id"] for one in api.get("/v1/storage-terms", "finance").json()["items"]] == ["S1"]
    problem(api.get("/v1/storage-limits/S1", "auditor"), 404, "unknown_storage_limit")
    problem(api.get("/v1/storage-terms/S2", "auditor"), 404, "unknown_storage")
    for field, value in (("charge_w", 0), ("charge_w", 10**6), ("end_wh", 490_000)):
        wrong = {**body, "document": {**terms, field: value}}
        answer = problem(api.post("/v1/storage-terms/S1", wrong, "operator"), 422, "storage_terms")
        assert field in answer["place"]
    problem(api.post("/v1/storage-terms/S9", body, "operator"), 404, "unknown_site")
    assert api.post("/v1/storage-terms/S1", body, "finance").status_code == 403


def test_a_limit_above_the_storage_s_own_power_is_refused(run: Terminal, api: Api) -> None:
    """The storage of S1 has 250 kW: 999,999,999 W would be taken for a limit and limit nothing."""
    with pytest.raises(Refused) as refused:
        run("storage", "limit", "S1", "half is off", "--discharge-w", "999999999", "--as", "ada")
    assert (refused.value.code, refused.value.place) == ("imposed_limit", "discharge_w")
    assert "0 to 250000" in refused.value.reason
    body = {"effective_from": "2026-08-19T16:00:00Z", "document": {"reason": "off", "charge_w": 250_001}}
    answer = problem(api.post("/v1/storage-limits/S1", body, "operator"), 422, "imposed_limit")
    assert answer["place"] == "charge_w"
    most = {**body, "document": {"reason": "all of it", "charge_w": 250_000, "import_w": 10**9}}
    assert api.post("/v1/storage-limits/S1", most, "operator").status_code == 201
    problem(api.post("/v1/storage-limits/S9", body, "operator"), 404, "unknown_site")
