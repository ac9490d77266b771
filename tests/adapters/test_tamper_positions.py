"""Where projections are said to stand, and what is known beside the book, is not changed unnoticed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters import continuity, replay
from adapters.continuity import Discontinuity
from adapters.integrity import compared_row, known_damage, position_rows
from adapters.integrity.copies import stored_messages
from adapters.integrity.fault import Fault, FaultCode
from adapters.nats import stream, wire
from adapters.projector import Projector
from adapters.repair import repair
from adapters.settling import Behind, lowest_position, wait_until
from adapters.verify import verify
from tests.adapters.cli.terminal import terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.test_settling import filled, founded, settle
from tests.adapters.test_tamper import Kept
from tests.adapters.test_tamper_published import restore
from tests.stack import NatsServer, PostgresServer


@pytest.fixture
def kept(nats_server: NatsServer, migrated: PostgresServer, tmp_path: Path) -> Iterator[Kept]:
    made = Kept(nats_server, migrated, tmp_path)
    yield made
    made.close()


AHEAD = "UPDATE ledger.position SET sequence = sequence + 5"
POSITIONS: dict[str, tuple[FaultCode, str]] = {
    AHEAD: ("row_altered", "table position, projection "),
    f"{AHEAD} WHERE projection = 'links'": ("row_altered", "table position, projection links"),
    "UPDATE ledger.position SET hash = sha256('x') WHERE projection = 'bids'": (
        "row_altered",
        "table position, projection bids",
    ),
    "UPDATE ledger.position SET sequence = sequence - 1 WHERE projection = 'imports'": (
        "row_altered",
        "table position, projection imports",
    ),
    "UPDATE ledger.position AS p SET (sequence, hash) = (SELECT e.sequence, e.hash FROM ledger.envelope AS e"
    " WHERE e.book = p.book AND e.sequence = 3) WHERE projection = 'archive'": (
        "row_altered",
        "table position, projection archive",
    ),
    "INSERT INTO ledger.envelope SELECT book, sequence + 1, aggregate, 99, hash, recorded_at,"
    " recorded_at_max, payload FROM ledger.envelope ORDER BY sequence DESC LIMIT 1": (
        "archive_added",
        "sequence ",
    ),
    "DELETE FROM ledger.envelope WHERE sequence = (SELECT max(sequence) FROM ledger.envelope)": (
        "archive_missing",
        "sequence ",
    ),
    "UPDATE ledger.envelope SET hash = sha256('x') WHERE sequence = (SELECT max(sequence)"
    " FROM ledger.envelope)": ("archive_altered", "sequence "),
}
"""What every answer sees."""
BEHIND: dict[str, tuple[FaultCode, str]] = {
    "UPDATE ledger.position AS p SET (sequence, hash) = (SELECT e.sequence, e.hash FROM ledger.envelope AS e"
    " WHERE e.book = p.book AND e.sequence = 3) WHERE projection = 'registered'": (
        "row_altered",
        "table position, projection registered",
    ),
    "UPDATE ledger.position AS p SET (sequence, hash) = (SELECT e.sequence, e.hash FROM ledger.envelope AS e"
    " WHERE e.book = p.book AND e.sequence = 3) WHERE projection = 'tree'": (
        "row_altered",
        "table position, projection tree",
    ),
    "DELETE FROM ledger.position WHERE projection = 'links'": (
        "row_altered",
        "table position, projection links",
    ),
}
"""What is behind could be catching up: whoever starts, writes or verifies looks at the rows."""
KEPT = ("position", "envelope")


@pytest.mark.parametrize("change", [*POSITIONS, *BEHIND])
def test_a_changed_position_is_named(bench: Bench, change: str, capsys: pytest.CaptureFixture[str]) -> None:
    founded(bench)
    bench.project()
    with bench.database.reading(bench.book) as connection:
        assert position_rows.faults(connection) == []
    code, place = {**POSITIONS, **BEHIND}[change]
    kept = {table: bench.query(f"SELECT * FROM ledger.{table}") for table in KEPT}  # type: ignore[arg-type]
    bench.query(f"{change} RETURNING 1")
    with bench.database.reading(bench.book) as connection:
        (fault,) = {one.code: one for one in position_rows.faults(connection)}.values()
    assert fault.code == code
    assert fault.place.startswith(place)
    if change in POSITIONS:
        for role in ("wattledger_staff", "wattledger_partner"):
            with (
                bench.database.reading(bench.book, role=role, party="host-s1") as connection,  # type: ignore[arg-type]
                pytest.raises(Discontinuity) as refused,
            ):
                lowest_position(connection)
            assert refused.value.fault.code == code
        with pytest.raises(Discontinuity):
            wait_until(bench.database, bench.book, 1, 1)
    verdict = verify(bench.log, bench.database, bench.nats.monitor_url)
    assert (code, place) in {(one.code, one.place[: len(place)]) for one in verdict.faults}
    out = terminal_of(bench, capsys)("status")
    assert "FAULT" in out
    restore(bench, kept)
    assert verify(bench.log, bench.database, bench.nats.monitor_url).faults == ()
    assert "FAULT" not in terminal_of(bench, capsys)("status")


def test_a_position_that_is_gone_is_named_by_who_waits(bench: Bench) -> None:
    founded(bench)
    bench.project()
    bench.query("DELETE FROM ledger.position WHERE projection = 'links' RETURNING 1")
    with (
        bench.database.reading(bench.book, role="wattledger_partner", party="host-s1") as connection,
        pytest.raises(Discontinuity) as refused,
    ):
        lowest_position(connection)
    assert (refused.value.fault.code, refused.value.fault.place) == (
        "row_altered",
        "table position, projection links",
    )
    found = replay.compare(bench.log, bench.database)
    (position,) = [table for table in found.tables if table.difference is not None]
    assert (position.table, position.differing, position.keys) == ("position", 1, ("projection links",))


def test_a_position_that_is_made_anew_is_on_record(kept: Kept) -> None:
    kept.bench.query("DELETE FROM ledger.position WHERE projection = 'registered' RETURNING 1")
    (step,) = kept.mended().steps
    assert (step.action, step.place, step.count) == ("rows_restored", "position", 1)
    assert repair(kept.shop(), actor="operator").repair is None


def test_settling_anew_looks_at_the_stream_too(bench: Bench) -> None:
    """Nothing is to be recorded, and yet no answer is given on a stream that lost what was archived."""
    filled(bench)
    bench.project()
    settle(bench)
    bench.project()
    payloads = [payload for _, payload in stored_messages(bench.operator, bench.book)]
    stream.delete(bench.operator, bench.book)
    stream.create(bench.operator, bench.book, max_bytes=64 << 20)
    for payload in payloads[:-1]:
        subject = wire.subject(bench.book, wire.header_of(payload).aggregate)
        bench.operator.run(bench.operator.request(subject, payload, timeout=5))
    with pytest.raises(Discontinuity) as refused:
        settle(bench)
    assert refused.value.fault.code == "stream_lost"


def test_a_projector_halts_at_a_position_that_is_not_the_archive_s(bench: Bench) -> None:
    founded(bench)
    bench.project()
    kept = {table: bench.query(f"SELECT * FROM ledger.{table}") for table in KEPT}  # type: ignore[arg-type]
    for change, code in (
        (AHEAD, "row_altered"),
        ("UPDATE ledger.position SET hash = sha256('x')", "row_altered"),
    ):
        bench.query(f"{change} RETURNING 1")
        with pytest.raises(Discontinuity) as refused:
            Projector(bench.log, bench.database).catch_up(until=100)
        assert refused.value.fault.code == code
        assert refused.value.fault.place == "table position"
        restore(bench, kept)


def test_an_added_row_of_the_archive_is_not_called_a_lost_stream(bench: Bench) -> None:
    founded(bench)
    bench.project()
    ((last,),) = bench.query("SELECT max(sequence) FROM ledger.envelope")
    assert isinstance(last, int)
    for extra in (1, 2):
        bench.query(
            "INSERT INTO ledger.envelope SELECT book, %s, aggregate, %s, hash, recorded_at, recorded_at_max,"
            " payload FROM ledger.envelope WHERE sequence = %s RETURNING 1",
            [last + extra, 90 + extra, last],
        )
    with pytest.raises(Discontinuity) as refused:
        continuity.guard(bench.log, bench.database)
    assert (refused.value.fault.code, refused.value.fault.place) == ("archive_added", f"sequence {last + 1}")
    faults = verify(bench.log, bench.database, bench.nats.monitor_url).faults
    assert {one.code for one in faults} == {"archive_added"}
    both = f"sequences {last + 1} to {last + 2}"
    assert {one.place for one in faults} == {f"sequence {last + 1}", both}, "the guard names the first"


def test_an_empty_book_has_no_faults(bench: Bench) -> None:
    with bench.database.reading(bench.book) as connection:
        assert position_rows.faults(connection) == []
        assert lowest_position(connection) == 0
    with pytest.raises(Behind):
        wait_until(bench.database, bench.book, 1, 0)


def test_what_is_known_beside_the_book_is_not_forgotten_by_a_changed_row(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    founded(bench)
    bench.project()
    known_damage.note(bench.database, bench.book, [Fault("row_altered", "table registered", "it differs")])
    for change in ("damage_code = 'x'", "checkpoint_size = 7", "created = created || 'x'", "seal = 'x'"):
        bench.query(f"UPDATE ledger.compared_stream SET {change} RETURNING 1")
        with (
            bench.database.reading(bench.book) as connection,
            pytest.raises(Discontinuity, match="something else than the program") as refused,
        ):
            known_damage.check(connection)
        assert refused.value.fault.place == "table compared_stream"
        faults = verify(bench.log, bench.database, bench.nats.monitor_url).faults
        assert ("row_altered", "table compared_stream") in {(one.code, one.place) for one in faults}
        assert "FAULT" in terminal_of(bench, capsys)("status")
        known_damage.note(bench.database, bench.book, ())
        with bench.database.reading(bench.book) as connection:
            known_damage.check(connection)


def test_known_damage_is_not_forgotten_by_a_row_that_was_taken_away(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    founded(bench)
    bench.project()
    with bench.database.reading(bench.book) as connection:
        known_damage.check(connection)
    known_damage.note(bench.database, bench.book, [Fault("row_altered", "table registered", "it differs")])
    bench.query("DELETE FROM ledger.compared_stream RETURNING 1")
    for again in (False, True):
        if again:
            continuity.note_compared(
                bench.client, bench.database, bench.book, continuity.standing_of(bench.log)
            )
        with bench.database.reading(bench.book) as connection, pytest.raises(Discontinuity) as refused:
            known_damage.check(connection)
        assert (refused.value.fault.code, refused.value.fault.place) == (
            "row_altered",
            "table compared_stream",
        )
        faults = verify(bench.log, bench.database, bench.nats.monitor_url).faults
        assert ("row_altered", "table compared_stream") in {(one.code, one.place) for one in faults}
        assert "FAULT" in terminal_of(bench, capsys)("status")
    known_damage.note(bench.database, bench.book, ())
    with bench.database.reading(bench.book) as connection:
        known_damage.check(connection)


def test_a_book_projected_into_an_empty_database_has_its_row(bench: Bench) -> None:
    founded(bench)
    with bench.database.reading(bench.book) as connection:
        known_damage.check(connection)
    bench.query("DELETE FROM ledger.compared_stream RETURNING 1")
    with bench.database.reading(bench.book) as connection:
        assert connection.execute("SELECT 1 FROM ledger.envelope").fetchone() is None
        known_damage.check(connection)
    bench.project()
    with bench.database.reading(bench.book) as connection:
        known_damage.check(connection)
        assert connection.execute("SELECT 1 FROM ledger.compared_stream").fetchone() is not None
    continuity.guard(bench.log, bench.database)
    assert verify(bench.log, bench.database, bench.nats.monitor_url).faults == ()
    with bench.database.reading(bench.book) as connection:
        known_damage.check(connection)


def test_nothing_the_program_writes_beside_seals_what_was_changed(bench: Bench) -> None:
    founded(bench)
    bench.project()
    known_damage.note(bench.database, bench.book, ())
    bench.query("UPDATE ledger.compared_stream SET checkpoint_size = 7 RETURNING 1")
    continuity.note_compared(bench.client, bench.database, bench.book, continuity.standing_of(bench.log))
    with bench.database.reading(bench.book) as connection:
        assert compared_row.fault(connection) is not None
