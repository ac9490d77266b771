"""A statement is answered only when its row is what the recorded run says, archived and in the tree."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from psycopg.types.json import Jsonb

from adapters.continuity import Discontinuity
from adapters.integrity.fault import FaultCode
from adapters.integrity.origin import origin_of
from adapters.integrity.published import check_statements
from adapters.postgres.database import Connection
from adapters.queries import events_page, positions, reports, statements
from adapters.queries.explain import explain
from adapters.queries.journal import journal
from adapters.queries.reports import Choice
from adapters.queries.story.event import event as event_story
from adapters.settling import lowest_position
from adapters.verify import check_runs
from ledger.settlement.statement import Statement
from tests.adapters.conftest import Bench
from tests.adapters.test_market_settling import told_spot
from tests.adapters.test_settling import AUGUST, CONTRACT, filled, founded, settle

KEPT = ("settlement", "registered", "envelope", "tree_tile")
TABLES = ("statement", "envelope", "tree_tile")
PADDED = (
    "UPDATE ledger.envelope SET payload = payload || ' '::bytea, hash = sha256(payload || ' '::bytea)"
    " WHERE sequence = %s"
)


def shown(bench: Bench) -> list[Statement]:
    with bench.database.reading(bench.book) as connection:
        return statements.latest(connection, lowest_position(connection))


def settled(bench: Bench) -> Bench:
    filled(founded(bench))
    settle(bench)
    bench.project()
    return bench


def test_only_what_was_recorded_is_answered(bench: Bench) -> None:
    settled(bench)
    assert len(shown(bench)) > 1
    check_statements(bench.database, bench.book, shown(bench))
    check_statements(bench.database, bench.book, [])
    last = shown(bench)[0].sequence
    changes: list[tuple[str, FaultCode, str]] = [
        (
            "UPDATE ledger.statement SET document = jsonb_set(document, '{run}', '7')",
            "row_altered",
            f"table statement, sequence {last}",
        ),
        ("UPDATE ledger.envelope SET hash = sha256('x') WHERE sequence = %s", "archive_altered", "sequence"),
        (PADDED, "tree_altered", "sequence"),
        ("DELETE FROM ledger.tree_tile WHERE level = 0", "tree_altered", "sequence"),
        ("DELETE FROM ledger.envelope WHERE sequence = %s", "archive_missing", "sequence"),
    ]
    for change, code, place in changes:
        backup = {table: bench.query(f"SELECT * FROM ledger.{table}") for table in TABLES}  # type: ignore[arg-type]
        bench.query(f"{change} RETURNING 1", [last] if "%s" in change else None)  # type: ignore[arg-type]
        with pytest.raises(Discontinuity) as refused:
            check_statements(bench.database, bench.book, shown(bench))
        assert refused.value.fault.code == code, change
        assert refused.value.fault.place.startswith(place)
        restore(bench, backup)
        check_statements(bench.database, bench.book, shown(bench))


def restore(bench: Bench, rows: dict[str, list[tuple[object, ...]]]) -> None:
    with bench.database.owning() as connection:
        for table, kept in rows.items():
            connection.execute(f"DELETE FROM ledger.{table}")  # type: ignore[arg-type]
            for row in kept:
                fields = [Jsonb(value) if isinstance(value, dict) else value for value in row]
                marks = ", ".join(["%s"] * len(row))
                connection.execute(f"INSERT INTO ledger.{table} VALUES ({marks})", fields)  # type: ignore[arg-type]


def test_a_reading_changed_below_a_run_is_found_before_it_is_settled_again(bench: Bench) -> None:
    settled(bench)
    with bench.database.reading(bench.book) as connection:
        assert check_runs(connection, bench.book, lowest_position(connection)) == (1, [])
    bench.query("UPDATE ledger.meter_run SET wh[1] = wh[1] + 1 WHERE register = 'discharge' RETURNING 1")
    with bench.database.reading(bench.book) as connection:
        _, (fault,) = check_runs(connection, bench.book, lowest_position(connection))
    assert fault.code == "row_altered"
    assert fault.place.startswith("table meter_run, meter S1-STORAGE, register discharge, start 2026-07-31")


def test_no_answer_is_made_from_a_run_or_contract_that_was_changed(bench: Bench) -> None:
    """Neither a run whole, nor a report, nor the journal."""
    settled(bench)
    last = shown(bench)[0].sequence

    def answers(connection: Connection) -> list[Callable[[], object]]:
        position = min(positions.reached(connection).values())
        return [
            lambda: statements.result(connection, CONTRACT.id, str(AUGUST), 1),
            lambda: reports.portfolio(connection, bench.book, position, AUGUST, None, Choice()),
            lambda: journal(connection, position),
        ]

    with bench.database.reading(bench.book) as connection:
        for answer in answers(connection):
            assert answer() is not None
    changes: list[tuple[str, tuple[FaultCode | None, ...]]] = [
        ("UPDATE ledger.settlement SET outputs_digest = 'x'", ("row_altered", "row_altered", None)),
        ("UPDATE ledger.settlement SET result = jsonb_set(result, '{pool,minor}', '1')", (None, None, None)),
        (f"UPDATE ledger.envelope SET hash = '' WHERE sequence = {last}", ("archive_altered",) * 3),
        ("DELETE FROM ledger.tree_tile WHERE level = 0", ("tree_altered",) * 3),
        (
            """UPDATE ledger.registered SET document = document || '{"title":"x"}' WHERE kind='contract'""",
            (None, None, "row_altered"),
        ),
    ]
    for change, codes in changes:
        backup = {table: bench.query(f"SELECT * FROM ledger.{table}") for table in KEPT}  # type: ignore[arg-type]
        bench.query(f"{change} RETURNING 1")  # type: ignore[arg-type]
        with bench.database.reading(bench.book) as connection:
            for answer, code in zip(answers(connection), codes, strict=True):
                if code is None:
                    assert answer() is not None, "it is not made from what was changed"
                    continue
                with pytest.raises(Discontinuity) as refused:
                    answer()
                assert refused.value.fault.code == code, change
        restore(bench, backup)


def test_a_run_whose_sums_were_altered_is_named_like_any_other(bench: Bench) -> None:
    """What its own type refuses is a fault of the row, or no envelope, and ends no check."""
    settled(bench)
    last = shown(bench)[0].sequence
    ((payload,),) = bench.query("SELECT payload FROM ledger.envelope WHERE sequence = %s", [last])
    assert origin_of(bytes(payload)) is not None
    assert origin_of(re.sub(rb'"pool":\{[^}]*\}', b'"pool":{"minor":1,"currency":"CNY"}', payload)) is None
    bench.query("UPDATE ledger.settlement SET result = jsonb_set(result, '{pool,minor}', '1') RETURNING 1")
    with bench.database.reading(bench.book) as connection:
        count, faults = check_runs(connection, bench.book, lowest_position(connection))
    assert count == len(faults) > 0
    assert {fault.code for fault in faults} == {"row_altered"}
    assert "the entitlements do not sum to" in faults[0].message


ROWS = "UPDATE ledger.registered SET "
SETTLED_FROM: dict[str, str] = {
    ROWS + """document = document || '{"title":"x"}' WHERE kind = 'contract'""": "contract ",
    ROWS + "effective_from = effective_from + interval '1 s' WHERE kind = 'site'": "site S1",
    ROWS + """document = document || '{"title":"x"}' WHERE kind = 'tariff'""": "tariff ",
    ROWS + """document = document || '{"power_w_max":260000}' WHERE id = 'S1-LOAD'""": "meter S1-LOAD",
    "INSERT INTO ledger.registered SELECT book, kind, id, 2, effective_from, effective_to, from_seq, NULL,"
    " document FROM ledger.registered WHERE kind = 'site'": "site S1",
}


@pytest.mark.parametrize("change", SETTLED_FROM)
def test_nothing_is_settled_from_a_row_that_was_changed(bench: Bench, change: str) -> None:
    filled(bench)
    kept = {table: bench.query(f"SELECT * FROM ledger.{table}") for table in KEPT}  # type: ignore[arg-type]
    bench.query(f"{change} RETURNING 1")
    with pytest.raises(Discontinuity) as refused:
        settle(bench)
    assert refused.value.fault.code == "row_altered"
    assert refused.value.fault.place.startswith(f"table registered, {SETTLED_FROM[change]}")
    restore(bench, kept)
    ((site,),) = bench.query("SELECT from_seq FROM ledger.registered WHERE kind = 'site'")
    bench.query(f"{PADDED} RETURNING 1", [site])
    with pytest.raises(Discontinuity) as refused:
        settle(bench)
    assert (refused.value.fault.code, refused.value.fault.place) == ("tree_altered", f"sequence {site}")
    restore(bench, kept)
    assert bench.query("SELECT count(*) FROM ledger.settlement") == [(0,)]
    (done,) = settle(bench)
    assert done.recorded


def test_a_run_that_names_a_fact_or_a_price_is_not_made_from_another(bench: Bench) -> None:
    told_spot(bench)
    changes = {
        "UPDATE ledger.price_block SET mantissas[1] = mantissas[1] + 1": "price_block",
        ROWS + "effective_to = effective_to + interval '1 s' WHERE kind = 'market_fact'": "registered",
        ROWS + "effective_from = effective_from - interval '1 s' WHERE kind = 'market_rule'": "registered",
        ROWS + """document = document || '{"title":"x"}' WHERE kind = 'exclusivity'""": "registered",
    }
    for change, place in changes.items():
        kept = {
            table: bench.query(f"SELECT * FROM ledger.{table}") for table in ("registered", "price_block")
        }  # type: ignore[arg-type]
        bench.query(f"{change} RETURNING 1")
        with pytest.raises(Discontinuity) as refused:
            settle(bench)
        assert refused.value.fault.code == "row_altered"
        assert refused.value.fault.place.startswith(f"table {place}"), change
        restore(bench, kept)
    (done,) = settle(bench)
    assert done.recorded


def test_a_story_and_an_explanation_tell_only_what_is_proven(bench: Bench) -> None:
    settled(bench)
    ((first,),) = bench.query("SELECT from_seq FROM ledger.registered WHERE kind = 'site'")
    assert isinstance(first, int)

    def answers(connection: Connection) -> list[Callable[[], object]]:
        position = lowest_position(connection)
        return [
            lambda: events_page.page(connection, position, aggregate=None, after=0, limit=100),
            lambda: events_page.one(connection, position, first),
            lambda: event_story(connection, position, first),
            lambda: explain(connection, CONTRACT.id, str(AUGUST), 1),
        ]

    for change, code in (
        (None, None),
        ("UPDATE ledger.envelope SET payload = payload || ' '::bytea WHERE sequence = %s", "archive_altered"),
        (PADDED, "tree_altered"),
    ):
        kept = {table: bench.query(f"SELECT * FROM ledger.{table}") for table in ("envelope",)}  # type: ignore[arg-type]
        if change is not None:
            bench.query(f"{change} RETURNING 1", [first])
        with bench.database.reading(bench.book) as connection:
            for answer in answers(connection):
                if code is None:
                    assert answer()
                    continue
                with pytest.raises(Discontinuity) as refused:
                    answer()
                assert refused.value.fault.code == code
        restore(bench, kept)
