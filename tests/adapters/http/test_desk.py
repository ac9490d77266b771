"""The desk by HTTP: markets and gates, policy, limits and switch, units' days, clearings, answers by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.desk.desk import Desk
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import (
    DAY,
    ENVELOPE,
    MARKET,
    MW,
    RESPONSE_CALL,
    UNIT,
    bid,
    furnish,
    market,
    submitted,
)
from tests.adapters.http.conftest import HOST, Api, problem
from trading.clearing import clearing_id
from trading.published_market import PublishMarket

PUBLISHED = datetime(2026, 9, 2, 9, 30, tzinfo=UTC)
ROOT = Path(__file__).parents[3]
SHANDONG = (ROOT / "examples/markets/shandong_spot.toml").read_bytes()
RISK = (ROOT / "examples/risk/desk.toml").read_bytes()
TOML = {"headers": {"Content-Type": "application/toml"}}
FROM = "effective_from=2025-12-31T16:00:00Z"
AWARD = [1_000 if 72 <= quarter < 80 else 0 for quarter in range(96)]


@pytest.fixture
def desk(bench: Bench) -> Iterator[Api]:
    furnish(bench)
    made = Api(bench)
    for actor in ("anna", "bert"):
        made.secrets[actor] = made.grant("market_desk", actor=actor)  # type: ignore[index]
    yield made
    made.close()


def stored(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def clearing(run: str = "1", **changes: object) -> dict[str, Any]:
    """b1 got 1 kW of its 1 MW from 18:00 to 20:00."""
    return {
        "market": MARKET,
        "product": "day_ahead",
        "day": f"{DAY}",
        "run": run,
        "published": "2026-09-02T09:30:00Z",
        "price_u": [300_100] * 96,
        "awards": [{"bid": "b1", "power_w": AWARD}],
        "source": "da.csv",
        "source_sha256": "0" * 64,
    } | changes


def acknowledged(desk: Api) -> None:
    revision = submitted(Desk(desk.bench.door, desk.bench.database), bid())
    stored(desk.post("/v1/bids/b1/send", {"revision": revision}, "anna"))
    taken = desk.post("/v1/bids/b1/acknowledge", {"revision": revision, "reference": "M-1"}, "anna")
    assert stored(taken)["status"] == "acknowledged"
    desk.wait()


def cleared_at(desk: Api) -> None:
    """The market has published."""
    desk.bench.now = PUBLISHED


def test_markets_are_checked_published_and_versioned(desk: Api) -> None:
    for check in ("", "&check=true"):
        unknown = desk.post(f"/v1/markets?{FROM}{check}", SHANDONG, "anna", **TOML)
        problem(unknown, 422, "unknown_party", "operator")
    operator = sample.register_party("shandong-operator")
    desk.bench.door.execute(operator, command_id="its operator", actor="setup")
    checked = desk.post(f"/v1/markets?{FROM}&check=true", SHANDONG, "anna", **TOML)
    assert checked.json() == {"valid": True, "aggregate": "market.shandong_spot", "warnings": []}
    first = stored(desk.post(f"/v1/markets?{FROM}", SHANDONG, "anna", key="m", **TOML))
    repeated = desk.post(f"/v1/markets?{FROM}", SHANDONG, "anna", key="m", **TOML)
    assert (repeated.json(), repeated.headers["Idempotency-Replayed"]) == (first, "true")
    september = SHANDONG.replace(b'at = "11:00"', b'at = "10:00"')
    since = "effective_from=2026-08-31T16:00:00Z"
    second = stored(desk.post(f"/v1/markets?{since}", september, "anna", **TOML))
    desk.wait()
    shown = desk.get("/v1/markets/shandong_spot", "finance").json()
    assert [one["version"] for one in shown["versions"]] == [1, 2]
    assert shown["versions"][0]["document"]["products"][0]["price_unit"] == "MWh"
    items = desk.get("/v1/markets").json()["items"]
    assert [(one["id"], one["version"]) for one in items] == [("shandong", 1), ("shandong_spot", 2)]

    def closes(day: str, **more: object) -> tuple[int, str]:
        found = desk.get(f"/v1/markets/shandong_spot/gates/{day}", "auditor", **more).json()
        return found["version"], found["gates"][0]["closes"]

    assert closes("2026-08-31") == (1, "2026-08-30T03:00:00Z")
    assert closes("2026-09-01") == (2, "2026-08-31T02:00:00Z")
    assert closes("2026-09-01", as_of=second["sequence"] - 1) == (1, "2026-08-31T03:00:00Z")
    problem(desk.get("/v1/markets/shandong_spot/gates/2025-12-31"), 422, "market_gap", "day")
    assert desk.get("/v1/markets/shandong_spot/gates/2026-02-30").status_code == 400, "no such day"
    problem(desk.get("/v1/markets/nowhere/gates/2026-09-01"), 404, "unknown_market", "name")
    problem(desk.get("/v1/markets/nowhere"), 404, "unknown_market", "name")
    problem(desk.get("/v1/markets/shandong_spot/gates/2026-09-01?first=96"), 422, "bid_intervals", "first")
    wrong = SHANDONG.replace(b"price_tick = 0.1", b"price_tick = 0")
    problem(desk.post(f"/v1/markets?{FROM}", wrong, "anna", **TOML), 422, "price_tick")
    problem(desk.post(f"/v1/markets?{FROM}", SHANDONG, "finance", **TOML), 403, "forbidden")


def test_a_bid_keeps_the_prices_of_the_rules_that_it_was_written_by(desk: Api) -> None:
    """300,000 and 500,000 millionths a kWh, also when the market's next version has the product no more."""
    acknowledged(desk)
    cleared_at(desk)
    stored(desk.post("/v1/clearings", clearing(), "anna"))
    desk.bench.door.execute(
        PublishMarket(sample.FROM_2026, market(RESPONSE_CALL)), command_id="next", actor="anna"
    )
    desk.wait()
    shown = desk.get("/v1/bids/b1").json()
    assert (shown["currency"], shown["price_unit"]) == ("CNY", "MWh")
    assert (shown["prices"][0], shown["prices"][8], shown["prices"][72]) == ([], ["300"], ["500"])
    assert desk.get("/v1/clearings").json()["items"][0]["prices"][0] == "300.1"


