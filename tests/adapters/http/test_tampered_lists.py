"""A list is answered when its rows are those that were recorded, and none of them is gone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from ledger.approval import Propose
from ledger.interval import Interval
from ledger.meter_import import CompleteImport, ImportOpened, OpenImport
from ledger.signed_contract import RegisterContract
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api, problem
from tests.adapters.test_settling import CONTRACT, START, filled, settle
from tests.adapters.test_tamper_published import restore
from tests.stack import NatsServer, PostgresServer

PATHS = {
    "sites": "/v1/sites",
    "one site": "/v1/sites/S1",
    "sites then": "/v1/sites?effective=2026-08-01",
    "parties": "/v1/parties",
    "meters": "/v1/meters",
    "contracts": "/v1/contracts",
    "tariffs": "/v1/tariffs",
    "readings": "/v1/readings?meter=S1-STORAGE&from=2026-08-02T00:00:00Z&to=2026-08-03T00:00:00Z",
    "page of readings": "/v1/readings?meter=S1-STORAGE&limit=3",
    "imports": "/v1/imports",
    "proposals": "/v1/proposals",
    "keys": "/v1/keys",
    "runs": "/v1/settlements",
    "run": "/v1/settlements/eaas-s1/2026-08",
    "statements": "/v1/statements",
    "life": "/v1/statements/eaas-s1/2026-08/host-s1/1/life",
    "account": "/v1/parties/host-s1/account",
    "receivables": "/v1/receivables",
    "month's figures": "/v1/reports/2026-08",
}
LIVES = {"life", "account", "receivables"}
SITES = {"sites", "one site", "sites then"}
REGISTERED = "UPDATE ledger.registered SET "
READINGS = {"readings", "page of readings"}
READINGS_GONE = (
    "WITH gone AS (DELETE FROM ledger.meter_run WHERE meter = 'S1-STORAGE')"
    " DELETE FROM ledger.reading_seal WHERE meter = 'S1-STORAGE'"
)
CHANGES: list[tuple[str, set[str]]] = [
    (f"""{REGISTERED} document = document || '{{"title":"x"}}' WHERE kind = 'site'""", SITES),
    (f"{REGISTERED} effective_from = effective_from + interval '1 s' WHERE kind = 'site'", SITES),
    (f"{REGISTERED} to_seq = from_seq WHERE kind = 'site'", SITES),
    (f"{REGISTERED} id = 'S2' WHERE kind = 'site'", SITES),
    ("DELETE FROM ledger.registered WHERE kind = 'site'", SITES),
    ("DELETE FROM ledger.registered WHERE id = 'host-s1'", {"parties"}),
    (f"""{REGISTERED} document = '{{"id":7}}' WHERE kind = 'party' AND id = 'host-s1'""", {"parties"}),
    ("DELETE FROM ledger.registered WHERE id = 'S1-LOAD'", {"meters"}),
    (f"{REGISTERED} version = 2 WHERE kind = 'contract'", {"contracts"}),
    ("DELETE FROM ledger.registered WHERE kind = 'tariff'", {"tariffs"}),
    ("UPDATE ledger.meter_run SET wh[5] = wh[5] + 1 WHERE register = 'charge'", READINGS),
    ("DELETE FROM ledger.meter_run WHERE register = 'discharge'", {"readings"}),
    ("UPDATE ledger.meter_run SET meter = 'S9' WHERE register = 'charge'", READINGS),
    ("UPDATE ledger.meter_run SET interval_s = 60 WHERE register = 'charge'", READINGS),
    ("DELETE FROM ledger.reading_seal WHERE register = 'charge'", READINGS),
    (READINGS_GONE, {*READINGS, "month's figures"}),
    ("UPDATE ledger.meter_import SET status = 'open'", {"imports"}),
    ("UPDATE ledger.meter_import SET to_seq = from_seq", {"imports"}),
    ("UPDATE ledger.meter_import SET meters = '{}'", {"imports"}),
    ("UPDATE ledger.meter_import SET document = '{}'", {"imports"}),
    ("DELETE FROM ledger.meter_import", {"imports"}),
    ("DELETE FROM ledger.registered WHERE kind = 'proposal'", {"proposals"}),
    (f"{REGISTERED} from_seq = from_seq - 1 WHERE kind = 'proposal'", {"proposals"}),
    ("DELETE FROM ledger.settlement", {"runs", "run", "statements"}),
    ("UPDATE ledger.settlement SET causes = '{meter}'", {"runs", "run"}),
    ("UPDATE ledger.statement SET document = '{}'", {"statements"}),
    ("UPDATE ledger.statement_life SET document = jsonb_set(document, '{status}', '\"paid\"')", LIVES),
    ("DELETE FROM ledger.statement_life", LIVES),
]
TABLES = (
    "registered",
    "meter_run",
    "reading_seal",
    "meter_import",
    "settlement",
    "statement",
    "statement_life",
)


@pytest.fixture(scope="module")
def book(nats_server: NatsServer, migrated: PostgresServer) -> Iterator[Api]:
    bench = Bench(nats_server, migrated)
    filled(bench)
    settle(bench)
    api = Api(bench)
    covers = Interval(START, START + timedelta(hours=1))
    opened = ImportOpened("0" * 64, "late.csv", "csv_long", ("S1-LOAD",), covers, 1, 4, "0")
    rule = Propose("p1", RegisterContract(msgspec.structs.replace(CONTRACT, title="Later")), "ada")
    commands: list[Any] = [OpenImport("i1", opened), CompleteImport("i1"), OpenImport("i2", opened), rule]
    for number, command in enumerate(commands):
        bench.door.execute(command, command_id=f"list-{number}", actor="ada")
    api.wait()
    for party in CONTRACT.party_ids:
        assert api.post(f"/v1/statements/{CONTRACT.id}/2026-08/{party}/1/review").status_code == 201
    api.wait()
    yield api
    api.close()
    bench.close()


def test_every_list_is_answered_of_a_whole_book(book: Api) -> None:
    for name, path in PATHS.items():
        answer = book.get(path)
        assert answer.status_code == 200, (name, answer.text)
        assert book.get(f"{path}{'&' if '?' in path else '?'}as_of=1").status_code in {200, 404, 422}, name


@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_a_list_of_altered_or_missing_rows_is_answered_to_nobody(book: Api, number: int) -> None:
    change, hit = CHANGES[number]
    kept = {table: book.bench.query(f"SELECT * FROM ledger.{table}") for table in TABLES}  # type: ignore[arg-type]
    assert book.bench.query(f"{change} RETURNING 1"), "it changes something"
    try:
        found = {name: book.get(path) for name, path in PATHS.items() if name in hit}
        for answer in found.values():
            problem(answer, 503, "discontinuity")
    finally:
        restore(book.bench, kept)
    for name in hit:
        assert book.get(PATHS[name]).status_code == 200, name
