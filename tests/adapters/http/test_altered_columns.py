"""Whatever stands in any column of any table: it is judged before it is interpreted, and nothing crashes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import psycopg
import pytest
from psycopg import sql

from adapters.continuity import Discontinuity
from adapters.postgres.database import Connection
from adapters.verify import verify
from tests.adapters.http.conftest import Api, problem
from tests.adapters.http.test_tampered_lists import PATHS

ASKED: Final = {
    **PATHS,
    "statement": "/v1/statements/eaas-s1/2026-08/host-s1",
    "explained": "/v1/settlements/eaas-s1/2026-08/explanation",
    "journal": "/v1/journal?month=2026-08",
    "trial balance": "/v1/trial-balance?month=2026-08",
    "invoices": "/v1/invoices?month=2026-08",
    "story of a contract": "/v1/stories/contracts/eaas-s1",
    "story of an event": "/v1/stories/events/5",
    "line": "/v1/stories/lines/eaas-s1/2026-08/1/1",
    "events": "/v1/events",
    "prices": "/v1/prices",
    "proof": "/v1/log/proofs/inclusion?sequence=5",
    "tile": "/v1/log/tile/0/000.p/5",
    "months": "/v1/months/2026-08",
}
OTHERWISE: Final = {
    "jsonb": "'[7]'::jsonb",
    "_text": "array['host-x'] || {0}",
    "text": "'x' || substr({0}, 2)",
}
"""What a column that could be interpreted is altered to, by its type."""


def columns(connection: Connection) -> list[tuple[str, str, str]]:
    """Each such column of each table of the schema, with its type."""
    return connection.execute(
        "SELECT table_name, column_name, udt_name FROM information_schema.columns"
        " JOIN information_schema.tables USING (table_schema, table_name) WHERE table_schema = 'ledger'"
        " AND table_type = 'BASE TABLE' AND is_generated = 'NEVER' AND column_name <> 'book'"
        " AND udt_name = ANY(%s) ORDER BY 1, 2",
        [list(OTHERWISE)],
    ).fetchall()


@contextmanager
def altered(api: Api, table: str, column: str, kind: str) -> Iterator[bool]:
    """One row of the table; afterwards it is as it was. Whether a row could be altered."""
    name, field = sql.Identifier(table), sql.Identifier(column)
    written = sql.SQL(OTHERWISE[kind]).format(field)  # type: ignore[arg-type]
    update = (
        "UPDATE ledger.{} SET {} = {} WHERE ctid ="
        " (SELECT ctid FROM ledger.{} WHERE book = %s AND {} IS NOT NULL LIMIT 1)"
    )
    book = [api.bench.book]
    with api.bench.database.owning() as connection:
        rows = connection.execute(
            sql.SQL("CREATE TABLE kept_rows AS SELECT * FROM ledger.{} WHERE book = %s").format(name), book
        ).rowcount
    try:
        with suppress(psycopg.IntegrityError), api.bench.database.owning() as connection:
            connection.execute(sql.SQL(update).format(name, field, written, name, field), book)
        yield rows > 0
    finally:
        with api.bench.database.owning() as connection:
            connection.execute(sql.SQL("DELETE FROM ledger.{} WHERE book = %s").format(name), book)
            connection.execute(sql.SQL("INSERT INTO ledger.{} SELECT * FROM kept_rows").format(name))
            connection.execute("DROP TABLE kept_rows")


def test_a_cause_that_no_run_has_is_a_named_row(settled: Api) -> None:
    api = settled
    update = "UPDATE ledger.settlement SET causes = {} RETURNING 1"
    api.bench.query(update.format("'{host-x}'"))
    try:
        problem(api.get("/v1/settlements?month=2026-08", "finance"), 503, "discontinuity")
        verdict = verify(api.bench.log, api.bench.database, api.bench.nats.monitor_url)
        (fault,) = verdict.faults
        assert (fault.code, fault.place) == ("row_altered", "table settlement, run 1 of eaas-s1 for 2026-08")
    finally:
        api.bench.query(update.format("'{}'"))


@pytest.mark.fault
def test_no_altered_column_crashes_anything(settled: Api) -> None:
    api = settled
    with api.bench.database.owning() as connection:
        found = columns(connection)
    crashed: list[str] = []
    for table, column, kind in found:
        with altered(api, table, column, kind) as done:
            for path in ASKED.values() if done else ():
                answer = api.get(path, "auditor" if "stories" in path or "events" in path else "admin")
                if answer.status_code == 500:
                    crashed.append(f"{table}.{column}: {path}: {answer.text[:200]}")
            # It may end with a named fault, of a position above all; anything else is a crash.
            with suppress(Discontinuity):
                verify(api.bench.log, api.bench.database, api.bench.nats.monitor_url, published=api.published)
    assert crashed == []
