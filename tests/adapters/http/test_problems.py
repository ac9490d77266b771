"""Errors: every kind is problem details, names the place, and tells nothing of the inside."""

from __future__ import annotations

import logging

import psycopg
import pytest

from adapters.continuity import Discontinuity
from adapters.nats.log import StoreFull, StoreUnavailable
from ledger.access import ROLES
from tests.adapters.http.conftest import Api, problem
from tests.adapters.http.test_commands import FROM, PARTY, SITE

BODIES: list[tuple[bytes | dict[str, object], int, str, str]] = [
    (b"", 400, "json", ""),
    (b"   ", 400, "json", ""),
    (b"{", 400, "json", ""),
    (b"\xff\xfe{", 400, "json", ""),
    (b"[" * 5000, 400, "json", ""),
    (b"[]", 422, "field_type", ""),
    (b"null", 422, "field_type", ""),
    ({}, 422, "field_missing", "effective_from"),
    (PARTY | {"document": {"id": "P1"}}, 422, "field_missing", "document.name"),
    (PARTY | {"document": {"id": 7, "name": "x"}}, 422, "field_type", "document.id"),
    (PARTY | {"document": {"id": "a b", "name": "x"}}, 422, "id", "party.id"),
    (PARTY | {"document": {"id": "P1", "name": " "}}, 422, "empty", "party.name"),
    (PARTY | {"document": {"id": "P1", "name": "x", "nick": "y"}}, 422, "field_unknown", "document.nick"),
    (PARTY | {"document": {"id": "P1", "name": "a\x00b"}}, 422, "control_character", "document.name"),
    (PARTY | {"effective_form": "2026-01-01T00:00:00Z"}, 422, "field_unknown", "effective_form"),
    (PARTY | {"effective_from": "2026-01-01"}, 422, "field_type", "effective_from"),
    (PARTY | {"effective_from": "2026-01-01T00:00:00"}, 422, "field_type", "effective_from"),
    (PARTY | {"effective_from": "0001-01-01T00:00:00+14:00"}, 422, "instant_range", "effective_from"),
    (PARTY | {"effective_to": "9999-12-31T00:00:00-12:00"}, 422, "instant_range", "effective_to"),
    (PARTY | {"effective_to": "2020-01-01T00:00:00Z"}, 422, "interval", "period"),
]


def test_a_body_that_is_wrong_is_refused_and_named(settled: Api) -> None:
    settled.secret("admin")
    before = settled.bench.recorder.max_notification_id()
    for body, status, code, place in BODIES:
        problem(settled.post("/v1/parties", body), status, code, place)
    assert settled.bench.recorder.max_notification_id() == before


def test_types_are_strict(settled: Api) -> None:
    for value in ("500000", 500000.0, True, None):
        body = FROM | {"document": SITE["document"] | {"storage_energy_wh": value}}
        problem(settled.post("/v1/sites", body), 422, "field_type", "document.storage_energy_wh")
    huge = FROM | {"document": SITE["document"] | {"storage_energy_wh": 2**53}}
    problem(settled.post("/v1/sites", huge), 422, "number_range", "document.storage_energy_wh")


def test_a_body_that_is_too_large_is_413(settled: Api) -> None:
    problem(settled.post("/v1/parties", b'"' + b"x" * (2 << 20) + b'"'), 413, "request_entity_too_large")
    chunks = (b"x" * (1 << 20) for _ in range(3))
    headers = {"Authorization": f"Bearer {settled.secret('admin')}", "Idempotency-Key": "k"}
    streamed = settled.client.post("/v1/tariffs", content=chunks, headers=headers)
    problem(streamed, 413, "request_entity_too_large")


def test_addresses_and_methods_that_do_not_exist(settled: Api) -> None:
    problem(settled.get("/v1/nothing"), 404, "not_found")
    problem(settled.get("/"), 404, "not_found")
    problem(settled.get("/docs/static/none.js"), 404, "not_found")
    problem(settled.client.put("/v1/parties"), 405, "method_not_allowed")
    assert settled.client.options("/v1/parties").status_code == 204


def test_a_parameter_that_is_not_known_or_not_readable_is_named(settled: Api) -> None:
    problem(settled.get("/v1/parties", page_size=5), 400, "unknown_parameter", "page_size")
    problem(settled.get("/v1/parties", limit="many"), 400, "parameter", "limit")
    problem(settled.get("/v1/readings"), 400, "parameter", "meter")
    problem(settled.get("/v1/parties/%00"), 400, "parameter", "name")
    problem(settled.get("/v1/prices", **{"from": "x" * 65}), 400, "parameter", "from")
    problem(settled.get("/v1/prices", to="tomorrow"), 400, "instant", "to")


