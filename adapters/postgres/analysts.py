"""Login roles of people who read with SQL: each reads one book, and a partner's only that party's rows."""

from __future__ import annotations

import re
import secrets
from typing import Final, NamedTuple

from psycopg import sql

from adapters.postgres.database import Connection, Database
from ledger.refusal import Refused

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,30}", re.ASCII)
_PREFIX: Final = "analyst_"
_SECRET_BYTES: Final = 24
_LIMITS: Final = {
    "default_transaction_read_only": "on",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
    "search_path": "analyst",
    "timezone": "UTC",
}
_CONNECTIONS: Final = 4
_WRITING: Final = (
    "pg_catalog.lo_creat(integer)", "pg_catalog.lo_create(oid)", "pg_catalog.lo_from_bytea(oid, bytea)",
)  # fmt: skip
"""With which anybody could make a large object. Of another's server PostgreSQL only warns."""


class Analyst(NamedTuple):
    """`role` logs in; without `party` it reads the whole book."""

    role: str
    book: str
    party: str | None


def add(database: Database, name: str, book: str, party: str | None) -> tuple[Analyst, str]:
    """Make a login role and answer its password, which is kept nowhere else.

    Only a hash of the password leaves this process.

    Raises:
        Refused: `analyst_name`; `exists` for one that is there.
    """
    role = _role(name)
    password = secrets.token_urlsafe(_SECRET_BYTES)
    with database.owning() as connection:
        if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
            text = f"{role} is there already, for this book or another one; take another name, or remove it"
            raise Refused("exists", text, place="name")
        hashed = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
        connection.execute(
            sql.SQL(
                "CREATE ROLE {} LOGIN PASSWORD {} NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION"
                " CONNECTION LIMIT {} IN ROLE wattledger_analyst"
            ).format(sql.Identifier(role), sql.Literal(hashed.decode()), sql.Literal(_CONNECTIONS))
        )
        for setting, value in _LIMITS.items():
            connection.execute(
                sql.SQL("ALTER ROLE {} SET {} = {}").format(
                    sql.Identifier(role), sql.Identifier(setting), sql.Literal(value)
                )
            )
        database_name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC").format(database_name))
        for function in _WRITING:
            connection.execute(sql.SQL("REVOKE EXECUTE ON FUNCTION {} FROM PUBLIC").format(sql.SQL(function)))
        connection.execute("INSERT INTO analyst.login VALUES (%s, %s, %s)", [role, book, party])
    return Analyst(role, book, party), password


def remove(database: Database, name: str, book: str) -> None:
    """Take a role of this book away; a session that is open is refused from its next query on.

    Raises:
        Refused: `analyst_name`; `unknown_analyst`, also for a role that reads another book.
    """
    role = _role(name)
    with database.owning() as connection:
        gone = connection.execute(
            "DELETE FROM analyst.login WHERE role_name = %s AND book = %s", [role, book]
        )
        if not gone.rowcount:
            there = ", ".join(one.role for one in _of_book(connection, book)) or "none"
            raise Refused("unknown_analyst", f"book {book} has no {role}; it has: {there}", place="name")
        named = sql.Identifier(role)
        connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(named))
        connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(named))
        connection.execute(sql.SQL("DROP OWNED BY {}").format(named))
        connection.execute(sql.SQL("DROP ROLE {}").format(named))


def of_book(database: Database, book: str) -> list[Analyst]:
    """Those who read this book, by role."""
    with database.owning() as connection:
        return _of_book(connection, book)


def _of_book(connection: Connection, book: str) -> list[Analyst]:
    rows = connection.execute(
        "SELECT role_name, book, party FROM analyst.login WHERE book = %s ORDER BY role_name", [book]
    )
    return [Analyst(*row) for row in rows]


def _role(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise Refused(
            "analyst_name", f"{name!r} is not a small letter, then letters, digits, _", place="name"
        )
    return _PREFIX + name
