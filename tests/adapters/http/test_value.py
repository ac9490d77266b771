"""A site's value over the API: the settled money, led there from perfect foresight; nothing is recorded."""

from __future__ import annotations

import pytest

from adapters.queries import statements
from dispatch.planning.storage_terms import StateStorage
from tests.adapters import sample
from tests.adapters.http.conftest import CONTRACT, Api
from tests.adapters.test_backtest import TERMS

PATH = "/v1/sites/S1/value/2026-08"


@pytest.fixture(scope="module")
def stated(settled: Api) -> Api:
    refused = settled.get(PATH)
    assert (refused.status_code, refused.json()["code"]) == (422, "storage_unstated")
    settled.bench.door.record(StateStorage("S1", sample.FROM_2026, TERMS), actor="ada")
    settled.wait()
    return settled


def test_the_report_adds_up_to_the_run(stated: Api) -> None:
    stated.secret("market_desk")
    before = stated.bench.recorder.max_notification_id()
    answer = stated.get(PATH, "market_desk")
    assert answer.status_code == 200, answer.text
    report = answer.json()["report"]
    bench = stated.bench
    with bench.database.reading(bench.book) as connection:
        run = statements.result(connection, CONTRACT.id, "2026-08", 1)
    assert run is not None
    assert sum(row["worth"]["settled"] for row in report["rows"]) == run.pool.minor
    for row in report["rows"]:
        lost = sum(one["minor"] for one in row["lost"])
        assert lost == row["worth"]["perfect"] - row["worth"]["settled"]
    assert stated.bench.recorder.max_notification_id() == before


def test_it_is_asked_as_of_and_by_whom_may(stated: Api) -> None:
    history = stated.bench.door.record(StateStorage("S1", sample.FROM_2026, TERMS), actor="ada")
    assert stated.get(PATH, as_of=str(history.sequence)).status_code == 200
    assert stated.get(PATH, as_of=str(history.sequence - 1)).json()["code"] == "storage_unstated"
    assert stated.get(PATH, "partner").status_code == 403
    assert stated.get("/v1/sites/S9/value/2026-08").json()["code"] == "no_contract"
    assert stated.get("/v1/sites/S1/value/2026-13").status_code in {400, 404, 422}
