"""Who may do what: every route and every role, keys that are not in force, and partners kept apart."""

from __future__ import annotations

import csv
import io

import httpx
import msgspec
import psycopg
import pytest

from adapters.awaited_door import AwaitedDoor
from adapters.http.caller import Caller
from adapters.http.permissions import PERMISSIONS
from adapters.http.proven_keys import ProvenKeys
from adapters.http.recent_keys import RecentKeys
from adapters.http.service import Service
from adapters.http.view import View
from ledger.access import ROLES, RevokeKey
from ledger.contract import Visibility
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import CONTRACT, HOST, Api, problem
from tests.adapters.test_settling import filled

NAMES = {
    "{name}": "nobody",
    "{contract}": "eaas-s1",
    "{month}": "2026-08",
    "{party}": HOST,
    "{number}": "1",
    "{run}": "1",
    "{dispute}": "d1",
    "{sequence}": "1",
    "{key_id}": "nobody",
    "{day}": "2026-09-03",
    "/v1/live": "/v1/live?follow=false",
}


def address(route: str) -> tuple[str, str]:
    method, path = route.split(" ")
    for name, value in NAMES.items():
        path = path.replace(name, value)
    return method, path


@pytest.mark.parametrize("role", ROLES)
def test_every_route_lets_in_the_roles_of_the_table_and_no_other(settled: Api, role) -> None:
    for route, allowed in PERMISSIONS.items():
        method, path = address(route)
        answer = settled.get(path, role) if method == "GET" else settled.post(path, b"?", role)
        if role in allowed:
            assert answer.status_code not in {401, 403, 500}, (route, answer.text)
        else:
            problem(answer, 403, "forbidden")


def test_a_route_without_rights_does_not_start(settled: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(PERMISSIONS, "GET /v1/parties")
    with pytest.raises(AssertionError, match="GET /v1/parties"):
        settled.app()


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic {}", "{}", "Bearer " + "x" * 5000, "Bearer é"],
)
def test_without_a_key_in_force_nothing_is_told(settled: Api, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header.format(settled.secret("admin")).encode()}
    for route in PERMISSIONS:
        method, path = address(route)
        answer = settled.client.request(method, path, headers=headers)
        problem(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"


def test_a_key_is_shown_once_works_at_once_and_ends_at_once(api: Api) -> None:
    granted = api.post("/v1/keys", {"actor": "eve", "role": "auditor"}, key="k1")
    body = granted.json()
    assert (granted.status_code, body["in_force"]) == (201, True)
    assert granted.headers["cache-control"] == "no-store"
    mine = {"Authorization": f"Bearer {body['secret']}"}
    assert api.client.get("/v1/events", headers=mine).status_code == 200
    recorded = api.bench.query("SELECT payload FROM ledger.envelope")
    assert not any(body["secret"].encode() in payload for (payload,) in recorded)

    again = api.post("/v1/keys", {"actor": "eve", "role": "auditor"}, key="k1")
    assert again.json() == body | {"secret": None}
    assert again.headers["idempotency-replayed"] == "true"
    problem(api.post("/v1/keys", {"actor": "eve", "role": "admin"}, key="k1"), 409, "command_id_reused")

    revoked = api.post(f"/v1/keys/{body['key_id']}/revoke", key="k2")
    assert (revoked.status_code, revoked.json()["in_force"]) == (201, False)
    problem(api.client.get("/v1/events", headers=mine), 401, "unauthenticated")
    then = api.client.get("/v1/events", headers=mine, params={"as_of": body["sequence"]})
    problem(then, 401, "unauthenticated")
    problem(api.post(f"/v1/keys/{body['key_id']}/revoke"), 404, "unknown_key", "key_id")
    listed = {key["key_id"]: key for key in api.get("/v1/keys").json()["items"]}
    assert listed[body["key_id"]]["revoked"] is True
    assert not any("sha256" in key for key in listed.values())


def test_a_key_that_was_used_commands_nothing_once_its_revocation_is_stored(api: Api) -> None:
    """Before any row tells: the projector stands still."""
    secret = api.grant("admin", actor="eve")
    headers = {"Authorization": f"Bearer {secret}"}

    def command(key: str) -> httpx.Response:
        body = {"actor": "carl", "role": "auditor"}
        return api.client.post("/v1/keys", json=body, headers=headers | {"Idempotency-Key": key})

    assert [command(key).status_code for key in ("k1", "k2")] == [201, 201]
    (grant,) = (
        one
        for one in api.bench.query(
            "SELECT id FROM ledger.registered WHERE kind = 'key' AND document->'grant'->>'actor' = 'eve'"
        )
    )
    api.projector.stop()
    api.bench.door.execute(RevokeKey(str(grant[0])), command_id="revoke", actor="setup")
    problem(command("k3"), 401, "unauthenticated")


def test_a_partners_key_needs_its_party(settled: Api) -> None:
    problem(settled.post("/v1/keys", {"actor": "p", "role": "partner"}), 422, "party")
    problem(
        settled.post("/v1/keys", {"actor": "p", "role": "partner", "party": "nobody"}), 422, "unknown_party"
    )
    problem(settled.post("/v1/keys", {"actor": "p", "role": "finance", "party": "nobody"}), 422, "party")


def test_a_partner_reads_its_own_statements_only(settled: Api) -> None:
    everybody = settled.get("/v1/statements").json()["items"]
    assert {one["party"] for one in everybody} == {HOST, "operator", "equipment-owner"}
    own = settled.get("/v1/statements", "partner").json()["items"]
    assert own == [one for one in everybody if one["party"] == HOST]
    assert settled.get("/v1/statements", "partner", party="operator").json()["items"] == []
    for path in (
        "/v1/statements/eaas-s1/2026-08/operator",
        "/v1/statements/eaas-s1/2026-08/operator/lines/5/explain",
    ):
        problem(settled.get(path, "partner"), 404, "unknown_statement")
    text = settled.get("/v1/statements", "partner", format="csv").text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["party"] for row in rows} == {HOST}
    shares = [row for row in rows if row["row"] == "percentage"]
    assert [row["code"] for row in shares] == [one["party"] for one in own[0]["percentages"]]
    assert "operator" not in str([row for row in rows if row not in shares]), "shown by the contract alone"