def test_the_gates_of_a_day_are_those_that_bids_are_decided_by(desk: Api) -> None:
    answer = desk.get(f"/v1/markets/{MARKET}/gates/{DAY}", "operator").json()
    gate = answer["gates"][0]
    assert (answer["starts"], answer["zone"], answer["currency"]) == (
        "2026-09-02T16:00:00Z",
        "Asia/Shanghai",
        "CNY",
    )
    assert (gate["opens"], gate["closes"], gate["published"]) == (
        "2026-08-31T00:00:00Z",
        "2026-09-02T02:30:00Z",
        "2026-09-02T09:30:00Z",
    )
    assert (gate["intervals"], gate["delivers"], gate["margin_s"], gate["by_interval"]) == (
        96,
        True,
        2,
        False,
    )


def test_a_policy_is_prepared_by_one_and_approved_by_another(desk: Api) -> None:
    before = desk.get("/v1/desk", "auditor").json()
    stored(desk.post("/v1/desk/policy", RISK, "anna", **TOML))
    desk.wait()
    shown = desk.get("/v1/desk", "auditor").json()
    assert shown["in_force"] == before["in_force"]
    assert (shown["prepared_by"], shown["prepared"]["policy"]["limits"][0]["id"]) == ("anna", "user-volume")
    digest = {"digest": shown["prepared"]["digest"]}
    problem(desk.post("/v1/desk/policy/approve", digest, "anna"), 422, "four_eyes")
    other = {"digest": "f" * 64}
    problem(desk.post("/v1/desk/policy/approve", other, "bert"), 422, "risk_policy", "digest")
    done = stored(desk.post("/v1/desk/policy/approve", digest, "bert", key="a"))
    again = desk.post("/v1/desk/policy/approve", digest, "bert", key="a")
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (done, "true")
    problem(desk.post("/v1/desk/policy/approve", digest, "bert"), 422, "risk_policy", "policy")
    desk.wait()
    after = desk.get("/v1/desk").json()
    assert (after["in_force"]["digest"], after["prepared"]) == (digest["digest"], None)
    assert desk.get("/v1/desk", as_of=done["sequence"] - 1).json()["in_force"] == before["in_force"]
    wrong = RISK.replace(b'each = "user"', b'each = "planet"')
    problem(desk.post("/v1/desk/policy", wrong, "anna", **TOML), 422, "not_allowed")


