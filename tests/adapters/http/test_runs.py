"""Runs over the API: provisional, by their calendar, labelled, and beyond the look-back by two persons."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledger import contract_file
from ledger.book import Book, FoundBook
from ledger.published_tariff import PublishTariff
from ledger.signed_contract import RegisterContract
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import HOST, Api, problem
from tests.adapters.test_provisional import record_days
from tests.adapters.test_settling import CONTRACT, TARIFF, founded

CALENDAR = (Path(__file__).parents[3] / "examples/calendars/shaanxi_v2.toml").read_text(encoding="utf-8")
SINCE = "/v1/run-calendars?effective_from=2025-12-31T16:00:00Z"
NAMED = msgspec.structs.replace(CONTRACT, run_calendar="shaanxi_v2")
RUN = f"/v1/settlements/{CONTRACT.id}/2026-08"


def ok(answer: Any) -> Any:
    assert answer.status_code in {200, 201}, answer.text
    return answer.json()


@pytest.fixture
def api(bench: Bench) -> Any:
    founded(bench)
    made = Api(bench)
    ok(made.post(SINCE, CALENDAR.encode(), "finance", headers={"Content-Type": "application/toml"}))
    bench.door.execute(RegisterContract(NAMED), command_id="named", actor="ada")
    yield made
    made.close()


def settle(api: Api, **body: Any) -> Any:
    answer = api.post("/v1/settlements", {"month": "2026-08", **body}, "finance")
    api.wait()
    return answer


def standings(api: Api, on: str, **more: str) -> dict[str, str]:
    (month,) = ok(api.get("/v1/runs/due", "auditor", effective=on, month="2026-08", **more))["items"]
    assert (month["calendar"], month["corrected_until"]) == ("shaanxi_v2", "2027-02")
    return {stage["stage"]: stage["standing"] for stage in month["stages"]}


def test_from_daily_results_to_a_labelled_correction(api: Api) -> None:
    record_days(api.bench, 0, 14, "first")
    assert standings(api, "2026-08-20")["provisional"] == "overdue"
    (run,) = ok(settle(api, through="2026-08-14"))["runs"]
    assert (run["run_kind"], run["causes"]) == ("provisional", [])
    assert standings(api, "2026-08-20")["provisional"] == "done"
    statement = ok(api.get(f"/v1/statements/{CONTRACT.id}/2026-08/{HOST}", "partner"))["statement"]
    assert (statement["run_kind"], statement["delta"]) == ("provisional", "0.00")
    problem(
        api.post(f"/v1/statements/{CONTRACT.id}/2026-08/{HOST}/1/review", role="finance"), 422, "provisional"
    )
    problem(settle(api, through="2026-08-13"), 422, "through", "through")
    problem(settle(api, through="2026-09-13"), 422, "through", "through")
    problem(settle(api), 422, "missing_readings")

    record_days(api.bench, 14, 17, "second")
    assert standings(api, "2026-09-07")["initial"] == "due"
    ok(settle(api))
    problem(settle(api, through="2026-08-31"), 422, "provisional", "month")
    at = standings(api, "2026-09-08")
    assert (at["initial"], at["check"], at["final"]) == ("done", "due", "not_due")
    record_days(api.bench, 3, 1, "again", discharge_wh=40_000)
    dearer = msgspec.structs.replace(
        TARIFF,
        schedules=tuple(msgspec.structs.replace(one, float_rule=None) for one in TARIFF.schedules),
        tables=tuple(
            msgspec.structs.replace(
                one, components=None, prices=msgspec.structs.replace(one.prices, flat=one.prices.peak)
            )
            for one in TARIFF.tables
        ),
    )
    api.bench.door.execute(PublishTariff(dearer), command_id="t2", actor="ada")
    (run,) = ok(settle(api))["runs"]
    assert (run["run"], run["run_kind"]) == (3, "correction 1")
    assert set(run["causes"]) == {"price", "meter"}
    assert run["classes"] == ["data_error", "rule_or_price_change"]
    amended = msgspec.structs.replace(NAMED, title="Amended in September for August")
    api.bench.door.execute(RegisterContract(amended), command_id="k2", actor="ada")
    ok(settle(api))
    listed = ok(api.get("/v1/settlements", "auditor", month="2026-08"))["items"]
    assert [one["causes"] for one in listed][3:] == [["retroactive_amendment"]]
    shown = ok(api.get(RUN, "auditor"))["settlement"]["run"]
    assert (shown["run"], shown["classes"]) == (4, ["data_error"])
    statement = ok(api.get(f"/v1/statements/{CONTRACT.id}/2026-08/{HOST}", "partner"))["statement"]
    assert (statement["causes"], statement["classes"]) == (["retroactive_amendment"], ["data_error"])


def test_what_is_done_is_said(api: Api) -> None:
    record_days(api.bench, 0, 31, "first")
    ok(settle(api))
    keys = [f"/v1/statements/{CONTRACT.id}/2026-08/{party}/1" for party in CONTRACT.party_ids]
    for path in keys:
        ok(api.post(f"{path}/review", role="finance"))
    api.wait()
    at = standings(api, "2026-09-09")
    assert (at["check"], at["resolve"], at["final"]) == ("done", "due", "due")
    for path in keys:
        ok(api.post(f"{path}/approve", role="admin"))
    ok(api.post(f"{RUN}/finalise", {"run": 1}, "finance"))
    api.wait()
    assert set(standings(api, "2026-09-09").values()) == {"done"}
    record_days(api.bench, 3, 1, "again", discharge_wh=40_000)
    ok(settle(api))
    at = standings(api, "2026-09-09")
    assert (at["initial"], at["check"], at["final"]) == ("done", "overdue", "due"), "of the latest run"
    pages = ok(api.get("/v1/runs/due", "auditor", effective="2026-10-01", limit=5))
    months = [one["month"] for one in pages["items"]]
    assert months == sorted(months)
    cursor = pages["next_cursor"]
    rest = ok(api.get("/v1/runs/due", "auditor", effective="2026-10-01", limit=5, cursor=cursor))
    assert not {one["month"] for one in rest["items"]} & set(months)
    assert "2026-10" in {one["month"] for one in rest["items"]}


def test_calendars_are_listed_with_their_versions(api: Api) -> None:
    later = CALENDAR.replace("look_back_months = 6", "look_back_months = 3")
    ok(api.post(SINCE, later.encode(), "finance", headers={"Content-Type": "application/toml"}))
    api.wait()
    versions = ok(api.get("/v1/run-calendars/shaanxi_v2", "auditor"))["versions"]
    assert [one["document"]["look_back_months"] for one in versions] == [6, 3]
    assert [one["id"] for one in ok(api.get("/v1/run-calendars", "auditor"))["items"]] == ["shaanxi_v2"]
    problem(api.get("/v1/run-calendars/other", "auditor"), 404, "unknown_run_calendar")
    broken = CALENDAR.replace("check_working_day = 6", "check_working_day = 2").encode()
    problem(
        api.post(SINCE, broken, "finance", headers={"Content-Type": "application/toml"}),
        422,
        "run_calendar_days",
    )
    problem(api.post(SINCE, CALENDAR.encode(), "auditor"), 403, "forbidden")


def test_beyond_the_look_back_two_persons_let_one_correction_through(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settled in September 2026, corrected in April 2027: eight months back."""
    two = FoundBook(Book("A test portfolio", "operator", "CNY", "Asia/Shanghai", "two_persons"))
    monkeypatch.setattr(sample, "found_book", lambda: two)
    founded(bench)
    api = Api(bench)
    try:
        _beyond_the_look_back(api)
    finally:
        api.close()


