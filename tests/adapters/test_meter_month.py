"""A month read back is what was recorded, newest first, and missing stays missing."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.queries import meter_month, readings_page
from adapters.queries.meter_month import MISSING
from ledger.interval import Interval
from ledger.meter import Meter, RegisterMeter
from ledger.meter_import import RecordReadings
from ledger.readings import run_of
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
    assert (month.quality == 0).all()


def test_any_pile_of_runs_reads_back_as_painted_in_order(bench: Bench) -> None:
    """The newest sequence wins per interval (DESIGN, meter data)."""
    bench.door.execute(sample.register_site(), command_id="site", actor="ada")
    bench.door.execute(sample.register_meter(), command_id="meter", actor="ada")
    painted = np.full((60, 192), MISSING, dtype=np.int64)
    sequence = 2

    @settings(max_examples=25)
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


@pytest.mark.parametrize("order", ["AE", "EA", "AB"])
def test_many_registers_keep_their_own_values_and_qualities(bench: Bench, order: str) -> None:
    """More registers than go into one row of the answer, with qualities for a run and for an interval."""
    bench.door.execute(sample.register_site(), command_id="site", actor="ada")
    keys = [(f"M{number}", "charge") for number in range(60)]
    wh = np.full((60, 192), MISSING, dtype=np.int64)
    quality = np.zeros((60, 192), dtype=np.uint8)
    for number, (name, _) in enumerate(keys):
        meter = Meter(name, "S1", "storage", ("charge",), 900, 250_000, "Asia/Shanghai")
        bench.door.execute(RegisterMeter(sample.FROM_2026, meter), command_id=name, actor="ada")
        for turn, kind in enumerate(order):
            first, count = 10 * turn, 40 + number
            letters = {"A": "A", "E": "E" * count, "B": "AESF" * 30}[kind][: 1 if kind == "A" else count]
            values = np.arange(count) + 1000 * number + turn
            run = run_of(name, "charge", sample.AUGUST + timedelta(minutes=15 * first), 900, values, letters)
            bench.door.execute(
                RecordReadings(name, "2026-08", "test", (run,)), command_id=f"{turn}", actor="gateway"
            )
            for at, (value, letter) in enumerate(zip(values, run.qualities, strict=True), first):
                if letter in "AF" or chr(quality[number, at]) not in "AF":
                    wh[number, at], quality[number, at] = value, ord(letter)
    bench.project()
    with bench.database.reading(bench.book) as connection:
        month = meter_month.load(connection, bench.book, keys, DAY, 900, 1 << 40)
    assert (month.wh == wh).all()
    assert (month.quality == quality).all()


def test_whatever_arrives_when_the_newest_firm_value_holds(bench: Bench) -> None:
    """An actual reading, its revision, an estimate, a substitute and a meter error's correction, in every
    order: the newest of those that were read or put right holds (DOMAIN.md 3.11)."""
    bench.door.execute(sample.register_site(), command_id="site", actor="ada")
    bench.door.execute(sample.register_meter(), command_id="meter", actor="ada")
    values = {"A": 10, "a": 20, "E": 30, "S": 40, "C": 50}
    orders = list(permutations(values))
    for turn in range(len(values)):
        runs = tuple(
            run_of(
                "M1", "charge", sample.AUGUST + timedelta(minutes=15 * at), 900, [values[order[turn]]],
                order[turn].upper(),
            )
            for at, order in enumerate(orders)
        )  # fmt: skip
        bench.door.execute(RecordReadings("M1", "2026-08", "test", runs), command_id=f"{turn}", actor="gw")
    bench.project()
    with bench.database.reading(bench.book) as connection:
        month = meter_month.load(connection, bench.book, [("M1", "charge")], DAY, 900, 1 << 40)
        shown = readings_page.page(
            connection, 1 << 40, meter="M1", register="charge", start=sample.AUGUST, end=DAY.end,
            every_version=False, after=("", sample.AUGUST, 0), limit=999,
        )  # fmt: skip
    newest = [max("AaC", key=order.index) for order in orders]
    assert month.wh[0, : len(orders)].tolist() == [values[kind] for kind in newest]
    assert [(one.wh, one.quality) for one in shown] == [(values[kind], kind.upper()) for kind in newest]


def test_readings_of_the_day_before_only_are_no_readings_of_the_month(bench: Bench) -> None:
    """They are fetched, because a run may reach over midnight, and belong to none of the intervals."""
    bench.door.execute(sample.register_site(), command_id="site", actor="ada")
    bench.door.execute(sample.register_meter(), command_id="meter", actor="ada")
    bench.door.execute(sample.record_readings(count=4), command_id="readings", actor="ada")
    bench.project()
    noon = sample.AUGUST + timedelta(hours=12)
    with bench.database.reading(bench.book) as connection:
        month = meter_month.load(
            connection, bench.book, [("M1", "charge")], Interval(noon, noon + timedelta(hours=1)), 900, 99
        )
    assert (month.wh == MISSING).all()
    assert month.sequences == ((),)