def test_the_switch_stops_and_another_person_resumes(desk: Api) -> None:
    stored(desk.post("/v1/desk/stop", {"reason": "storm"}, "operator"))
    desk.wait()
    assert desk.get("/v1/desk").json()["stopped"]["reason"] == "storm"
    checked = desk.post("/v1/bids/check", {"bid": msgspec.to_builtins(bid())}, "anna").json()
    assert [one["code"] for one in checked["problems"]] == ["kill_switch"]
    stored(desk.post("/v1/desk/stop", {"reason": "still"}, "anna"))
    problem(desk.post("/v1/desk/resume", {"reason": "over"}, "anna"), 422, "four_eyes")
    problem(desk.post("/v1/desk/resume", {"reason": "over"}, "operator"), 403, "forbidden")
    stored(desk.post("/v1/desk/resume", {"reason": "over"}, "bert"))
    problem(desk.post("/v1/desk/resume", {"reason": "over"}, "bert"), 422, "kill_switch")
    desk.wait()
    assert desk.get("/v1/desk").json()["stopped"] is None


def test_the_use_of_limits_is_that_of_the_bids_and_ends_with_them(desk: Api) -> None:
    assert desk.get("/v1/desk").json()["limits"] == []
    revision = submitted(Desk(desk.bench.door, desk.bench.database), bid())
    desk.wait()
    position = desk.bench.recorder.max_notification_id()
    used = {one["limit"]: one for one in desk.get("/v1/desk").json()["limits"]}
    assert (used["volume"]["value"], used["volume"]["used"], used["volume"]["most"]) == (
        "anna",
        "4000000",
        "40000000",
    ), "2 MWh charged and 2 MWh discharged"
    assert (used["money"]["value"], used["money"]["used"], used["money"]["day"]) == (MARKET, "600", f"{DAY}")
    assert used["money"]["bids"] == ["b1"]
    stored(desk.post("/v1/bids/b1/send", {"revision": revision}, "anna"))
    stored(desk.post("/v1/bids/b1/refuse", {"revision": revision, "reason": "no licence"}, "anna"))
    desk.wait()
    assert desk.get("/v1/desk").json()["limits"] == []
    then = desk.get("/v1/desk", as_of=position).json()
    assert {one["limit"] for one in then["limits"]} == {"volume", "money"}
    desk.bench.now += timedelta(days=40)
    assert desk.get("/v1/desk", as_of=position).json() == then
    assert desk.get("/v1/desk").json()["limits"] == []


def test_a_units_day_shows_its_envelope_and_what_binds_it(desk: Api) -> None:
    path = f"/v1/trading-units/{UNIT}/days/{DAY}"
    shown = desk.get(path, "finance").json()
    assert (shown["stated"], shown["slots"], shown["commitments"]) == ("standing", 96, [])
    assert shown["envelope"]["limits"] == msgspec.to_builtins(ENVELOPE)
    acknowledged(desk)
    bound = desk.get(path).json()
    (one,) = bound["commitments"]
    assert (one["bid"], one["awarded"], one["up_w"][72], one["down_w"][8]) == ("b1", False, MW, MW)
    limits = msgspec.to_builtins(ENVELOPE) | {"discharge_w": 500_000}
    stored(desk.post(f"{path}/envelope", {"limits": limits}, "operator"))
    desk.wait()
    own = desk.get(path).json()
    assert (own["stated"], own["envelope"]["limits"]["discharge_w"]) == ("day", 500_000)
    assert own["commitments"] == bound["commitments"], "a smaller envelope frees nothing"
    assert desk.get(path, as_of=bound["position"]).json() == bound
    standing = {"effective_from": "2026-09-03T16:00:00Z", "envelope": limits}
    stored(desk.post(f"/v1/trading-units/{UNIT}/envelope", standing, "operator"))
    desk.wait()
    assert desk.get(f"/v1/trading-units/{UNIT}/days/2026-09-04").json()["stated"] == "standing"
    missing = desk.get(f"/v1/trading-units/{UNIT}/days/2026-07-01").json()
    assert (missing["stated"], missing["envelope"]) == ("missing", None)
    problem(desk.get(f"/v1/trading-units/nobody/days/{DAY}"), 404, "unknown_trading_unit", "name")
    problem(desk.get(f"/v1/trading-units/{UNIT}/days/1999-12-31"), 422, "delivery_day", "day")
    much = {"limits": limits, "discharge_w": [1] * 95}
    problem(desk.post(f"{path}/envelope", much, "operator"), 422, "envelope", "discharge_w")
    problem(desk.post(f"{path}/envelope", {"limits": limits}, "finance"), 403, "forbidden")
    elsewhere = path.replace(UNIT, "nobody")
    problem(desk.post(f"{elsewhere}/envelope", {"limits": limits}), 404, "unknown_trading_unit", "name")


