"""The rows of readings that are built as matrices are those built one by one."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.integrity.reading_seal import SEALED
from adapters.projections.readings import _day_rows, _seal_row, cut
from ledger.readings import Run
from tests.adapters.test_reading_seal import read_back, runs

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def field(value: bytes) -> bytes:
    return struct.pack(">i", len(value)) + value


def micros(start: datetime) -> bytes:
    return struct.pack(">q", (start - EPOCH) // timedelta(microseconds=1))


def one_by_one(run: Run, sequence: int) -> bytes:
    days, rows = cut(run), []
    for start, first, end in zip(days.starts, days.firsts, (*days.firsts[1:], run.count), strict=True):
        array = struct.pack(">iiiii", 1, 0, 23, end - first, 1)
        array += b"".join(struct.pack(">ii", 4, int(value)) for value in run.values[first:end])
        letters = run.quality if len(run.quality) == 1 else run.quality[first:end]
        fields = [
            b"book", run.meter.encode(), run.register.encode(), micros(start),
            struct.pack(">i", run.interval_s), array, letters.encode(), struct.pack(">q", sequence),
        ]  # fmt: skip
        rows.append(struct.pack(">h", len(fields)) + b"".join(map(field, fields)))
    return b"".join(rows)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(runs(), st.integers(1, 2**40))
def test_rows_of_one_width_at_once_are_the_rows_one_by_one(run: Run, sequence: int) -> None:
    assert b"".join(_day_rows("book", run, sequence)) == one_by_one(run, sequence)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(runs(), st.integers(1, 2**40))
def test_a_run_is_sealed_by_what_its_readers_find(run: Run, sequence: int) -> None:
    seals = b"".join(
        struct.pack(SEALED["start"].str[0] + "qQ", start, seal) for start, seal in read_back(run, sequence)
    )
    fields = [
        b"book", run.meter.encode(), run.register.encode(), micros(cut(run).starts[0]),
        struct.pack(">i", run.interval_s), seals, struct.pack(">q", sequence),
    ]  # fmt: skip
    assert _seal_row("book", run, sequence) == struct.pack(">h", 7) + b"".join(map(field, fields))