def test_a_partners_explanation_has_its_own_lines_and_no_names(settled: Api) -> None:
    path = f"/v1/statements/eaas-s1/2026-08/{HOST}/lines/1/explain"
    for_finance = settled.get(path, "finance").json()
    for_partner = settled.get(path, "partner").json()
    assert for_partner["line"] == for_finance["line"]
    assert any(source.startswith("readings.S1-STORAGE/charge") for source in for_finance["sources"])
    assert {source.partition(":")[0] for source in for_partner["sources"]} == {"site", "tariff", "readings"}
    assert [event["sha256"] for event in for_partner["events"]] == [
        e["sha256"] for e in for_finance["events"]
    ]
    assert all(event["aggregate"] is None and event["actor"] is None for event in for_partner["events"])
    others = {
        line["number"]
        for one in settled.get("/v1/statements").json()["items"]
        if one["party"] != HOST
        for line in one["lines"]
    }
    for number in others:
        problem(settled.get(path.replace("/1/", f"/{number}/"), "partner"), 404, "unknown_line")


def test_a_wrong_query_still_shows_a_partner_nothing_else(settled: Api) -> None:
    """PostgreSQL's own row security: a query that forgets the party, or asks for a table of the staff's."""
    bench = settled.bench
    service = Service(
        bench.door,
        bench.database,
        lambda: None,
        bench.clock,
        RecentKeys(),
        ProvenKeys(),
        AwaitedDoor(bench.door),
    )
    view = View(service, Caller("someone", "partner", HOST), None)
    with view.reading() as (connection, _):
        seen = connection.execute("SELECT DISTINCT party FROM ledger.statement").fetchall()
    assert seen == [(HOST,)]
    for table in ("settlement", "registered", "envelope", "meter_run", "price_block", "reading"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), view.reading() as (connection, _):
            connection.execute(f"SELECT * FROM ledger.{table}")  # type: ignore[arg-type]
    nobody = View(service, Caller("someone", "partner", None), None)
    with nobody.reading() as (connection, _):
        assert connection.execute("SELECT * FROM ledger.statement").fetchall() == []


def test_health_and_documentation_need_no_key(settled: Api) -> None:
    for path in ("/v1/health/live", "/v1/health/ready", "/docs", "/docs/openapi.json"):
        assert settled.client.get(path).status_code == 200


def test_an_explanation_shows_no_more_than_the_statement(bench: Bench) -> None:
    """A party that may see neither pool nor bill does not see them by asking for a line's origin."""
    blind = Visibility(pool_total=False, others_percentages=False, host_bill=False)
    parties = tuple(
        msgspec.structs.replace(party, sees=blind, role="investor" if party.id == HOST else party.role)
        for party in CONTRACT.parties
    )
    filled(bench, msgspec.structs.replace(CONTRACT, parties=parties))
    api = Api(bench)
    try:
        done = api.post("/v1/settlements", {"month": "2026-08"}, role="finance")
        assert done.status_code == 201, done.text
        api.wait()
        path = f"/v1/statements/{CONTRACT.id}/2026-08/{HOST}"
        lines = api.get(path, "partner").json()["statement"]["lines"]
        withheld = [line for line in lines if not line["note"] and not line["basis"]]
        assert {"demand_charge", "remainder_split"} & {line["code"] for line in withheld}
        for line in lines:
            explained = api.get(f"{path}/lines/{line['number']}/explain", "partner").json()
            assert explained["line"] == line
    finally:
        api.close()
