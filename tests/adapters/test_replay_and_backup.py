"""A book can be folded again, rebuilt and carried elsewhere, to the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters import backup, replay
from adapters.projections import PROJECTIONS
from ledger.refusal import Refused
from tests.adapters.conftest import Bench
from tests.adapters.test_projector import filled


def test_a_replay_in_an_empty_database_is_equal(bench: Bench) -> None:
    filled(bench).project()
    proof = replay.replay(bench.log, bench.database)
    assert proof.equal
    assert {table.table: table.rows for table in proof.tables}["meter_run"] == 1


def test_a_changed_row_is_found_and_a_rebuild_mends_it(bench: Bench) -> None:
    filled(bench).project()
    bench.query("UPDATE ledger.meter_run SET wh[1] = 999999 RETURNING 1")
    proof = replay.replay(bench.log, bench.database)
    assert not proof.equal
    (different,) = [table for table in proof.tables if table.difference]
    assert different.table == "meter_run"
    assert different.difference is not None
    assert "999999" in different.difference
    replay.rebuild(bench.log, bench.database, [p for p in PROJECTIONS if p.name == "readings"])
    assert replay.replay(bench.log, bench.database).equal


def test_a_restored_book_has_the_same_bytes(bench: Bench, tmp_path: Path) -> None:
    filled(bench).project()
    file = tmp_path / "book.backup"
    assert backup.backup(bench.log, file).last_sequence == 4
    with pytest.raises(Refused, match="has events"):
        backup.restore(bench.log, file)
    other = type(bench)(bench.nats, bench.postgres)
    with pytest.raises(Refused, match="this is book"):
        backup.restore(other.log, file)
    other.close()


def test_a_damaged_backup_is_refused_before_anything_is_stored(bench: Bench, tmp_path: Path) -> None:
    filled(bench)
    file = tmp_path / "book.backup"
    backup.backup(bench.log, file)
    whole = file.read_bytes()
    for at in (0, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(Refused, match="backup"):
            backup.restore(bench.log, file)
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Refused, match="not a whole backup"):
        backup.restore(bench.log, file)
