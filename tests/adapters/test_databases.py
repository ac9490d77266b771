"""A test's database has nothing of the tests before it."""

from __future__ import annotations

import psycopg
import pytest

from tests.databases import Databases
from tests.stack import PostgresServer


@pytest.fixture
def databases(migrated: PostgresServer) -> Databases:
    return Databases(migrated)


def after(databases: Databases, *statements: str) -> tuple[str, str]:
    """A database, what was done in it, and the next one."""
    first = databases.take()
    with psycopg.connect(databases.server.url(first), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)  # type: ignore[arg-type]
    databases.give_back(first)
    return first, databases.take()


def test_an_emptied_one_is_taken_again(databases: Databases) -> None:
    row = "INSERT INTO ledger.position (book, projection, sequence, hash) VALUES ('b', 'p', 7, '')"
    first, second = after(databases, row)
    assert first == second
    with psycopg.connect(databases.server.url(second)) as connection:
        assert connection.execute("SELECT count(*) FROM ledger.position").fetchone() == (0,)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE ledger.more (id int)",
        "ALTER TABLE ledger.position ADD COLUMN more int",
        "ALTER TABLE ledger.position DISABLE ROW LEVEL SECURITY",
        "GRANT SELECT ON ledger.position TO PUBLIC",
        "GRANT USAGE ON SCHEMA ledger TO PUBLIC",
        "CREATE FUNCTION ledger.more() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DROP POLICY staff ON ledger.access_mark",
        "DELETE FROM public.schema_migrations",
        "CREATE SCHEMA more",
        "DROP TABLE public.schema_migrations",
    ],
)
def test_one_that_is_altered_is_not(databases: Databases, statement: str) -> None:
    first, second = after(databases, statement)
    assert first != second


def test_who_is_still_connected_is_sent_away(databases: Databases) -> None:
    first = databases.take()
    with psycopg.connect(databases.server.url(first)) as connection:
        connection.execute("SELECT count(*) FROM ledger.position")
        databases.give_back(first)
        assert databases.take() == first
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
