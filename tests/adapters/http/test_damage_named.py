"""What is damaged is named over HTTP to a role that may read it, and to nobody else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from adapters.integrity.proven_events import doubt
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import HOST, Api, problem
from tests.adapters.http.test_commands import PARTY, SITE
from tests.adapters.test_settling import CONTRACT, filled, settle
from tests.adapters.test_tamper_published import restore
from tests.stack import NatsServer, PostgresServer

ALTERED = 'UPDATE ledger.registered SET document = document || \'{"title":"x"}\' WHERE kind = '
TABLES = ("registered", "settlement", "meter_run")
RUN_GONE = "DELETE FROM ledger.settlement"
METER = ALTERED + "'meter' AND id = 'S1-LOAD'"
SETTLEMENTS = "/v1/settlements?month=2026-08"
CASES = [
    (ALTERED + "'contract'", f"/v1/contracts/{CONTRACT.id}", "finance", "table registered, contract eaas-s1"),
    (ALTERED + "'contract'", f"/v1/contracts/{CONTRACT.id}", "auditor", "table registered, contract eaas-s1"),
    (METER, "/v1/meters/S1-LOAD", "operator", "table registered, meter S1-LOAD"),
    (METER, "/v1/meters/S1-LOAD", "market_desk", "table registered, meter S1-LOAD"),
    (RUN_GONE, SETTLEMENTS, "finance", "table settlement, eaas-s1 for 2026-08"),
]


@pytest.fixture(scope="module")
def book(nats_server: NatsServer, migrated: PostgresServer) -> Iterator[Api]:
    bench = Bench(nats_server, migrated)
    filled(bench)
    settle(bench)
    api = Api(bench)
    api.wait()
    yield api
    api.close()
    bench.close()


@pytest.mark.parametrize(("change", "path", "role", "place"), CASES)
def test_a_role_that_may_read_it_is_told_which_row(
    book: Api, change: str, path: str, role: str, place: str
) -> None:
    book.secret(role)
    kept = {table: book.bench.query(f"SELECT * FROM ledger.{table}") for table in TABLES}  # type: ignore[arg-type]
    ((sequence,), *_) = book.bench.query(
        "SELECT sequence FROM ledger.envelope WHERE aggregate = %s",
        [place.removeprefix("table registered, ").replace(" ", ".")],
    ) or [(None,)]
    book.bench.query(f"{change} RETURNING 1")
    try:
        body = problem(book.get(path, role), 503, "discontinuity")
    finally:
        restore(book.bench, kept)
    assert body["place"].startswith(place)
    if sequence is not None:
        assert body["place"] == f"{place}, sequence {sequence}"
    assert "`wattledger repair --dry-run`" in body["detail"]
    assert book.bench.book not in str(body)


def test_a_partner_is_told_of_no_row(book: Api) -> None:
    partner = {"Authorization": f"Bearer {book.grant('partner', HOST)}"}
    assert book.client.get("/v1/statements", headers=partner).status_code == 200
    kept = {table: book.bench.query(f"SELECT * FROM ledger.{table}") for table in TABLES}  # type: ignore[arg-type]
    book.bench.query(f"{RUN_GONE} RETURNING 1")
    try:
        problem(book.client.get("/v1/statements", headers=partner), 503, "discontinuity", "")
        body = problem(book.get("/v1/statements", "finance"), 503, "discontinuity")
    finally:
        restore(book.bench, kept)
    assert body["place"].startswith("table settlement, eaas-s1 for 2026-08")


PLACES = {
    "table settlement, eaas-s1 for 2026-08": {"finance", "admin"},
    "table registered, contract eaas-s1, sequence 9": {"finance", "admin"},
    "table registered, key key-0, sequence 3": {"admin"},
    "table registered, site S1, sequence 2": {"operator", "finance", "admin"},
    "sequence 7": {"admin"},
    "sequences 7 to 9": {"admin"},
    "stream": set(),
    "/srv/checkpoints/7": set(),
}


@pytest.mark.parametrize("place", PLACES)
def test_what_a_role_may_not_read_is_not_named_to_it(
    book: Api, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Raised where the store would raise it."""

    def damaged(*_: object, **__: object) -> None:
        raise doubt("row_altered", place, "kept {a payload}, replayed nothing")

    for role in ("operator", "finance", "admin"):
        book.secret(role)
    monkeypatch.setattr(book.bench.door, "execute_all", damaged)
    routes = {"operator": "sites", "finance": "parties", "admin": "parties"}
    bodies = {"sites": SITE, "parties": PARTY}
    for role, route in routes.items():
        answer = book.post(f"/v1/{route}", bodies[route], role=role)
        body = problem(answer, 503, "discontinuity", place if role in PLACES[place] else "")
        assert "payload" not in str(body)
