"""Analysts with SQL: one book, for a partner's its own rows only, nothing written, each column documented."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from adapters.postgres import analysts
from adapters.queries import statements
from adapters.settling import lowest_position, settle_month
from ledger.refusal import Refused
from ledger.statement.issue import ReviewStatement
from ledger.statement.life import StatementKey
from tests.adapters.conftest import Bench
from tests.adapters.test_settling import AUGUST, CONTRACT, filled
from tests.stack import NatsServer, PostgresServer

HOST = "host-s1"
DOCUMENT = Path(__file__).parents[2] / "docs/analyst-views.md"
TABLES = (
    "statement",
    "statement_life",
    "settlement",
    "registered",
    "meter_run",
    "price_block",
    "position",
)
_NUMBERS = itertools.count()


class Reader:
    """A book that is settled, with a row of another book beside each of its own."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.names: list[str] = []
        self.books: dict[str, str] = {}

    def login(self, party: str | None = None, book: str | None = None) -> psycopg.Connection[Any]:
        name = f"t{self.bench.nats.child.process.pid}_{next(_NUMBERS)}"
        made, password = analysts.add(self.bench.database, name, book or self.bench.book, party)
        self.names.append(name)
        self.books[name] = made.book
        parts = urlsplit(self.bench.database.url)
        where = f"{made.role}:{password}@{parts.hostname}:{parts.port}"
        return psycopg.connect(urlunsplit(parts._replace(netloc=where)), autocommit=True)

    def close(self) -> None:
        for name in self.names:
            self.remove(name)

    def remove(self, name: str) -> None:
        analysts.remove(self.bench.database, name, self.books[name])


@pytest.fixture(scope="module")
def reader(nats_server: NatsServer, migrated: PostgresServer) -> Iterator[Reader]:
    bench = Bench(nats_server, migrated)
    filled(bench)
    settle_month(bench.door, bench.database, AUGUST, actor="ada")
    bench.door.execute(
        ReviewStatement(StatementKey("eaas-s1", "2026-08", HOST, 1), "ada"), command_id="review", actor="ada"
    )
    bench.project()
    with bench.database.owning() as connection:
        connection.execute(
            "INSERT INTO ledger.price_block VALUES (%s, 'm', 'n', 'p', now(), 900, 'CNY', 6, '{123456}', 1)",
            [bench.book],
        )
        for table in TABLES:
            columns = [
                name
                for (name,) in connection.execute(
                    "SELECT column_name FROM information_schema.columns"
                    " WHERE table_schema = 'ledger' AND table_name = %s AND column_name <> 'book'"
                    " ORDER BY ordinal_position",
                    [table],
                )
            ]
            names = ", ".join(columns)
            connection.execute(
                f"INSERT INTO ledger.{table} (book, {names}) SELECT 'other', {names} FROM ledger.{table}"
            )  # type: ignore[arg-type]
    made = Reader(bench)
    yield made
    made.close()
    bench.close()


def values(connection: psycopg.Connection[Any], query: str) -> list[Any]:
    return connection.execute(query).fetchall()  # type: ignore[call-overload, no-any-return]


def views(connection: psycopg.Connection[Any]) -> list[str]:
    return [
        name
        for (name,) in values(
            connection,
            "SELECT table_name FROM information_schema.views WHERE table_schema = 'analyst' ORDER BY 1",
        )
    ]


def test_an_analyst_of_the_book_reads_its_statements_to_the_fen(reader: Reader) -> None:
    with closing(reader.login()) as connection:
        rows = values(
            connection,
            "SELECT party, entitlement, held, payable FROM analyst.statement WHERE is_latest ORDER BY party",
        )
        with reader.bench.database.reading(reader.bench.book) as ledger:
            found = statements.latest(ledger, lowest_position(ledger))
        assert [tuple(map(str, row)) for row in rows] == [
            (one.party, str(one.entitlement), str(one.held), str(one.payable)) for one in found
        ]
        lines = values(connection, "SELECT party, line, amount FROM statement_line ORDER BY party, line")
        assert [tuple(map(str, row)) for row in lines] == [
            (one.party, str(line.number), str(line.amount)) for one in found for line in one.lines
        ]
        summed = values(connection, "SELECT sum(payable) FROM statement WHERE is_latest")
        assert summed[0][0] == 0
        assert values(connection, "SELECT count(*) FROM reading WHERE is_current")[0][0] == 3 * 2976


