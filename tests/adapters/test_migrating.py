"""Processes that start together on an empty database do not migrate it against each other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from adapters.postgres.database import Database
from tests.stack import PostgresServer


def test_all_who_start_together_find_it_migrated(postgres_server: PostgresServer) -> None:
    postgres_server.ensure_database("together")
    databases = [Database(postgres_server.url("together")) for _ in range(4)]
    with ThreadPoolExecutor(len(databases)) as pool:
        list(pool.map(Database.migrate, databases))
    for database in databases:
        with database.reading("none") as connection:
            assert connection.execute("SELECT 1 FROM ledger.compared_stream").fetchone() is None
        database.close()