def test_a_value_outside_its_list_and_one_not_of_its_form_are_told_apart(settled: Api) -> None:
    problem(settled.post("/v1/keys", {"role": "king", "actor": "x"}), 422, "not_allowed", "role")
    problem(settled.post("/v1/keys", {"actor": "x"}), 422, "field_missing", "role")
    odd = {"month": "2026-13"}
    body = problem(settled.post("/v1/settlements", odd), 422, "field_type", "month")
    assert "such as 2026-08" in body["detail"]
    assert "regex" not in body["detail"]
    body = problem(settled.get("/v1/statements", month="2026-8"), 400, "parameter", "month")
    assert "such as 2026-08" in body["detail"]


FORMS: list[tuple[dict[str, object], str]] = [
    ({"body": {"file": "x"}}, ""),
    ({"body": b"x"}, ""),
    ({"body": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, ""),
    ({}, "file"),
    ({"files": {"file": ("a.csv", b"x")}}, "profile"),
    ({"files": {"profile": (None, b"x")}}, "file"),
    ({"files": {"file": (None, b"x"), "profile": (None, b"x")}}, "file"),
]


def test_an_import_that_is_no_form_says_what_to_send(settled: Api) -> None:
    for sent, place in FORMS:
        body = problem(settled.post("/v1/imports", **sent), 400, "form", place)
        assert "multipart/form-data" in body["detail"]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (StoreFull("10077"), 503, "store_full"),
        (StoreUnavailable("no answer from nats://10.0.0.7"), 503, "unavailable"),
        (psycopg.OperationalError("connection to 10.0.0.7 failed"), 503, "unavailable"),
        (Discontinuity("the stream ends at 7"), 503, "discontinuity"),
        (TimeoutError(), 503, "unavailable"),
        (ZeroDivisionError("secret detail"), 500, "internal"),
    ],
)
def test_what_is_not_the_clients_fault_says_so_and_no_more(
    settled: Api, monkeypatch, caplog, error: Exception, status: int, code: str
) -> None:
    """The store's failures are raised where the store would raise them."""

    def fail(*_: object, **__: object) -> None:
        raise error

    settled.secret("admin")  # granted through the same door, before it is broken
    monkeypatch.setattr(settled.bench.door, "execute_all", fail)
    with caplog.at_level(logging.WARNING, "wattledger.http"):
        answer = settled.post("/v1/parties", PARTY)
    body = problem(answer, status, code)
    assert "10.0.0.7" not in answer.text
    assert "secret detail" not in answer.text
    assert ("retry-after" in answer.headers) == (status == 503)
    assert body["place"] == ""
    logged = [record for record in caplog.records if record.name == "wattledger.http"]
    assert len(logged) == 1
    assert (logged[0].exc_info is not None) == (status == 500)


def test_what_is_allowed_is_listed_with_the_refusal(settled: Api) -> None:
    roles = sorted(ROLES)
    body = problem(settled.post("/v1/keys", {"role": "king", "actor": "x"}), 422, "not_allowed", "role")
    assert body["allowed"] == roles
    assert body["detail"] == f"'king' is not one of {', '.join(roles)}"
    body = problem(settled.post("/v1/keys", {"role": 3, "actor": "x"}), 422, "field_type", "role")
    assert body["allowed"] == roles
    body = problem(settled.post("/v1/keys", {"actor": "x"}), 422, "field_missing", "role")
    assert body["allowed"] == roles
    body = problem(settled.post("/v1/keys", {"actor": 3, "role": "admin"}), 422, "field_type", "actor")
    assert (body["allowed"], "Expected `str`" in body["detail"]) == ([], True)
    body = problem(
        settled.post("/v1/parties", PARTY | {"effective_form": 1}), 422, "field_unknown", "effective_form"
    )
    assert body["allowed"] == ["effective_from", "effective_to", "document"]
    facts = {"facts": [{"type": "hearsay"}]}
    body = problem(settled.post("/v1/market/facts", facts), 422, "not_allowed", "facts[0].type")
    assert len(body["allowed"]) > 5, "the kinds of facts"
    body = problem(settled.get("/v1/statements", format="docx"), 400, "parameter", "format")
    assert "csv" in body["allowed"]
    assert body["detail"] == f"'docx' is not one of {', '.join(body['allowed'])}"


def test_a_parameter_given_twice_is_refused_and_not_the_last_taken(settled: Api) -> None:
    headers = {"Authorization": f"Bearer {settled.secret('admin')}"}
    for query in ("month=2026-08&month=2026-07", "month=2026-08&month=2026-08"):
        answer = settled.client.get(f"/v1/statements?{query}", headers=headers)
        body = problem(answer, 400, "repeated_parameter", "month")
        assert "2 times" in body["detail"]
    assert settled.client.get("/v1/statements?month=2026-08", headers=headers).status_code == 200