def test_every_view_has_the_rows_of_one_book_only(reader: Reader) -> None:
    with closing(reader.login()) as one, closing(reader.login(book="nowhere")) as none:
        for view in views(one):
            count = values(one, f"SELECT count(*) FROM analyst.{view}")[0][0]
            owned = reader.bench.query(f"SELECT count(*) FROM analyst.{view}")[0][0]
            assert count, view
            assert owned == 2 * count, f"{view}: the other book's rows are there, and not read"
            assert values(none, f"SELECT count(*) FROM analyst.{view}") == [(0,)], view


def test_a_partner_s_analyst_sees_no_row_of_others(reader: Reader) -> None:
    others = [party for party in CONTRACT.party_ids if party != HOST]
    with closing(reader.login(party=HOST)) as connection:
        assert values(connection, "SELECT DISTINCT party FROM statement") == [(HOST,)]
        for view in views(connection):
            rows = values(connection, f"SELECT * FROM analyst.{view}")
            for party in others:
                if view != "statement_line":
                    assert party not in str(rows), (view, party)
            if view not in (
                "statement",
                "statement_line",
                "statement_term",
                "statement_status",
                "projected_to",
            ):
                assert rows == [], view


def test_no_setting_and_no_role_widens_what_is_seen(reader: Reader) -> None:
    with closing(reader.login(party=HOST)) as connection:
        for attempt in (
            "SET app.book = 'other'",
            f"SET app.party = '{CONTRACT.party_ids[0]}'",
            "SET row_security = off",
            "SET ROLE wattledger_analyst",
        ):
            connection.execute(attempt)  # type: ignore[call-overload]
            try:
                seen = values(connection, "SELECT DISTINCT party FROM analyst.statement")
            except psycopg.errors.InsufficientPrivilege:
                seen = [(HOST,)]
            assert seen == [(HOST,)], attempt
            connection.execute("RESET row_security")
        for role in ("wattledger_staff", "wattledger_projector", "postgres"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"SET ROLE {role}")  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO analyst.login VALUES (session_user, 'other', NULL)",
        "UPDATE analyst.login SET party = NULL",
        "SELECT * FROM analyst.login",
        "SELECT * FROM ledger.statement",
        "SELECT * FROM ledger.envelope",
        "DELETE FROM analyst.statement",
        "DELETE FROM analyst.projected_to",
        "CREATE TABLE analyst.mine (a int)",
        "CREATE TABLE public.mine (a int)",
        "CREATE TEMPORARY TABLE mine (a int)",
        "ALTER ROLE current_user SUPERUSER",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT lo_create(0)",
        "SELECT lo_creat(-1)",
        "SELECT lo_from_bytea(0, 'text')",
    ],
)
def test_nothing_is_written_and_no_table_is_read(reader: Reader, statement: str) -> None:
    """Also when the session asks for a transaction that may write."""
    with closing(reader.login()) as connection:
        connection.execute("SET default_transaction_read_only = off")
        with pytest.raises(
            (psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState)
        ):
            connection.execute(statement)  # type: ignore[call-overload]


def test_a_session_is_read_only_and_ends_long_statements(reader: Reader) -> None:
    with closing(reader.login()) as connection:
        shown = {
            name: values(connection, f"SHOW {name}")[0][0]
            for name in ("transaction_read_only", "statement_timeout")
        }
        assert shown == {"transaction_read_only": "on", "statement_timeout": "1min"}


