"""A story that lacks an event or a link is told to nobody; so of the journal's contracts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api, problem
from tests.adapters.test_settling import filled, settle
from tests.adapters.test_tamper_published import restore
from tests.stack import NatsServer, PostgresServer

STORIES = (
    "/v1/stories/contracts/eaas-s1",
    "/v1/stories/meters/S1-STORAGE",
    "/v1/stories/sites/S1",
)
JOURNAL = ("/v1/journal", "/v1/trial-balance?month=2026-08")
CONTRACT, METER, SITE = STORIES
LINKS_OF = (
    "DELETE FROM ledger.link WHERE sequence = (SELECT sequence FROM ledger.envelope WHERE aggregate = '{}')"
)
OF_SETTLEMENT = LINKS_OF.format("settlement.eaas-s1_2026-08")
CHANGES: list[tuple[str, tuple[str, ...]]] = [
    ("DELETE FROM ledger.envelope WHERE aggregate = 'contract.eaas-s1'", (CONTRACT,)),
    ("DELETE FROM ledger.envelope WHERE aggregate = 'party.host-s1'", (CONTRACT, METER)),
    (f"{OF_SETTLEMENT} AND link = 'rests_on'", (CONTRACT,)),
    (f"{OF_SETTLEMENT} AND thing = 'site.S1'", (CONTRACT,)),
    (LINKS_OF.format("meter.S1-STORAGE"), (METER,)),
    ("UPDATE ledger.link SET thing = 'site.S2' WHERE thing = 'site.S1'", (CONTRACT, METER)),
    ("DELETE FROM ledger.registered WHERE kind = 'contract'", JOURNAL),
    ("UPDATE ledger.registered SET from_seq = from_seq + 100 WHERE kind = 'contract'", JOURNAL),
]


@pytest.fixture(scope="module")
def book(nats_server: NatsServer, migrated: PostgresServer) -> Iterator[Api]:
    bench = Bench(nats_server, migrated)
    filled(bench)
    settle(bench)
    api = Api(bench)
    api.secret("admin")
    api.wait()
    yield api
    api.close()
    bench.close()


@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_what_lacks_an_event_or_a_link_is_told_to_nobody(book: Api, number: int) -> None:
    change, hit = CHANGES[number]
    for path in (*STORIES, *JOURNAL):
        answer = book.get(path)
        assert answer.status_code == 200, (path, answer.text)
    tables = ("envelope", "link", "registered")
    kept = {table: book.bench.query(f"SELECT * FROM ledger.{table}") for table in tables}  # type: ignore[arg-type]
    assert book.bench.query(f"{change} RETURNING 1"), "it changes something"
    try:
        for path in hit:
            problem(book.get(path), 503, "discontinuity")
    finally:
        restore(book.bench, kept)
