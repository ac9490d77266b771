"""The market over HTTP: tokens, offers, results with their digest, and the administrator's faults."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from litestar.testing import TestClient

from adapters.reference_market.app import create_app
from adapters.reference_market.faults import Faults
from tests.adapters.reference_market.markets import (
    BEFORE_THE_GATE,
    DAY,
    MW,
    PUBLISHED,
    body,
    curve,
    local,
    offer,
    opened,
)

OFFERS = f"/participants/alpha/offers/day_ahead/{DAY}"
RESULTS = f"/results/day_ahead/{DAY}"
SELL = body(offer(curve(8, (0, 50, 400))))
ADMIN = "admin-token"


class Client:
    """The market, asked by somebody with a token."""

    def __init__(self, client: TestClient[Any]) -> None:
        self.client = client

    def ask(self, method: str, path: str, token: str | None = "alpha-token", **more: Any) -> httpx.Response:
        headers = more.pop("headers", {}) | ({"Authorization": f"Bearer {token}"} if token else {})
        return self.client.request(method, path, headers=headers, **more)

    def put(self, key: str = "k1", content: bytes = SELL, path: str = OFFERS, **more: Any) -> httpx.Response:
        return self.ask("PUT", path, content=content, headers={"Idempotency-Key": key}, **more)

    def admin(self, method: str, path: str, **json: Any) -> httpx.Response:
        return self.ask(method, f"/admin/{path}", ADMIN, json=json or None)

    def clock(self, to: Any) -> None:
        assert self.admin("PUT", "clock", now=to.isoformat()).status_code == 200

    def result(self, **params: Any) -> dict[str, Any]:
        """The result, its digest checked over the bytes as they stand in the body."""
        answer = self.ask("GET", RESULTS, params=params)
        assert answer.status_code == 200
        digested = msgspec.json.decode(answer.content, type=dict[str, msgspec.Raw])
        digest = msgspec.json.decode(digested["digest"])
        assert digest == hashlib.sha256(bytes(digested["result"])).hexdigest()
        return dict(answer.json()["result"])


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    market = opened(tmp_path)
    with TestClient(create_app(market, Faults(), ADMIN)) as client:
        yield Client(client)
    market.close()


def code(answer: httpx.Response) -> tuple[int, str]:
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["status"] == answer.status_code
    assert problem["market_time"]
    return answer.status_code, problem["code"]


def test_an_offer_is_accepted_asked_for_and_answered_again(client: Client) -> None:
    first = client.put()
    assert (first.status_code, first.json()["state"]) == (200, "accepted")
    assert first.json()["sha256"] == hashlib.sha256(SELL).hexdigest()
    assert first.headers["Market-Time"] == "2026-01-25T00:00:00+00:00"
    assert client.put().json() == first.json()
    held = client.ask("GET", OFFERS).json()
    assert held["receipt"] == first.json()
    assert held["offer"]["curves"][0]["segments"][0]["end_w"] == 50 * MW
    withdrawn = client.ask("DELETE", OFFERS, params={"revision": 2}, headers={"Idempotency-Key": "k2"})
    assert (withdrawn.status_code, withdrawn.json()["state"]) == (200, "withdrawn")
    assert client.ask("GET", OFFERS).json()["offer"] is None


def test_after_the_gate_the_market_says_so_with_its_time(client: Client) -> None:
    client.clock(local("2026-01-25T10:30"))
    answer = client.put()
    assert code(answer) == (409, "gate_closed")
    assert answer.json()["market_time"] == "2026-01-25T02:30:00Z"


def test_refusals_have_their_status_and_place(client: Client) -> None:
    client.put()
    assert code(client.put("k1", SELL + b" ")) == (409, "idempotency_key_reused")
    assert code(client.put("k2", SELL)) == (409, "revision_behind")
    assert code(client.put("k2", b"{")) == (400, "offer_json")
    bad = client.put("k2", body(offer(curve(8, (0, 500, 400)), revision=2)))
    assert code(bad) == (422, "offer_power")
    assert bad.json()["place"] == "curves[0]"
    assert code(client.ask("PUT", OFFERS, content=SELL)) == (400, "parameter")
    assert code(client.put("k 2")) == (400, "parameter")
    assert code(client.put(path="/participants/alpha/offers/intraday/2026-01-26")) == (400, "parameter")
    assert code(client.put(path="/participants/alpha/offers/day_ahead/2026-13-01")) == (400, "parameter")
    assert code(client.put("k3", path="/participants/alpha/offers/day_ahead/2027-01-01")) == (
        404,
        "unknown_day",
    )
    assert code(client.ask("GET", RESULTS)) == (404, "not_published")
    assert code(client.ask("GET", "/participants/alpha/offers/real_time/2026-01-26")) == (
        404,
        "unknown_offer",
    )
    assert code(client.ask("GET", "/nowhere")) == (404, "not_found")


def test_everybody_has_a_token_of_their_own(client: Client) -> None:
    assert code(client.put(token=None)) == (401, "market_unauthenticated")
    assert code(client.put(token="nobody")) == (401, "market_unauthenticated")
    assert code(client.put(token="beta-token")) == (403, "market_forbidden")
    assert code(client.ask("GET", OFFERS, "beta-token")) == (403, "market_forbidden")
    assert code(
        client.ask("DELETE", f"{OFFERS}?revision=2", "beta-token", headers={"Idempotency-Key": "k"})
    ) == (
        403,
        "market_forbidden",
    )
    for path in ("clock", f"results/day_ahead/{DAY}"):
        assert code(client.ask("GET", f"/admin/{path}")) == (403, "market_forbidden")
    assert code(client.ask("GET", RESULTS, None)) == (401, "market_unauthenticated")
    assert code(client.ask("GET", f"/calendar/{DAY}", None)) == (401, "market_unauthenticated")
    assert client.put().status_code == 200


def test_without_an_administrators_token_nobody_is_one(tmp_path: Path) -> None:
    market = opened(tmp_path)
    with TestClient(create_app(market, Faults(), None)) as plain:
        for token in ("", "None", ADMIN):
            answer = plain.get("/admin/clock", headers={"Authorization": f"Bearer {token}"})
            assert code(answer) == (403, "market_forbidden")
    market.close()


def test_results_are_each_participants_own(client: Client) -> None:
    client.put()
    client.clock(PUBLISHED)
    result = client.result()
    assert (result["run"], result["offer_revision"], len(result["intervals"])) == (1, 1, 24)
    assert result["intervals"][8] == {
        "start": "2026-01-26T00:00:00Z",
        "price_micro_per_kwh": 520_000,
        "award_w": 50 * MW,
    }
    other = client.ask("GET", RESULTS, "beta-token").json()["result"]
    assert other["offer_revision"] is None
    assert {one["award_w"] for one in other["intervals"]} == {0}
    assert client.ask("GET", OFFERS).json()["receipt"]["state"] == "cleared"
    assert client.admin("GET", f"results/day_ahead/{DAY}").json()["awards_w"]["alpha"][8] == 50 * MW


def test_corrections_and_republications_are_further_runs(client: Client) -> None:
    client.clock(PUBLISHED)
    start = "2026-01-26T08:00:00+08:00"
    correction = {
        "product": "day_ahead",
        "day": str(DAY),
        "prices": [{"start": start, "price_micro_per_kwh": 1}],
        "awards": [{"participant": "alpha", "start": start, "award_w": MW}],
    }
    assert client.admin("POST", "corrections", **correction).status_code == 201
    second = client.result()
    assert (second["run"], second["reason"]) == (2, "corrected")
    assert (second["intervals"][8]["price_micro_per_kwh"], second["intervals"][8]["award_w"]) == (1, MW)
    assert client.result(run=1)["intervals"][8]["award_w"] == 0
    again = {"product": "day_ahead", "day": str(DAY)}
    client.admin("POST", "republications", **again, new_run=False)
    assert client.result() == second
    client.admin("POST", "republications", **again, new_run=True)
    assert client.result() == second | {"run": 3, "reason": "republished"}
    assert code(client.ask("GET", RESULTS, params={"run": 4})) == (404, "unknown_run")


def test_a_publication_can_be_late(client: Client) -> None:
    until = PUBLISHED + timedelta(hours=1)
    delay = {"product": "day_ahead", "day": str(DAY), "until": until.isoformat()}
    assert client.admin("PUT", "faults/late-publication", **delay).status_code == 200
    client.clock(PUBLISHED)
    assert code(client.ask("GET", RESULTS)) == (404, "not_published")
    client.clock(until)
    assert client.result()["published_at"] == "2026-01-25T10:30:00Z"


def test_results_are_spoilt_as_often_as_asked(client: Client) -> None:
    client.put()
    client.clock(PUBLISHED)

    def spoil(spoiling: str) -> bytes:
        of = {"product": "day_ahead", "day": str(DAY), "spoiling": spoiling, "count": 1}
        assert client.admin("PUT", "faults/spoilt-results", **of).status_code == 200
        return client.ask("GET", RESULTS).content

    whole = client.ask("GET", RESULTS).content
    assert spoil("cut_bytes") == whole[: len(whole) // 2]
    assert client.ask("GET", RESULTS).content == whole
    wrong = msgspec.json.decode(spoil("wrong_digest"))
    right = msgspec.json.decode(whole)
    assert wrong["result"] == right["result"]
    assert wrong["digest"] != right["digest"]
    assert client.ask("GET", RESULTS).content == whole
    of = {"product": "day_ahead", "day": str(DAY), "spoiling": "cut_intervals", "count": 1}
    client.admin("PUT", "faults/spoilt-results", **of)
    assert len(client.result()["intervals"]) == 18, "and its digest is right"
    assert client.ask("GET", RESULTS).content == whole


def test_the_calendar_says_when(client: Client) -> None:
    calendar = client.ask("GET", f"/calendar/{DAY}").json()
    assert calendar["gates"]["day_ahead"] == {
        "opens": "2026-01-18T16:00:00Z",
        "closes": "2026-01-25T02:30:00Z",
        "published": "2026-01-25T09:30:00Z",
    }
    assert (len(calendar["starts"]), calendar["starts"][0]) == (24, "2026-01-25T16:00:00Z")
    assert calendar["discharge_w_max"] == 100 * MW
    assert code(client.ask("GET", "/calendar/2027-01-01")) == (404, "unknown_day")


def test_the_clock_is_stepped_forward(client: Client) -> None:
    assert client.admin("GET", "clock").json() == {"now": "2026-01-25T00:00:00Z"}
    back = client.admin("PUT", "clock", now=(BEFORE_THE_GATE - timedelta(hours=1)).isoformat())
    assert code(back) == (409, "clock_backward")
    assert code(client.admin("PUT", "clock", now="2026-01-26T00:00:00")) == (400, "parameter")


def test_the_openapi_description_names_every_route(client: Client) -> None:
    described = client.ask("GET", "/docs/openapi.json", None).json()
    assert set(described["paths"]) == {
        "/participants/{participant}/offers/{product}/{day}",
        "/results/{product}/{day}",
        "/calendar/{day}",
        "/admin/clock",
        "/admin/faults/outage",
        "/admin/faults/lost-answers",
        "/admin/faults/spoilt-results",
        "/admin/faults/late-publication",
        "/admin/corrections",
        "/admin/republications",
        "/admin/results/{product}/{day}",
    }
    put = described["paths"]["/participants/{participant}/offers/{product}/{day}"]["put"]
    assert put["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Offer"
    }
    assert "Offer" in described["components"]["schemas"]