def test_keys_and_proposals_are_in_no_view(reader: Reader) -> None:
    """What is registered beside master data, such as the hashes of API keys, stays out."""
    with reader.bench.database.owning() as owner:
        owner.execute(
            "INSERT INTO ledger.registered VALUES (%s, 'key', 'k1', 1, NULL, NULL, 1, NULL, %s)",
            [reader.bench.book, '{"hash": "SECRETHASH"}'],
        )
    with closing(reader.login()) as connection:
        for view in views(connection):
            assert "SECRETHASH" not in str(values(connection, f"SELECT * FROM analyst.{view}")), view


def test_an_analyst_who_owns_something_is_removed_all_the_same(reader: Reader) -> None:
    """Where the server's owner is another, PostgreSQL lets anybody make a large object."""
    with closing(reader.login()) as connection:
        role = values(connection, "SELECT session_user")[0][0]
        with reader.bench.database.owning() as owner:
            (made,) = owner.execute("SELECT lo_create(0)").fetchone() or (0,)
            owner.execute(f"ALTER LARGE OBJECT {made} OWNER TO {role}")  # type: ignore[call-overload]
        name = reader.names.pop()
        reader.remove(name)
    with pytest.raises(psycopg.OperationalError, match=r"authentication failed|does not exist"):
        psycopg.connect(reader.bench.database.url.replace("postgres:", f"{role}:"), connect_timeout=5)


def test_another_book_s_analyst_is_neither_listed_nor_removed(reader: Reader) -> None:
    reader.login(book="elsewhere").close()
    name, own = reader.names[-1], reader.bench.book
    assert [one.role for one in analysts.of_book(reader.bench.database, "elsewhere")] == [f"analyst_{name}"]
    assert f"analyst_{name}" not in [one.role for one in analysts.of_book(reader.bench.database, own)]
    with pytest.raises(Refused, match=f"book {own} has no analyst_{name}; it has: ") as refused:
        analysts.remove(reader.bench.database, name, own)
    assert (refused.value.code, refused.value.place) == ("unknown_analyst", "name")
    assert len(analysts.of_book(reader.bench.database, "elsewhere")) == 1
    reader.remove(reader.names.pop())
    assert analysts.of_book(reader.bench.database, "elsewhere") == []


def test_a_removed_analyst_is_gone(reader: Reader) -> None:
    with closing(reader.login()) as connection:
        name = reader.names.pop()
        reader.remove(name)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT count(*) FROM analyst.statement")
    with pytest.raises(Refused) as refused:
        reader.remove(name)
    assert refused.value.code == "unknown_analyst"


@pytest.mark.parametrize("name", ["", "Ada", "a-b", 'a"; DROP ROLE postgres', "x" * 32, "1a"])
def test_a_name_that_is_no_role_s(reader: Reader, name: str) -> None:
    with pytest.raises(Refused) as refused:
        analysts.add(reader.bench.database, name, "demo", None)
    assert refused.value.code == "analyst_name"


def test_a_role_is_not_made_twice(reader: Reader) -> None:
    reader.login().close()
    with pytest.raises(Refused) as refused:
        analysts.add(reader.bench.database, reader.names[-1], reader.bench.book, None)
    assert refused.value.code == "exists"


def test_every_view_and_column_is_documented_as_it_is(reader: Reader) -> None:
    """docs/analyst-views.md: a heading a view, a row a column with its type, in the view's order."""
    rows = reader.bench.query(
        "SELECT table_name, column_name, data_type FROM information_schema.columns"
        " JOIN information_schema.views USING (table_schema, table_name)"
        " WHERE table_schema = 'analyst' ORDER BY table_name, ordinal_position"
    )
    documented: list[tuple[str, str, str]] = []
    for section in DOCUMENT.read_text(encoding="utf-8").split("\n## ")[1:]:
        found = re.match(r"`analyst\.(\w+)`", section)
        if found:
            columns = re.findall(r"^\| `(\w+)` \| ([^|]+?) \| \S", section, re.MULTILINE)
            documented += [(found[1], name, kind) for name, kind in columns]
    assert sorted(documented) == sorted(rows)  # type: ignore[type-var, arg-type]
    order = [(view, column) for view, column, _ in rows]
    assert [(view, column) for view, column, _ in sorted(documented, key=lambda row: str(row[0]))] == order