def test_a_clearing_is_recorded_once_corrected_and_every_run_kept(desk: Api) -> None:
    acknowledged(desk)
    problem(desk.post("/v1/clearings", clearing(), "anna"), 422, "clearing_future", "published")
    early = clearing(published="2026-09-02T01:00:00Z")
    problem(desk.post("/v1/clearings", early, "anna"), 422, "clearing_gate", "day")
    cleared_at(desk)
    first = stored(desk.post("/v1/clearings", clearing(), "anna", key="c1"))
    assert first["clearing"] == clearing_id(MARKET, "day_ahead", DAY)
    again = desk.post("/v1/clearings", clearing(), "anna", key="c1")
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (first, "true")
    other = clearing(price_u=[1] * 96)
    problem(desk.post("/v1/clearings", other, "anna", key="c1"), 409, "command_id_reused")
    problem(desk.post("/v1/clearings", clearing(), "anna"), 422, "clearing_run", "run")
    second = stored(desk.post("/v1/clearings", clearing("2", awards=[]), "anna"))
    assert second["version"] == first["version"] + 1
    late = desk.post("/v1/clearings", clearing(), "anna", key="c1")
    assert late.json() == first, "the first answer, whatever came since"
    desk.wait()
    runs = desk.get(f"/v1/clearings/{first['clearing']}", "auditor").json()["runs"]
    assert [(one["clearing"]["run"], one["version"]) for one in runs] == [("1", 1), ("2", 2)]
    assert (runs[0]["prices"][0], runs[0]["price_unit"], runs[0]["currency"]) == ("300.1", "MWh", "CNY")
    assert desk.get("/v1/bids/b1").json()["summary"]["standing"]["awarded_w"] == [0] * 96
    then = desk.get("/v1/bids/b1", as_of=second["sequence"] - 1).json()["summary"]["standing"]
    assert then["awarded_w"] == AWARD

    def listed(**wanted: object) -> list[str]:
        items = desk.get("/v1/clearings", "finance", **wanted).json()["items"]
        return [one["clearing"]["run"] for one in items]

    assert listed() == listed(market=MARKET, product="day_ahead", first_day=DAY, last_day=DAY) == ["2"]
    assert listed(as_of=second["sequence"] - 1) == ["1"]
    assert listed(market="other") == listed(product="response") == []
    assert listed(last_day=DAY - timedelta(days=1)) == listed(first_day=DAY + timedelta(days=1)) == []
    problem(desk.get("/v1/clearings/none"), 404, "unknown_clearing", "name")


