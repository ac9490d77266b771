"""Sharing out stated by HTTP, its shares, and a unit's positions and profit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from adapters.desk.desk import Desk
from adapters.desk.sharing_out import SharingOut
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import DAY, MARKET, MW, UNIT, bid, furnish
from tests.adapters.desk.test_sharing_out import at_market, cleared, record
from tests.adapters.http.conftest import Api, problem
from trading.clearing import Award

TERMS: dict[str, Any] = {
    "effective_from": "2026-08-01T00:00:00Z",
    "terms": {"discount": "100%", "confidence": "90%"},
}


@pytest.fixture
def desk(bench: Bench) -> Iterator[Api]:
    inner = furnish(bench)
    at_market(bench, inner, bid())
    power = tuple(MW if quarter == 72 else 0 for quarter in range(96))
    record(bench, inner, cleared(Award(bid="b1", power_w=power)))
    made = Api(bench)
    made.secrets["anna"] = made.grant("market_desk", actor="anna")  # type: ignore[index]
    yield made
    made.close()


def test_an_award_from_terms_to_positions(bench: Bench, desk: Api) -> None:
    """Of 1 MW two sites of 1 MW have half each; the day is not metered, so its award is open at 0.40."""
    unknown = TERMS | {"terms": TERMS["terms"] | {"sites": {"S9": "50%"}}}
    problem(desk.post(f"/v1/trading-units/{UNIT}/sharing", unknown, "anna"), 422, "unknown_member")
    assert desk.post(f"/v1/trading-units/{UNIT}/sharing", TERMS, "anna").status_code == 201
    short = {"sites": {"S1": [0] * 95}}
    problem(desk.post(f"/v1/trading-units/{UNIT}/days/{DAY}/sites", short, "anna"), 422, "site_availability")
    able = {"sites": {"S1": [400_000] * 96}}
    assert desk.post(f"/v1/trading-units/{UNIT}/days/{DAY}/sites", able, "anna").status_code == 201
    assert desk.get("/v1/bids/b1/shares", "auditor").json()["parts"] == []
    SharingOut(Desk(bench.door, bench.database)).share(MARKET, "day_ahead", DAY, actor="desk")
    desk.wait()
    [part] = desk.get("/v1/bids/b1/shares", "auditor").json()["parts"]
    assert {site: powers[72] for site, powers in part["sites"].items()} == {"S1": 400_000, "S2": 600_000}
    url = f"/v1/trading-units/{UNIT}/positions?first_day={DAY}"
    [day] = desk.get(url, "finance").json()["days"]
    row = day["positions"][72]
    assert (row["state"], row["awarded_wh"], row["metered_wh"]) == ("cleared", "250000", None)
    assert row["offered"][0]["high_w"] == MW
    profit = desk.get(f"/v1/trading-units/{UNIT}/profit?first_day={DAY}", "finance").json()["profit"]
    [one] = profit["days"]
    assert (one["basis"], one["earned"], profit["open"], profit["realised"]) == ("cleared", "100", "100", "0")
    beyond = f"{url}&last_day=2027-09-03"
    problem(desk.get(beyond, "finance"), 422, "position_days")
    told = desk.get("/v1/stories/bids/b1", "auditor").json()
    assert told["subject"] == "bid b1"
    assert {"award.shared.v1", "clearing.recorded.v1"} <= {
        kind for entry in told["entries"] for kind in entry["kinds"]
    }
    before = told["entries"][0]["sequence"]
    early = desk.get(f"{url}&as_of={before}", "finance").json()["days"][0]["positions"][72]
    assert early["offered"] == []
