"""A month read back is what was recorded, newest first, and missing stays missing."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.queries import meter_month
from adapters.queries.meter_month import MISSING
from ledger.interval import Interval
from tests.adapters import sample
from tests.adapters.conftest import Bench

DAY = Interval(sample.AUGUST, sample.AUGUST + timedelta(days=2))


def read(bench: Bench, position: int) -> meter_month.MeterMonth:
    with bench.database.reading(bench.book) as connection:
        return meter_month.load(connection, bench.book, [("M1", "charge")], DAY, 900, position)


def test_what_was_never_read_is_missing(bench: Bench) -> None:
    month = read(bench, 100)
    assert (month.wh == MISSING).all()
    assert month.sequences == ((),)


def test_any_pile_of_runs_reads_back_as_painted_in_order(bench: Bench) -> None:
    """The newest sequence wins per interval (DESIGN, meter data)."""
    bench.door.execute(sample.register_site(), command_id="site", actor="ada")
    bench.door.execute(sample.register_meter(), command_id="meter", actor="ada")
    painted = np.full((60, 192), MISSING, dtype=np.int64)
    sequence = 2

    @settings(derandomize=True, max_examples=25, deadline=None)
    @given(st.integers(0, 2), st.integers(1, 150), st.integers(0, 9000))
    def record(day: int, count: int, wh: int) -> None:
        nonlocal sequence
        command = sample.record_readings(day=day, count=count, wh=wh)
        bench.door.execute(command, command_id=f"r{sequence}", actor="gateway")
        sequence += 1
        painted[sequence] = painted[sequence - 1]
        values = command.runs[0].values[: max(0, 192 - day * 96)]
        painted[sequence, day * 96 : day * 96 + len(values)] = values

    record()
    bench.project()
    for position in range(2, sequence + 1):
        assert (read(bench, position).wh[0] == painted[position]).all()
