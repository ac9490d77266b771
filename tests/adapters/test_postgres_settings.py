"""What the embedded PostgreSQL is told about its disk, which it shares with NATS."""

from __future__ import annotations

from tests.adapters.conftest import Bench

SAID = "SELECT pg_size_bytes(current_setting(name)) >> 20 FROM unnest(%s::text[]) AS name"
KEPT = "SELECT current_setting(name) FROM unnest(%s::text[]) AS name"


def test_a_burst_of_projected_rows_is_flushed_by_the_clock(bench: Bench) -> None:
    """A bid is 50 KB of it: at 500 a second PostgreSQL would flush each MB, 25 times a second."""
    assert bench.query(SAID, [["wal_buffers", "wal_writer_flush_after"]]) == [(16,), (64,)]


def test_what_protects_from_a_power_cut_stays(bench: Bench) -> None:
    protects = ["fsync", "synchronous_commit", "full_page_writes", "data_checksums"]
    assert bench.query(KEPT, [protects]) == [("on",)] * len(protects)
