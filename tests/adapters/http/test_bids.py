"""A bid by HTTP: written, checked, approved by another, submitted, and its receipt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from ledger.access import RevokeKey
from ledger.transparency.note import Note, open_note
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import CLOSES, bid, furnish
from tests.adapters.http.conftest import HOST, Api, problem
from tests.stack import NatsServer, PostgresServer
from trading.bid import Bid
from trading.receipt import BidReceipt


@pytest.fixture
def desk(bench: Bench) -> Iterator[Api]:
    made = opened(bench)
    yield made
    made.close()


@pytest.fixture(scope="module")
def bare(nats_server: NatsServer, migrated: PostgresServer) -> Iterator[Api]:
    """A desk that never has a bid: for tests of what is refused."""
    bench = Bench(nats_server, migrated)
    made = opened(bench)
    yield made
    made.close()
    bench.close()


def opened(bench: Bench) -> Api:
    furnish(bench)
    made = Api(bench)
    for actor in ("anna", "bert"):
        made.secrets[actor] = made.grant("market_desk", actor=actor)  # type: ignore[index]
    return made


def body(one: Bid, revision: int = 0) -> dict[str, Any]:
    return {"bid": msgspec.to_builtins(one), "revision": revision}


def test_a_bid_from_check_to_signed_receipt(desk: Api) -> None:
    checked = desk.post("/v1/bids/check", body(bid()), "anna").json()
    assert (checked["intervals"], checked["approvals_needed"], checked["problems"]) == (96, 1, [])
    assert {one["limit"]: one["asked"] for one in checked["limits"]} == {
        "volume": "4000000.00",
        "money": "600.00",
    }
    made = desk.post("/v1/bids", body(bid()), "anna", key="d1")
    assert made.status_code == 201, made.text
    stored = made.json()
    assert (stored["revision"], stored["status"], stored["digest"]) == (1, "draft", checked["digest"])
    own = {"revision": 1, "digest": stored["digest"]}
    problem(desk.post("/v1/bids/b1/approve", own, "anna"), 422, "four_eyes")
    assert desk.post("/v1/bids/b1/approve", own, "bert").json()["status"] == "approved"
    sent = desk.post("/v1/bids/b1/submit", {"revision": 1}, "anna", key="s1")
    assert sent.json()["status"] == "submitted", sent.text
    again = desk.post("/v1/bids/b1/submit", {"revision": 1}, "anna", key="s1")
    assert (again.json()["sequence"], again.headers["Idempotency-Replayed"]) == (
        sent.json()["sequence"],
        "true",
    )
    desk.wait()
    found = desk.get("/v1/bids/b1", "auditor").json()
    assert found["summary"]["standing"]["submitted_by"] == "anna"
    assert found["bid"] == msgspec.json.decode(msgspec.json.encode(bid()))
    receipt = desk.get("/v1/bids/b1/receipt", "market_desk").json()
    note = Note.parse(receipt["receipt"].encode())
    open_note(note, [desk.published.key()])
    told = BidReceipt.parse(note.text)
    assert (told.bid, told.revision, told.digest, told.gate_closes) == ("b1", 1, stored["digest"], CLOSES)
    assert told.sequence == receipt["sequence"] == sent.json()["sequence"]


def test_lists_filter_and_answer_as_of(desk: Api) -> None:
    desk.post("/v1/bids", body(bid()), "anna")
    second = desk.post("/v1/bids", body(bid("b2")), "anna").json()
    desk.wait()
    assert [one["id"] for one in desk.get("/v1/bids?status=draft&unit=vpp").json()["items"]] == ["b1", "b2"]
    before = second["sequence"] - 1
    assert [one["id"] for one in desk.get(f"/v1/bids?as_of={before}").json()["items"]] == ["b1"]
    assert desk.get("/v1/bids?live=true").json()["items"] == []
    assert desk.get("/v1/bids?limit=1").json()["next_cursor"]


@pytest.mark.parametrize(
    ("change", "code", "place"),
    [
        ({"unit": "other"}, "unknown_trading_unit", "trading_unit"),
        ({"market": "other"}, "unknown_market", "market"),
        ({"product": "other"}, "unknown_product", "product"),
        ({"curves": [[[0, 1000, 100_050]]] + [[]] * 95}, "price_tick", "curves[0][0]"),
        ({"curves": [[[0, 1000, 9_000_000]]] + [[]] * 95}, "price_limit", "curves[0][0]"),
        ({"curves": [[[0, 1000, 100]]] * 92}, "bid_intervals", "curves"),
        ({"curves": [[[0, 2**63, 100]]] * 92}, "bid_intervals", "curves"),
        ({"curves": [[[0, 2**63, 100]]] * 96}, "quantity_range", "curves"),
        ({"curves": "none"}, "field_type", "bid.curves"),
        ({"price": 1}, "field_unknown", "bid.price"),
        ({"note": "a\u0000b"}, "control_character", "bid.note"),
    ],
)
def test_what_is_wrong_is_named_and_not_stored(
    bare: Api, change: dict[str, Any], code: str, place: str
) -> None:
    wrong = body(bid())
    wrong["bid"] |= change
    problem(bare.post("/v1/bids", wrong, "anna"), 422, code, place)
    problem(bare.get("/v1/bids/b1"), 404, "unknown_bid")


def test_what_is_stored_is_what_the_bid_says_however_its_body_was_laid_out(desk: Api, bench: Bench) -> None:
    """As the desk writes it, so that its digest is over just these bytes."""
    spread = msgspec.json.format(msgspec.json.encode(body(bid())), indent=1)
    made = desk.post("/v1/bids", spread, "anna", headers={"Content-Type": "application/json"})
    payload = bench.client.run(bench.log.payload_at(made.json()["sequence"]))
    assert payload is not None
    assert b'"bid":%s,"revision":1,"digest":"%s"' % (bid().encoded, bid().digest.encode()) in payload


def test_the_same_key_with_another_bid_is_refused(desk: Api) -> None:
    assert desk.post("/v1/bids", body(bid()), "anna", key="k").status_code == 201
    problem(desk.post("/v1/bids", body(bid(note="else")), "anna", key="k"), 409, "command_id_reused")


def test_a_partner_sees_no_bids(desk: Api) -> None:
    desk.bench.door.execute(sample.register_party(HOST), command_id="host", actor="setup")
    problem(desk.get("/v1/bids", "partner"), 403, "forbidden")


def test_a_key_is_asked_for_with_the_bid_and_comes_before_whatever_else_is_wrong(
    desk: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before any row tells that it was revoked: the projector stands still."""
    log, asked = desk.bench.log, list[str]()
    ask = log.last_of_noun

    async def counted(noun: str) -> int:
        asked.append(noun)
        return await ask(noun)

    monkeypatch.setattr(log, "last_of_noun", counted)
    assert desk.post("/v1/bids", body(bid()), "anna").status_code == 201
    assert desk.post("/v1/bids", body(bid("b2")), "anna").status_code == 201
    asked.clear()
    assert desk.post("/v1/bids", body(bid("b3")), "anna", key="k3").status_code == 201
    assert sorted(asked) == ["key", "market", "trading_unit"], "one turn, each asked once"

    desk.projector.stop()
    ((key_id,),) = desk.bench.query(
        "SELECT id FROM ledger.registered WHERE kind = 'key' AND document->'grant'->>'actor' = 'anna'"
    )
    desk.bench.door.execute(RevokeKey(str(key_id)), command_id="revoke", actor="setup")
    stored = desk.bench.recorder.max_notification_id()
    unknown = msgspec.structs.replace(bid("b4"), market="nowhere")
    wrong: tuple[tuple[Any, dict[str, Any]], ...] = (
        (body(bid("b4")), {}),
        (body(bid("b3")), {"key": "k3"}),
        (body(unknown), {}),
        (body(bid("b4"), revision=7), {}),
        (b"{", {}),
        (b"", {}),
        (b" " * (3 << 20), {}),
        (body(bid("b4")), {"headers": {"Idempotency-Key": "with a blank"}}),
        (body(bid("b4")), {"headers": {"Idempotency-Key": ""}}),
        (body(bid("b4")), {"params": {"unknown": "1"}}),
    )
    for content, more in wrong:
        problem(desk.post("/v1/bids", content, "anna", **more), 401, "unauthenticated")
    assert desk.bench.recorder.max_notification_id() == stored
