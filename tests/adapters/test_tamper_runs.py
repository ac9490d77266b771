"""No superseded run is answered as the current one because rows of the newest were deleted or renumbered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from adapters.continuity import Discontinuity
from adapters.integrity import known_damage
from adapters.integrity.fault import Fault
from adapters.integrity.reading_seal import SEALED, key_of, seals
from adapters.postgres.database import Connection
from adapters.queries import reports, statements
from adapters.queries.explain import explain
from adapters.queries.reports import Choice
from adapters.settling import lowest_position
from adapters.verify import check_runs
from tests.adapters.conftest import Bench
from tests.adapters.test_settling import AUGUST, CONTRACT, filled, record, settle
from tests.adapters.test_tamper_published import restore

TABLES = ("settlement", "statement")
NEWEST = " WHERE run = 2"
CHANGES = {
    "statements of the newest run": f"DELETE FROM ledger.statement{NEWEST}",
    "one of them": f"DELETE FROM ledger.statement{NEWEST} AND party = 'host-s1'",
    "the newest run's row": f"DELETE FROM ledger.settlement{NEWEST}",
    "another number": f"UPDATE ledger.statement SET run = 0{NEWEST}",
    "another month": f"UPDATE ledger.statement SET month = '2020-01'{NEWEST}",
    "an older run's row": "DELETE FROM ledger.settlement WHERE run = 1",
    "a run of another number": f"UPDATE ledger.settlement SET run = 7{NEWEST}",
}


def corrected(bench: Bench) -> Bench:
    """August, settled twice."""
    _, charge, _ = filled(bench)
    settle(bench)
    record(bench, "S1-STORAGE", "charge", charge + 4, "revised")
    bench.project()
    (done,) = settle(bench)
    assert done.run == 2
    bench.project()
    return bench


def answers(connection: Connection, bench: Bench) -> list[Callable[[], object]]:
    position = lowest_position(connection)
    return [
        lambda: statements.latest(connection, position),
        lambda: statements.latest(
            connection, position, contract=CONTRACT.id, month=str(AUGUST), party="host-s1", limit=1
        ),
    ]


def runs(connection: Connection, bench: Bench) -> list[Callable[[], object]]:
    position = lowest_position(connection)
    return [
        lambda: statements.runs(connection, position),
        lambda: statements.runs(connection, position, month=str(AUGUST)),
        lambda: statements.runs(connection, position, contract=CONTRACT.id),
        lambda: explain(connection, CONTRACT.id, str(AUGUST), 1),
        lambda: reports.portfolio(connection, bench.book, position, AUGUST, None, Choice()),
    ]


def test_a_superseded_run_is_answered_as_current_by_no_deleted_row(bench: Bench) -> None:
    corrected(bench)
    with bench.database.reading(bench.book) as connection:
        for answer in (*answers(connection, bench), *runs(connection, bench)):
            assert answer()
    for name, change in CHANGES.items():
        kept = {table: bench.query(f"SELECT * FROM ledger.{table}") for table in TABLES}
        bench.query(f"{change} RETURNING 1")
        asked = answers if "statement" in change else lambda *of: [*answers(*of), *runs(*of)]
        with bench.database.reading(bench.book) as connection:
            for number, answer in enumerate(asked(connection, bench)):
                with pytest.raises(Discontinuity) as refused:
                    answer()
                assert refused.value.fault.code == "row_altered", (name, number)
        restore(bench, kept)


def test_a_partner_is_told_no_superseded_statement_either(bench: Bench) -> None:
    corrected(bench)

    def asked() -> object:
        with bench.database.reading(bench.book, role="wattledger_partner", party="host-s1") as connection:
            found = statements.latest(connection, lowest_position(connection))
            assert connection.execute("SELECT current_user").fetchone() == ("wattledger_partner",)
            return found

    assert asked()
    for change in (
        "DELETE FROM ledger.statement WHERE run = 2 AND party = 'host-s1'",
        "DELETE FROM ledger.statement WHERE party = 'host-s1'",
        (
            "UPDATE ledger.settlement SET parties = '{}' WHERE run = 2;"
            " DELETE FROM ledger.statement WHERE run = 2"
        ),
        "DELETE FROM ledger.settlement; DELETE FROM ledger.statement",
    ):
        kept = {table: bench.query(f"SELECT * FROM ledger.{table}") for table in TABLES}
        with bench.database.owning() as connection:
            for one in change.split(";"):
                connection.execute(one)
        with pytest.raises(Discontinuity) as refused:
            asked()
        assert refused.value.fault.code == "row_altered", change
        restore(bench, kept)
    assert asked()


def test_a_listed_run_is_what_its_event_recorded(bench: Bench) -> None:
    corrected(bench)
    for column, value in (("inputs_digest", "x"), ("outputs_digest", "x"), ("run_kind", "initial")):
        kept = {table: bench.query(f"SELECT * FROM ledger.{table}") for table in TABLES}
        bench.query(f"UPDATE ledger.settlement SET {column} = '{value}' WHERE run = 2 RETURNING 1")
        with bench.database.reading(bench.book) as connection:
            listed = statements.runs(connection, lowest_position(connection))
            with pytest.raises(Discontinuity, match="recorded another run"):
                statements.check_listed(connection, listed)
        restore(bench, kept)
    with bench.database.reading(bench.book) as connection:
        statements.check_listed(connection, statements.runs(connection, lowest_position(connection)))


def test_nothing_is_settled_or_called_unchanged_on_a_superseded_run(bench: Bench) -> None:
    corrected(bench)
    kept = {table: bench.query(f"SELECT * FROM ledger.{table}") for table in TABLES}
    bench.query("DELETE FROM ledger.settlement WHERE run = 2 RETURNING 1")
    with pytest.raises(Discontinuity, match="the run's row is gone"):
        settle(bench)
    restore(bench, kept)
    known_damage.note(bench.database, bench.book, [Fault("row_altered", "table registered", "it differs")])
    with pytest.raises(Discontinuity, match="it differs"):
        settle(bench)
    known_damage.note(bench.database, bench.book, ())
    (again,) = settle(bench)
    assert not again.recorded


def test_verify_names_each_run_whatever_is_known(bench: Bench) -> None:
    corrected(bench)
    bench.query("DELETE FROM ledger.settlement WHERE run = 2 RETURNING 1")
    with bench.database.reading(bench.book) as connection:
        count, _ = check_runs(connection, bench.book, lowest_position(connection))
    assert count == 1


def test_no_correction_is_recorded_from_rows_altered_with_their_seals(bench: Bench) -> None:
    """A seal is no signature: whoever writes rows can make it anew, but not the event."""
    filled(bench)
    settle(bench)
    bench.project()
    row = "meter = 'S1-STORAGE' AND register = 'charge'"
    with bench.database.owning() as connection:
        connection.execute(f"UPDATE ledger.meter_run SET wh[5] = wh[5] + 4000 WHERE {row}")
    _reseal(bench, "S1-STORAGE", "charge")
    with pytest.raises(Discontinuity, match="not those that their event recorded") as refused:
        settle(bench)
    assert refused.value.fault.code == "row_altered"
    with bench.database.reading(bench.book) as connection:
        assert len(statements.runs(connection, lowest_position(connection))) == 1


def _reseal(bench: Bench, meter: str, register: str) -> None:
    """The seals as they would be of the rows as they are."""
    key = np.array([key_of(meter, register, 900)])
    where = "meter = %s AND register = %s"
    with bench.database.owning() as connection:
        rows = connection.execute(
            f"SELECT start, sequence, wh, quality FROM ledger.meter_run WHERE {where} ORDER BY start",
            [meter, register],
        ).fetchall()
        made: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for start, sequence, wh, quality in rows:
            micros = (start - datetime(2000, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
            letters = np.frombuffer(quality.encode(), dtype=np.uint8)[None, :]
            at, of = np.array([micros]), np.array([sequence])
            (seal,) = seals(key, at, of, np.array([wh], dtype=np.int64), letters)
            made[sequence].append((micros, int(seal)))
        for sequence, sealed in made.items():
            connection.execute(
                f"UPDATE ledger.reading_seal SET seals = %s WHERE {where} AND sequence = %s",
                [np.array(sealed, dtype=SEALED).tobytes(), meter, register, sequence],
            )
