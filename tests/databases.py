"""Databases for tests: one that was used is emptied, which is quicker than to make the next."""

from __future__ import annotations

import itertools
import os
from typing import Final
from weakref import WeakKeyDictionary

import psycopg
from psycopg import sql

from adapters.postgres.database import Database
from tests.stack import PostgresServer

_TEMPLATE: Final = "wattledger_template"
_NUMBERS: Final = itertools.count()
_OURS: Final = (
    "(SELECT oid FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema')"
)
_TABLES: Final = (
    f"SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace IN {_OURS} ORDER BY 1"
)
_SCHEMA: Final = f"""
    SELECT md5(string_agg(part, ',' ORDER BY part)) FROM (
        SELECT n::text AS part FROM pg_namespace n WHERE n.oid IN {_OURS}
        UNION ALL
        SELECT concat_ws(' ', oid, relname, relkind, relacl, reloptions, relrowsecurity, relforcerowsecurity)
        FROM pg_class WHERE relnamespace IN {_OURS}
        UNION ALL
        SELECT concat_ws(' ', attrelid, attnum, attname, atttypid, attnotnull, attacl, attisdropped)
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid WHERE relnamespace IN {_OURS}
        UNION ALL SELECT p::text FROM pg_policy p
        UNION ALL SELECT t::text FROM pg_trigger t
        UNION ALL SELECT r::text FROM pg_constraint r WHERE r.connamespace IN {_OURS}
        UNION ALL SELECT f::text FROM pg_proc f WHERE f.pronamespace IN {_OURS}
        UNION ALL
        SELECT oid || pg_get_viewdef(oid) FROM pg_class WHERE relkind = 'v' AND relnamespace IN {_OURS}
    ) AS parts"""


class Databases:
    """Of one server, one after another; each as after all migrations."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self._used: list[str] = []
        server.ensure_database(_TEMPLATE)
        template = Database(server.url(_TEMPLATE))
        template.migrate()
        template.close()
        with psycopg.connect(server.url(_TEMPLATE)) as connection:
            tables = [name for (name,) in connection.execute(_TABLES)]
            self._filled = [name for name in tables if _rows(connection, name)]
            self._emptied = [name for name in tables if name not in self._filled]
            self._schema = _schema(connection)
            self._rows = [_rows(connection, name) for name in self._filled]

    def take(self) -> str:
        """The name of an empty one, as the template is."""
        while self._used:
            name = self._used.pop()
            if self._empty(name):
                return name
        name = f"test_{os.getpid()}_{next(_NUMBERS)}"
        with psycopg.connect(self.server.url("postgres"), autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY WAL_LOG").format(
                    sql.Identifier(name), sql.Identifier(_TEMPLATE)
                )
            )
        return name

    def give_back(self, name: str) -> None:
        """It is needed no more."""
        self._used.append(name)

    def _empty(self, name: str) -> bool:
        """Empty it; whether it is as the template then."""
        with psycopg.connect(self.server.url(name), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            if _schema(connection) != self._schema:
                return False
            if [_rows(connection, filled) for filled in self._filled] != self._rows:
                return False
            connection.execute(f"TRUNCATE {', '.join(self._emptied)} RESTART IDENTITY")  # type: ignore[arg-type]
        return True


def _schema(connection: psycopg.Connection) -> object:
    (digest,) = connection.execute(_SCHEMA).fetchone() or (None,)
    return digest


def _rows(connection: psycopg.Connection, table: str) -> list[tuple[object, ...]]:
    return connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()  # type: ignore[arg-type]


def databases_of(server: PostgresServer) -> Databases:
    """Those of a server that runs."""
    if server not in _SERVERS:
        _SERVERS[server] = Databases(server)
    return _SERVERS[server]


_SERVERS: Final[WeakKeyDictionary[PostgresServer, Databases]] = WeakKeyDictionary()
