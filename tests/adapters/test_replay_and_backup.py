"""A book can be folded again, rebuilt and carried elsewhere, to the same bytes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters import backup, replay
from adapters.continuity import Discontinuity
from adapters.projections import PROJECTIONS
from ledger.refusal import Refused
from tests.adapters.conftest import Bench
from tests.adapters.test_projector import filled
from tests.stack import NatsServer, PostgresServer


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


def test_a_row_that_is_gone_is_named_and_not_the_one_after_it(bench: Bench) -> None:
    filled(bench).project()
    rows = bench.query("SELECT kind, id FROM ledger.registered ORDER BY kind, id, version")
    kind, name = rows[0]
    bench.query(f"DELETE FROM ledger.registered WHERE kind = '{kind}' AND id = '{name}' RETURNING 1")
    proof = replay.replay(bench.log, bench.database)
    (different,) = [table for table in proof.tables if table.difference]
    assert different.difference is not None
    assert different.difference.startswith(f"kind {kind}, id {name}, version 1: kept nothing, replayed ")


def test_a_restored_book_has_the_same_bytes(bench: Bench, tmp_path: Path) -> None:
    filled(bench).project()
    file = tmp_path / "book.backup"
    assert backup.backup(bench.log, bench.database, file).last_sequence == 4
    with pytest.raises(Refused, match="has events"):
        backup.restore(bench.log, file)
    other = type(bench)(bench.nats, bench.postgres)
    with pytest.raises(Refused, match="this is book"):
        backup.restore(other.log, file)
    other.close()


def test_a_damaged_backup_is_refused_before_anything_is_stored(bench: Bench, tmp_path: Path) -> None:
    filled(bench)
    file = tmp_path / "book.backup"
    backup.backup(bench.log, bench.database, file)
    whole = file.read_bytes()
    for at in (0, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(Refused, match="backup"):
            backup.restore(bench.log, file)
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Refused, match="not a whole backup"):
        backup.restore(bench.log, file)


@pytest.fixture
def own(tmp_path: Path, migrated: PostgresServer) -> Iterator[Bench]:
    """A book on a NATS of its own, whose files can be damaged."""
    nats = NatsServer(tmp_path / "nats")
    made = Bench(nats, migrated)
    yield made
    made.close()
    nats.stop()


def damage(bench: Bench, *, index: bool) -> None:
    """Flip one bit of the site's event, the second of four, while NATS is down; with its index or without."""
    bench.nats.stop()
    (block,) = bench.nats.folder.rglob(f"BOOK_{bench.book}/msgs/1.blk")
    data = bytearray(block.read_bytes())
    data[data.index(f"{bench.book}.site.".encode()) + 60] ^= 1
    block.write_bytes(data)
    if not index:
        (block.parent / "index.db").unlink()
    bench.nats.start()
    give_up = time.monotonic() + 20
    while not bench.client.connected:
        assert time.monotonic() < give_up
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("index", "named"),
    [
        (False, "the stream ends at 1, but 4 was archived"),
        (True, "holds no message 2, though it reaches 4"),
    ],
)
def test_a_damaged_stream_is_named_within_seconds(own: Bench, *, index: bool, named: str) -> None:
    filled(own).project()
    damage(own, index=index)
    rows = own.query("SELECT * FROM ledger.registered ORDER BY kind, id, from_seq")
    for work in (
        lambda: replay.replay(own.log, own.database),
        lambda: replay.rebuild(own.log, own.database, PROJECTIONS),
    ):
        began = time.monotonic()
        with pytest.raises(Discontinuity, match=named):
            work()
        assert time.monotonic() - began < 10
    assert own.query("SELECT * FROM ledger.registered ORDER BY kind, id, from_seq") == rows


def test_a_projector_halts_where_the_stream_has_a_hole(own: Bench) -> None:
    filled(own)
    damage(own, index=True)
    projector = own.projector()
    projector.run()
    assert projector.halted == "the stream holds no message 2, though it reaches 4: events were lost"


def test_positions_ahead_of_the_stream_are_named_even_when_the_archive_is_not(bench: Bench) -> None:
    filled(bench).project()
    bench.query("UPDATE ledger.position SET sequence = 9 RETURNING 1")
    with pytest.raises(Discontinuity, match="the stream ends at 4, but 9 was archived"):
        replay.replay(bench.log, bench.database)
    replay.rebuild(bench.log, bench.database, PROJECTIONS)
    assert replay.replay(bench.log, bench.database).equal
