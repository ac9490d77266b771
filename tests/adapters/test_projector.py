"""Rows and position move together, and doubt stops everything."""

from __future__ import annotations

import threading
import time

import psycopg
import pytest

from adapters.continuity import Discontinuity
from adapters.front_door import Wish
from adapters.projector import _shared_s
from tests.adapters import sample
from tests.adapters.conftest import Bench


def filled(bench: Bench) -> Bench:
    bench.door.execute(sample.found_book(), command_id="book", actor="ada")
    bench.door.execute(sample.register_site(), command_id="site", actor="ada")
    bench.door.execute(sample.register_meter(), command_id="meter", actor="ada")
    bench.door.execute(sample.record_readings(), command_id="r1", actor="gateway")
    return bench


def test_readings_become_rows_cut_at_utc_midnight(bench: Bench) -> None:
    filled(bench)
    bench.door.execute(sample.record_readings(day=1, count=200), command_id="r2", actor="gateway")
    assert bench.project() == 5
    rows = bench.query(
        "SELECT start::text, cardinality(wh), quality, sequence FROM ledger.meter_run ORDER BY start"
    )
    assert rows == [
        ("2026-08-01 00:00:00+00", 96, "A", 4),
        ("2026-08-02 00:00:00+00", 96, "A", 5),
        ("2026-08-03 00:00:00+00", 96, "A", 5),
        ("2026-08-04 00:00:00+00", 8, "A", 5),
    ]
    first = bench.query("SELECT start::text, wh, quality FROM ledger.reading ORDER BY start LIMIT 2")
    assert first == [("2026-08-01 00:00:00+00", 1000, "A"), ("2026-08-01 00:15:00+00", 1001, "A")]


def test_the_newest_sequence_is_current(bench: Bench) -> None:
    filled(bench)
    bench.door.execute(sample.record_readings(count=2, wh=7000), command_id="r2", actor="gateway")
    bench.project()
    current = bench.query("SELECT wh FROM ledger.reading WHERE is_current ORDER BY start LIMIT 3")
    assert current == [(7000,), (7001,), (1002,)]
    assert bench.query("SELECT count(*) FROM ledger.reading") == [(98,)]


def test_a_second_projector_finds_nothing_to_do(bench: Bench) -> None:
    filled(bench).project()
    assert bench.project() == 4
    assert bench.query("SELECT count(*), max(sequence) FROM ledger.envelope") == [(4, 4)]
    assert bench.query("SELECT DISTINCT sequence FROM ledger.position") == [(4,)]


def test_a_dropped_projection_comes_back_the_same(bench: Bench) -> None:
    filled(bench).project()
    before = bench.query("SELECT * FROM ledger.meter_run ORDER BY start")
    with bench.database.owning() as connection:
        connection.execute("DELETE FROM ledger.meter_run")
        connection.execute("DELETE FROM ledger.reading_seal")
        connection.execute("DELETE FROM ledger.position WHERE projection = 'readings'")
    bench.project()
    assert bench.query("SELECT * FROM ledger.meter_run ORDER BY start") == before


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE ledger.position SET sequence = 9",
        "UPDATE ledger.position SET hash = decode(repeat('00', 32), 'hex')",
    ],
)
def test_a_stream_that_is_not_the_archived_one_halts_the_projector(bench: Bench, damage: str) -> None:
    filled(bench).project()
    bench.query(damage + " RETURNING 1")
    projector = bench.projector()
    projector.run()
    assert projector.halted is not None


def test_writers_stop_when_the_archive_knows_more_than_the_stream(bench: Bench) -> None:
    filled(bench).project()
    bench.query(
        "INSERT INTO ledger.envelope SELECT book, 5, aggregate, 99, hash, recorded_at, recorded_at_max,"
        " payload FROM ledger.envelope WHERE sequence = 4 RETURNING 1"
    )
    bench.log.verified_epoch = -1  # as after a reconnect
    with pytest.raises(Discontinuity, match="a row that neither stream nor tree has"):
        bench.door.execute(sample.register_party(), command_id="late", actor="ada")
    assert bench.recorder.max_notification_id() == 4


def test_a_broken_chain_halts_the_projector(bench: Bench) -> None:
    filled(bench)
    bench.door.execute(sample.record_readings(day=1), command_id="r2", actor="gateway")
    bench.door._folds["readings.M1_2026-08"] = type(bench.door._folds["meter.M1"])(
        version=2, sequence=5, hash="0" * 64
    )
    bench.door.execute_all([Wish(sample.record_readings(day=2), "r3")], actor="gateway")
    projector = bench.projector()
    projector.run()
    assert projector.halted is not None
    assert "does not follow" in projector.halted


def test_a_row_that_cannot_be_written_halts_the_projector(bench: Bench) -> None:
    """Not tried for ever, and never skipped."""
    filled(bench)
    with bench.database.owning() as connection:
        connection.execute("ALTER TABLE ledger.meter_run ADD CONSTRAINT none_fits CHECK (interval_s = 1)")
    projector = bench.projector()
    projector.run()
    assert projector.halted is not None
    assert "none_fits" in projector.halted
    # What came before the readings may have been a batch by itself.
    ((archived,),) = bench.query("SELECT coalesce(max(sequence), 0) FROM ledger.envelope")
    assert archived in range(4)
    positions = bench.query("SELECT DISTINCT sequence FROM ledger.position")
    assert positions == ([(archived,)] if archived else []), "rows and position are one transaction"


def test_a_database_that_forgot_its_last_moments_is_no_damage(bench: Bench) -> None:
    """Commits of rows are not waited for: PostgreSQL, started again, may be behind a projector that lives."""
    filled(bench).project()
    name = bench.postgres_url.rpartition("/")[2].partition("?")[0]
    projector = bench.projector()
    thread = threading.Thread(target=projector.run)

    def register(number: int) -> None:
        bench.door.execute(sample.register_party(f"P{number}"), command_id=f"p{number}", actor="ada")

    def reaches(sequence: int) -> bool:
        give_up = time.monotonic() + 20
        while bench.query("SELECT max(sequence) FROM ledger.envelope") != [(sequence,)]:
            if projector.halted is not None or time.monotonic() > give_up:
                return False
            time.sleep(0.05)
        return True

    with psycopg.connect(bench.postgres.url("postgres"), autocommit=True) as server:
        server.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        server.execute(f'CREATE DATABASE "{name}_before" TEMPLATE "{name}"')  # type: ignore[arg-type]
        thread.start()
        try:
            for number in range(3):
                register(number)
            assert reaches(7)
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')  # type: ignore[arg-type]
            server.execute(f'ALTER DATABASE "{name}_before" RENAME TO "{name}"')  # type: ignore[arg-type]
            register(3)
            assert reaches(8), projector.halted
        finally:
            projector.stop()
            thread.join()
    assert bench.query("SELECT count(*) FROM ledger.envelope") == [(8,)]


def test_a_lone_event_shows_at_once_and_many_share_a_transaction() -> None:
    assert [_shared_s(events) for events in (0, 1, 2, 5, 10, 2000)] == [0.02, 0.02, 0.02, 0.05, 0.1, 0.1]