def test_a_posted_clearing_waits_for_a_second_person_who_did_not_bid(bench: Bench) -> None:
    """anna wrote and submitted b1, bert posts: neither approves, nor anybody what was not read."""
    founded = sample.found_book()
    two = msgspec.structs.replace(founded.book, approvals="two_persons")
    furnish(bench, book=msgspec.structs.replace(founded, book=two))
    made = Api(bench)
    try:
        for actor in ("anna", "bert", "carl"):
            made.secrets[actor] = made.grant("market_desk", actor=actor)  # type: ignore[index]
        acknowledged(made)
        cleared_at(made)
        wrong = clearing(awards=[{"bid": "b2", "power_w": AWARD}])
        problem(made.post("/v1/clearings", wrong, "bert"), 422, "award_without_bid")
        posted = stored(made.post("/v1/clearings", clearing(), "bert", key="p"))
        assert posted["status"] == "waits"
        repeated = made.post("/v1/clearings", clearing(), "bert", key="p")
        assert (repeated.json(), repeated.headers["Idempotency-Replayed"]) == (posted, "true")
        problem(made.post("/v1/clearings", clearing("2"), "bert", key="p"), 409, "command_id_reused")
        made.wait()
        path = f"/v1/clearings/{posted['clearing']}"
        shown = made.get(path).json()
        assert (shown["runs"], shown["posted"]["posted_by"]) == ([], "bert")
        assert shown["posted"]["digest"] == posted["digest"]
        assert made.get("/v1/bids/b1").json()["summary"]["status"] == "acknowledged"
        seen = {"digest": posted["digest"]}
        problem(made.post(f"{path}/approve", seen, "bert"), 422, "four_eyes", "actor")
        problem(made.post(f"{path}/approve", seen, "anna"), 422, "four_eyes", "actor")
        problem(made.post(f"{path}/approve", {"digest": "0" * 64}, "carl"), 422, "clearing_posted", "digest")
        problem(made.post("/v1/clearings/none/approve", seen, "carl"), 404, "unknown_clearing", "name")
        done = stored(made.post(f"{path}/approve", seen, "carl", key="a"))
        assert (done["status"], done["aggregate"]) == ("recorded", f"clearing.{posted['clearing']}")
        again = made.post(f"{path}/approve", seen, "carl", key="a")
        assert (again.json(), again.headers["Idempotency-Replayed"]) == (done, "true")
        problem(made.post(f"{path}/approve", seen, "carl"), 422, "clearing_posted", "name")
        made.wait()
        assert made.get("/v1/bids/b1").json()["summary"]["standing"]["awarded_w"] == AWARD
        shown = made.get(path).json()
        assert ([one["clearing"]["run"] for one in shown["runs"]], shown["posted"]) == (["1"], None)
    finally:
        made.close()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"awards": [{"bid": "b2", "power_w": AWARD}]}, "award_without_bid"),
        ({"awards": [{"bid": "b1", "power_w": [2 * MW] * 96}]}, "award_beyond_bid"),
        ({"price_u": [1] * 95}, "clearing_intervals"),
        ({"price_u": [1_500_001] * 96}, "price_limit"),
        ({"day": "2026-09-04"}, "award_without_bid"),
    ],
)
def test_a_clearing_that_contradicts_the_bids_is_stored_in_no_part(
    desk: Api, change: dict[str, Any], code: str
) -> None:
    acknowledged(desk)
    cleared_at(desk)
    problem(desk.post("/v1/clearings", clearing(**change), "anna"), 422, code)
    desk.wait()
    assert desk.get("/v1/clearings").json()["items"] == []
    assert desk.get("/v1/bids/b1").json()["summary"]["status"] == "acknowledged"


def test_answers_by_hand_follow_a_bids_life(desk: Api) -> None:
    revision = submitted(Desk(desk.bench.door, desk.bench.database), bid())
    said = {"revision": revision, "reason": "seen on the screen"}
    problem(desk.post("/v1/bids/b1/unsent", said, "anna"), 422, "bid_status")
    problem(desk.post("/v1/bids/b1/withdrawn", said, "anna"), 422, "bid_status")
    assert stored(desk.post("/v1/bids/b1/send", {"revision": revision}, "anna"))["status"] == "sending"
    assert stored(desk.post("/v1/bids/b1/unsent", said, "anna"))["status"] == "submitted"
    stored(desk.post("/v1/bids/b1/withdraw", {"reason": "price moved"}, "anna"))
    assert stored(desk.post("/v1/bids/b1/withdrawn", said, "anna"))["status"] == "withdrawn"
    problem(desk.post("/v1/bids/nobody/send", {"revision": 1}, "anna"), 404, "unknown_bid", "name")
    problem(desk.post("/v1/bids/nobody/submit", {"revision": 1}, "anna"), 404, "unknown_bid", "name")
    problem(desk.post("/v1/bids/b1/submit", {"revision": 2}, "anna"), 409, "bid_revision", "revision")


def test_a_partner_sees_nothing_of_the_desk(desk: Api) -> None:
    desk.bench.door.execute(sample.register_party(HOST), command_id="host", actor="setup")
    for path in ("/v1/desk", "/v1/clearings", "/v1/markets", f"/v1/trading-units/{UNIT}/days/{DAY}"):
        problem(desk.get(path, "partner"), 403, "forbidden")
