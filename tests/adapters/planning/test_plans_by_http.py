"""A plan asked for by HTTP is the one that the command line makes: recorded once, the same refusals."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from adapters.http import one_at_a_time, plans
from adapters.http.one_at_a_time import WAITING_MAX
from ledger.refusal import Refused
from tests.adapters.cli.terminal import Terminal, terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api, problem
from tests.adapters.planning.plan_book import furnished

ASKED = {"portfolio": "S1", "day": "2026-08-20"}


@pytest.fixture
def api(bench: Bench) -> Iterator[Api]:
    furnished(bench)
    made = Api(bench)
    made.wait()
    yield made
    made.close()


@pytest.fixture
def run(bench: Bench, api: Api, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return terminal_of(bench, capsys)


def test_a_plan_is_made_once_whoever_asks(api: Api, run: Terminal) -> None:
    answer = api.post("/v1/plans", ASKED, "market_desk", key="k1")
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert (body["portfolio"], body["day"], body["number"]) == ("S1", "2026-08-20", 1)
    assert (body["recorded"], body["basis"], body["objective"]) == (True, "optimised", "cost")
    again = api.post("/v1/plans", ASKED, "market_desk", key="k1")
    assert (again.headers["idempotency-replayed"], again.json()) == ("true", body)
    problem(api.post("/v1/plans", {**ASKED, "days": 2}, "market_desk", key="k1"), 409, "command_id_reused")
    other = api.post("/v1/plans", {"portfolio": "S1"}, "operator").json()
    assert other == {**body, "recorded": False}, "tomorrow is that day, and its inputs are the same"
    assert "on record already" in run("plan", "S1", "2026-08-20")
    api.wait()
    shown = api.get("/v1/plans/S1/2026-08-20", "operator").json()
    assert (shown["number"], shown["sequence"]) == (1, body["sequence"])


def test_the_books_objective_and_one_of_the_plans_own(api: Api, run: Terminal) -> None:
    shown = run("plan", "objective", "grid_support > cost", "--support", "22:00-24:00", "--as", "ada")
    assert shown.startswith("plans are made for grid_support>cost 22:00-24:00: event ")
    assert "on record already" in run(
        "plan", "objective", "grid_support>cost", "--support", "22:00-24:00", "--as", "ada"
    )
    said = "grid_support, then cost (grid support from 22:00 to 24:00)"
    assert api.post("/v1/plans", ASKED).json()["objective"] == said
    assert f"objective: {said}" in run("plan", "show", "S1", "2026-08-20")
    own = api.post("/v1/plans", {**ASKED, "objective": "cost=2,grid_support=0.1", "support": "17:00-21:00"})
    assert own.json()["objective"].startswith("+ 2 x cost - 0.1 x grid_support")
    assert "objective: cost, " in run("plan", "S1", "2026-08-20", "--objective", "cost=1,revenue=1")
    with pytest.raises(Refused) as refused:
        run("plan", "objective", "profit", "--as", "ada")
    assert refused.value.code == "objective"


@pytest.mark.parametrize(
    ("given", "code", "place"),
    [
        ({"portfolio": "S9"}, "unknown_portfolio", "portfolio"),
        ({"day": "2026-08-18"}, "plan_horizon", "day"),
        ({"day": "0001-01-01"}, "plan_horizon", "day"),
        ({"day": "9999-12-31"}, "plan_horizon", "day"),
        ({"objective": "profit"}, "objective", "objective"),
        ({"support": "17:00-21:00"}, "objective", "support"),
    ],
)
def test_what_cannot_be_planned_is_refused(api: Api, given: dict[str, str], code: str, place: str) -> None:
    problem(api.post("/v1/plans", {**ASKED, **given}), 422, code, place)


def test_a_process_stands_ready_for_the_next_plan_and_may_die(api: Api) -> None:
    assert api.post("/v1/plans", ASKED).json()["basis"] == "optimised"
    pid = plans._SOLVER.pid
    assert pid is not None
    assert api.post("/v1/plans", {**ASKED, "days": 2}).json()["basis"] == "optimised"
    assert plans._SOLVER.pid == pid
    os.kill(pid, signal.SIGKILL)
    made = api.post("/v1/plans", {**ASKED, "days": 3}).json()
    assert (made["basis"], made["recorded"]) == ("optimised", True)
    assert plans._SOLVER.pid != pid


def test_one_plan_at_a_time_and_for_those_who_may(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_at_a_time, "WAIT_S", 0.05)
    with plans._PLANNING:
        problem(api.post("/v1/plans", ASKED, key="k1"), 409, "planner_busy", "portfolio")
    assert api.post("/v1/plans", ASKED, key="k1").status_code == 201
    assert api.post("/v1/plans", {"portfolio": "S9"}).status_code == 422
    assert api.post("/v1/plans", ASKED).status_code == 201, "a refusal leaves nothing held"
    assert api.post("/v1/plans", ASKED, "finance").status_code == 403
    assert api.post("/v1/plans", {**ASKED, "days": 8}).status_code == 422


def test_plans_asked_for_together_are_made_one_after_another(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_at_a_time, "WAIT_S", 60.0)
    with plans._PLANNING, ThreadPoolExecutor(WAITING_MAX) as pool:
        asked = [
            pool.submit(api.post, "/v1/plans", ASKED, key=f"together-{one}") for one in range(WAITING_MAX)
        ]
        while plans._WAITING._value:
            assert not any(one.done() for one in asked), "each waits for its turn"
            time.sleep(0.01)
        problem(api.post("/v1/plans", ASKED, key="too-many"), 409, "planner_busy", "portfolio")
        plans._PLANNING.release()
        assert [one.result().status_code for one in asked] == [201] * WAITING_MAX
        plans._PLANNING.acquire()
