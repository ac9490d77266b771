"""Four eyes: what one person prepares takes effect when another approves it, and only then."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ledger.book import Book, FoundBook
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api, problem
from tests.adapters.test_settling import CONTRACT


@pytest.fixture
def api(bench: Bench) -> Any:
    """A book of two persons, with a contract that could be registered."""
    book = FoundBook(Book("Two persons", "operator", "CNY", "Asia/Shanghai", "two_persons"))
    bench.door.execute(book, command_id="book", actor="setup")
    bench.door.execute(sample.register_site(), command_id="site", actor="setup")
    for party in CONTRACT.party_ids:
        bench.door.execute(sample.register_party(party), command_id=f"party-{party}", actor="setup")
    made = Api(bench)
    made.secrets["finance"] = made.grant("finance", actor="ada")
    made.secrets["admin"] = made.grant("admin", actor="bob")
    yield made
    made.close()


def prepared(api: Api, key: str = "c1") -> str:
    answer = api.post("/v1/contracts", encoded(), "finance", key=key)
    assert answer.status_code == 201, answer.text
    assert answer.json()["aggregate"].startswith("proposal.")
    api.wait()
    return str(answer.json()["proposal"])


def encoded() -> Any:
    return msgspec.to_builtins(CONTRACT)


def test_a_contract_is_in_force_once_another_person_approves_it(api: Api) -> None:
    name = prepared(api)
    assert api.get("/v1/contracts", "finance").json()["items"] == []
    (waiting,) = api.get("/v1/proposals", "auditor", status="open").json()["items"]
    assert (waiting["id"], waiting["what"], waiting["prepared_by"]) == (name, "contract.register", "ada")
    shown = api.get(f"/v1/proposals/{name}", "finance").json()
    assert shown["command"]["contract"]["id"] == CONTRACT.id

    approved = api.post(f"/v1/proposals/{name}/approve", role="admin", key="yes")
    assert approved.status_code == 201, approved.text
    assert approved.json()["aggregate"] == f"contract.{CONTRACT.id}"
    api.wait()
    assert [item["id"] for item in api.get("/v1/contracts", "finance").json()["items"]] == [CONTRACT.id]
    assert api.get("/v1/proposals", "auditor", status="open").json()["items"] == []
    again = api.post(f"/v1/proposals/{name}/approve", role="admin", key="yes")
    assert (again.json(), again.headers["idempotency-replayed"]) == (approved.json(), "true")
    problem(api.post(f"/v1/proposals/{name}/approve", role="admin"), 422, "proposal_status", "id")


def test_who_prepared_it_cannot_approve_it(api: Api) -> None:
    name = prepared(api)
    last = api.bench.recorder.max_notification_id()
    problem(api.post(f"/v1/proposals/{name}/approve", role="finance"), 422, "four_eyes", "actor")
    assert api.bench.recorder.max_notification_id() == last
    problem(api.post("/v1/proposals/p0/approve", role="finance"), 404, "unknown_proposal", "name")


def test_a_rejected_proposal_stays_without_effect(api: Api) -> None:
    name = prepared(api)
    answer = api.post(f"/v1/proposals/{name}/reject", {"reason": "the share is wrong"}, "admin")
    assert answer.status_code == 201, answer.text
    api.wait()
    problem(api.post(f"/v1/proposals/{name}/approve", role="admin"), 422, "proposal_status", "id")
    (found,) = api.get("/v1/proposals", "finance", status="rejected").json()["items"]
    assert (found["decided_by"], found["reason"]) == ("bob", "the share is wrong")
    assert api.get("/v1/contracts", "finance").json()["items"] == []


def test_what_could_not_be_accepted_cannot_be_prepared(api: Api) -> None:
    body = encoded() | {"sites": ["nowhere"]}
    problem(api.post("/v1/contracts", body, "finance"), 422, "unknown_site", "site")
    assert api.get("/v1/proposals", "finance").json()["items"] == []


def test_a_proposal_is_decided_again_when_it_is_approved(api: Api) -> None:
    """Two versions that would split a month: the second was acceptable only before the first."""
    first = prepared(api)
    other = encoded() | {"effective_from": "2026-08-15"}
    answer = api.post("/v1/contracts", other, "finance")
    assert answer.status_code == 201, answer.text
    second = answer.json()["proposal"]
    assert api.post(f"/v1/proposals/{first}/approve", role="admin").status_code == 201
    last = api.bench.recorder.max_notification_id()
    problem(api.post(f"/v1/proposals/{second}/approve", role="admin"), 422, "contract_change")
    assert api.bench.recorder.max_notification_id() == last, "neither the approval nor the contract"
