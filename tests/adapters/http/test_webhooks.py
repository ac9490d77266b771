"""Webhooks by HTTP: registered, changed, listed, told again and stopped; a secret is shown once."""

from __future__ import annotations

import hmac
from base64 import b64decode
from datetime import UTC, datetime

import pytest

from adapters.webhooks import dead_letters
from adapters.webhooks.dead_letters import DeadLetter
from adapters.webhooks.signing_keys import SigningKeys
from ledger.trading_unit import RegisterTradingUnit
from tests.adapters import sample
from tests.adapters.desk.desk_book import market, unit
from tests.adapters.http.conftest import Api, problem
from trading.published_market import PublishMarket


def furnish_desk(api: Api) -> None:
    """A market and a unit of it."""
    commands: list[object] = [
        sample.register_party(),
        PublishMarket(sample.FROM_2026, market()),
        *(sample.register_site(site) for site in ("S1", "S2")),
        RegisterTradingUnit(sample.FROM_2026, unit()),
    ]
    for number, command in enumerate(commands):
        api.bench.door.execute(command, command_id=f"desk-{number}", actor="anna")  # type: ignore[arg-type]


URL = "https://desk.example/told"


def registered(api: Api, **more: object) -> dict[str, object]:
    answer = api.post("/v1/webhooks", {"id": "desk", "url": URL, **more})
    assert answer.status_code == 201, answer.text
    api.wait()
    body: dict[str, object] = answer.json()
    return body


def test_a_secret_is_shown_once_and_signs(api: Api) -> None:
    first = api.post("/v1/webhooks", {"id": "desk", "url": URL}, key="one")
    assert (first.status_code, first.headers["cache-control"]) == (201, "no-store")
    secret = first.json()["secret"]
    keys = SigningKeys(api.bench.nats.folder / "webhooks" / api.bench.book)
    headers = keys.headers("desk", "m1", b"{}", datetime(2026, 9, 1, tzinfo=UTC))
    signed = f"m1.{headers['webhook-timestamp']}.{{}}".encode()
    made = hmac.digest(b64decode(secret.removeprefix("whsec_")), signed, "sha256")
    assert b64decode(headers["webhook-signature"].removeprefix("v1,")) == made
    again = api.post("/v1/webhooks", {"id": "desk", "url": URL}, key="one")
    assert (again.json()["secret"], again.headers["idempotency-replayed"]) == (None, "true")
    changed = registered(api, kinds=["bid.cleared"])
    assert (changed["secret"], changed["version"]) == (None, 2)
    other = api.post("/v1/webhooks", {"id": "other", "url": URL, "key_id": "desk"})
    assert other.json()["secret"] is None, "a key that another webhook signs with"
    stored = api.bench.query(
        "SELECT count(*) FROM ledger.envelope WHERE position('whsec' IN encode(payload, 'escape')) > 0"
    )
    assert stored == [(0,)]


def test_an_address_on_this_machine_is_registered_with_what_it_needs(api: Api) -> None:
    for number, host in enumerate(("127.0.0.1:8088", "localhost", "[::1]:8088")):
        answer = api.post("/v1/webhooks", {"id": f"relay-{number}", "url": f"http://{host}/"})
        assert "only `wattledger tell --loopback` sends there" in answer.json()["notice"]
    assert registered(api)["notice"] == ""


def test_a_kind_that_is_none_is_placed_where_it_stands(api: Api) -> None:
    wrong = {"id": "desk", "url": URL, "kinds": ["weather"]}
    problem(api.post("/v1/webhooks", wrong), 422, "live_kind", "kinds")


def test_a_webhook_is_listed_stopped_and_told_again(api: Api) -> None:
    wanted = {"id": "desk", "url": URL, "markets": ["shandong"], "units": ["vpp"]}
    problem(api.post("/v1/webhooks", wanted), 422, "unknown_market", "market")
    furnish_desk(api)
    problem(api.post("/v1/webhooks", wanted | {"units": ["vp"]}), 422, "unknown_trading_unit", "trading_unit")
    registered(api, markets=["shandong"], units=["vpp"])
    [item] = api.get("/v1/webhooks", "market_desk").json()["items"]
    assert (item["id"], item["url"], item["markets"], item["units"]) == ("desk", URL, ["shandong"], ["vpp"])
    assert (item["stopped"], item["told_to"], item["last_error"]) == (False, None, "")
    replay = api.post("/v1/webhooks/desk/replay", {"after": 1}, "market_desk")
    ahead = api.post("/v1/webhooks/desk/replay", {"after": 99_999}, "market_desk")
    problem(ahead, 422, "live_ahead", "after")
    assert (replay.status_code, replay.json()["aggregate"]) == (201, "webhook.desk")
    assert api.post("/v1/webhooks/desk/stop", {"reason": "moved"}).status_code == 201
    api.wait()
    [item] = api.get("/v1/webhooks").json()["items"]
    assert item["stopped"]
    problem(api.post("/v1/webhooks/desk/stop", {"reason": "again"}), 422, "webhook_stopped", "webhook")
    problem(api.post("/v1/webhooks/desk/replay", {"after": 1}), 422, "webhook_stopped", "webhook")
    registered(api)
    [item] = api.get("/v1/webhooks").json()["items"]
    assert not item["stopped"]


def test_who_did_it_is_on_record(api: Api) -> None:
    registered(api)
    [actor] = api.bench.door.recorder.select_events("webhook.desk")  # type: ignore[misc]
    assert b"admin" in actor.state


def test_dead_letters_come_in_pages(api: Api) -> None:
    registered(api)
    with api.bench.database.projecting() as connection:
        for number in range(3):
            at = datetime(2026, 9, 1, number, tzinfo=UTC)
            letter = DeadLetter(f"m{number}", number + 1, "bid.cleared.v1", 8, "no answer", at)
            dead_letters.keep(connection, api.bench.book, "desk", letter)
    first = api.get("/v1/webhooks/desk/dead-letters", limit=2).json()
    rest = api.get("/v1/webhooks/desk/dead-letters", limit=2, cursor=first["next_cursor"]).json()
    assert [one["message"] for one in first["items"] + rest["items"]] == ["m0", "m1", "m2"]
    assert rest["next_cursor"] is None
    problem(api.get("/v1/webhooks/nobody/dead-letters"), 404, "unknown_webhook", "name")


@pytest.mark.parametrize(
    "url", ["http://desk.example/", "https://user:pw@desk.example/", "ftp://x/", "https://10.1.2.3/"]
)
def test_an_address_that_is_not_safe_is_refused(api: Api, url: str) -> None:
    problem(api.post("/v1/webhooks", {"id": "desk", "url": url}), 422, "webhook_url", "url")
    assert not (api.bench.nats.folder / "webhooks" / api.bench.book / "desk.whsec").exists()


def test_only_an_administrator_says_who_is_told(api: Api) -> None:
    for role in ("market_desk", "operator", "finance", "auditor"):
        answer = api.post("/v1/webhooks", {"id": "desk", "url": URL}, role)
        assert answer.status_code == 403, role
    problem(api.post("/v1/webhooks", {"id": "desk", "url": URL, "kinds": ["rain"]}), 422, "live_kind")
