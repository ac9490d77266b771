"""What was altered below the program is answered by nobody, and a key grants what was recorded only."""

from __future__ import annotations

import pytest

from adapters.http.secret import digest_of, new_secret
from tests.adapters.http.conftest import HOST, Api, problem
from tests.adapters.test_settling import founded

RIGHTS = {
    "role": """document = jsonb_set(document #- '{grant,party}', '{grant,role}', '"admin"')""",
    "no role": """document = jsonb_set(document, '{grant,role}', '"king"')""",
    "party": """document = jsonb_set(document, '{grant,party}', '"opco"')""",
    "actor": """document = jsonb_set(document, '{grant,actor}', '"ada"')""",
    "id": "id = 'key-0'",
}


@pytest.fixture
def book(api: Api) -> Api:
    founded(api.bench)
    api.wait()
    return api


@pytest.mark.parametrize("change", RIGHTS)
def test_a_key_grants_nothing_that_its_event_does_not(book: Api, change: str) -> None:
    partner = {"Authorization": f"Bearer {book.grant('partner', HOST)}"}
    assert book.client.get("/v1/statements", headers=partner).status_code == 200
    ((name, before),) = book.bench.query(
        "SELECT id, document::text FROM ledger.registered WHERE kind = 'key'"
    )
    assert name == "key-0"
    changed = RIGHTS[change].replace("key-0", "key-9")
    book.bench.query(f"UPDATE ledger.registered SET {changed} WHERE kind = 'key' RETURNING 1")
    for path in ("/v1/statements", "/v1/keys"):
        problem(book.client.get(path, headers=partner), 503, "discontinuity")
    book.bench.query(
        "UPDATE ledger.registered SET id = %s, document = %s::jsonb WHERE kind = 'key' RETURNING 1",
        [name, before],
    )
    assert book.client.get("/v1/statements", headers=partner).status_code == 200


def test_neither_a_foreign_secret_nor_a_revoked_key_comes_in_by_a_row(book: Api) -> None:
    secret = new_secret()
    headers = {"Authorization": f"Bearer {secret}"}
    name = book.post("/v1/keys", {"actor": "eve", "role": "auditor"}, key="k1").json()["key_id"]
    assert book.client.get("/v1/events", headers=headers).status_code == 401
    book.bench.query(
        "UPDATE ledger.registered SET document = jsonb_set(document, '{grant,sha256}', to_jsonb(%s::text))"
        " WHERE kind = 'key' AND id = %s RETURNING 1",
        [digest_of(secret), name],
    )
    problem(book.client.get("/v1/events", headers=headers), 503, "discontinuity")

    other = {"Authorization": f"Bearer {book.grant('auditor')}"}
    ((revoked,),) = book.bench.query(
        "SELECT id FROM ledger.registered WHERE kind = 'key' ORDER BY from_seq DESC LIMIT 1"
    )
    assert book.post(f"/v1/keys/{revoked}/revoke", key="r1").status_code in {200, 201}
    book.wait()
    assert book.client.get("/v1/events", headers=other).status_code == 401
    book.bench.query("DELETE FROM ledger.registered WHERE id = %s AND version = 2 RETURNING 1", [revoked])
    book.bench.query("UPDATE ledger.registered SET to_seq = NULL WHERE id = %s RETURNING 1", [revoked])
    problem(book.client.get("/v1/events", headers=other), 503, "discontinuity")


@pytest.mark.parametrize(
    "change",
    [
        "payload = payload || ' '::bytea",
        "hash = sha256('x')",
        "payload = payload || ' '::bytea, hash = sha256(payload || ' '::bytea)",
    ],
)
def test_an_altered_event_is_shown_to_nobody(book: Api, change: str) -> None:
    paths = ("/v1/events", "/v1/events/2", "/v1/stories/events/2")
    assert [book.get(path, "auditor").status_code for path in paths] == [200, 200, 200]
    book.bench.query(f"UPDATE ledger.envelope SET {change} WHERE sequence = 2 RETURNING 1")
    for path in paths:
        problem(book.get(path, "auditor"), 503, "discontinuity")
    assert book.get("/v1/events/1", "auditor").status_code == 200, "only what is shown is looked at"