def _beyond_the_look_back(api: Api) -> None:
    bench = api.bench
    for role, actor in (("finance", "ada"), ("admin", "bob")):
        api.secrets[role] = api.grant(role, actor=actor)  # type: ignore[arg-type]
    calendar = ok(api.post(SINCE, CALENDAR.encode(), "finance", headers={"Content-Type": "application/toml"}))
    ok(api.post(f"/v1/proposals/{calendar['proposal']}/approve", role="admin"))
    bench.door.execute(RegisterContract(NAMED), command_id="named", actor="ada")
    record_days(bench, 0, 31, "first")
    api.wait()
    (initial,) = ok(settle(api))["runs"]
    bench.now += timedelta(days=212)
    record_days(bench, 3, 1, "again", discharge_wh=40_000)
    body = problem(settle(api), 422, "look_back", f"contract {CONTRACT.id}")
    assert "2026-08 is 8 months back on 2027-04-" in body["detail"]
    asked = ok(api.post(f"{RUN}/waive-look-back", {"reason": "the operator did too"}, "finance"))
    problem(settle(api), 422, "look_back")
    problem(api.post(f"/v1/proposals/{asked['proposal']}/approve", role="finance"), 422, "four_eyes")
    ok(api.post(f"/v1/proposals/{asked['proposal']}/approve", role="admin"))
    (run,) = ok(settle(api))["runs"]
    assert (run["run_kind"], run["causes"]) == ("correction 1", ["meter"])
    assert run["payable"] != initial["payable"]
    record_days(bench, 3, 1, "third", discharge_wh=30_000)
    problem(settle(api), 422, "look_back")
    problem(api.post(f"{RUN}/waive-look-back", {"reason": "x"}, "auditor"), 403, "forbidden")


def test_a_named_calendar_must_be_published(bench: Bench) -> None:
    text = (
        (Path(__file__).parents[3] / "examples/contracts/eaas-s1.toml")
        .read_text(encoding="utf-8")
        .replace('run_calendar = "plain" ', 'run_calendar = "shaanxi_v2" ', 1)
    )
    assert contract_file.parse(text) == NAMED
    founded(bench)
    api = Api(bench)
    toml = {"Content-Type": "application/toml"}
    try:
        body = problem(
            api.post("/v1/contracts", text.encode(), "finance", headers=toml),
            422,
            "run_calendar_missing",
            "run_calendar",
        )
        assert "'shaanxi_v2', which is not published" in body["detail"]
        ok(api.post(SINCE.replace("2025-12-31", "2026-08-31"), CALENDAR.encode(), "finance", headers=toml))
        ok(api.post("/v1/contracts", text.encode(), "finance", headers=toml))
        api.wait()
        answer = api.get("/v1/runs/due", "auditor", effective="2026-09-01", month="2026-08")
        body = problem(answer, 422, "run_calendar_missing", "run_calendar")
        assert "which is not published for 2026-08" in body["detail"], "nothing else is there to tell"
    finally:
        api.close()
