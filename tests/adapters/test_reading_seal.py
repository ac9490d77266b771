"""Readings are read only when just the rows that were projected are there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.continuity import Discontinuity
from adapters.integrity.reading_seal import SEALED, key_of, seals, seals_of_run
from adapters.projections.readings import cut
from adapters.queries import meter_month
from adapters.settling import settle_month
from ledger.interval import Interval
from ledger.readings import QUALITIES, Run, run_of
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.test_settling import AUGUST, filled

FIRST = sample.AUGUST
WEEK = Interval(FIRST, FIRST + timedelta(days=7))


@st.composite
def runs(draw: st.DrawFn) -> Run:
    length = draw(st.sampled_from([60, 900, 3600]))
    count = draw(st.integers(1, 300))
    start = datetime(2026, 8, 3, tzinfo=UTC) + timedelta(seconds=draw(st.integers(0, 86_399)))
    letters = sorted(QUALITIES)
    quality = draw(st.one_of(st.sampled_from(letters), st.text(letters, min_size=count, max_size=count)))
    values = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 2**31 - 1, count)
    return run_of("M1", "charge", start, length, values, quality)


def read_back(run: Run, sequence: int) -> list[tuple[int, int]]:
    """(start, seal) of each row as a reader makes them, from values, letters and starts alone."""
    days, found = cut(run), []
    ends = [*days.firsts[1:], run.count]
    for start, first, end in zip(days.starts, days.firsts, ends, strict=True):
        letters = run.quality if len(run.quality) == 1 else run.quality[first:end]
        micros = (start - datetime(2000, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        (seal,) = seals(
            np.array([key_of(run.meter, run.register, run.interval_s)], dtype=np.uint64),
            np.array([micros]),
            np.array([sequence]),
            run.values[None, first:end],
            np.frombuffer(letters.encode(), dtype=np.uint8)[None, :],
        ).tolist()
        found.append((micros, seal))
    return found


def written(run: Run, sequence: int) -> list[tuple[int, int]]:
    days = cut(run)
    starts = np.array([one[0] for one in read_back(run, sequence)])
    sealed = seals_of_run(run, sequence, starts, np.array(days.firsts))
    return [(int(start), int(seal)) for start, seal in np.frombuffer(sealed, dtype=SEALED).tolist()]


@settings(derandomize=True, max_examples=60, deadline=None)
@given(runs(), st.integers(1, 2**40))
def test_writer_and_reader_agree(run: Run, sequence: int) -> None:
    assert written(run, sequence) == read_back(run, sequence)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(runs(), st.data())
def test_every_change_of_a_row_changes_its_seal(run: Run, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, run.count - 1))
    values = run.values.copy()
    values[at] ^= 1 << data.draw(st.integers(0, 30))
    other = "E" if run.quality[0] != "E" else "A"
    changed = [
        run_of("M1", "charge", run.start, run.interval_s, values, run.quality),
        msgspec.structs.replace(run, register="discharge"),
        msgspec.structs.replace(run, meter="M2"),
        msgspec.structs.replace(run, start=run.start + timedelta(days=1)),
    ]
    if len(run.quality) == 1:
        changed.append(msgspec.structs.replace(run, quality=other))
    if run.count > 1:
        swapped = run.values.copy()
        swapped[[0, -1]] = swapped[[-1, 0]]
        if swapped[0] != swapped[-1]:
            changed.append(run_of("M1", "charge", run.start, run.interval_s, swapped, run.quality))
    before = {seal for _, seal in written(run, 7)}
    for one in changed:
        assert {seal for _, seal in written(one, 7)} != before
    assert not before & {seal for _, seal in written(run, 8)}


def loaded(bench: Bench, span: Interval = WEEK) -> meter_month.MeterMonth:
    with bench.database.reading(bench.book) as connection:
        return meter_month.load(connection, bench.book, [("M1", "charge")], span, 900, 1 << 40)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ledger.meter_run SET wh[5] = wh[5] + 1 WHERE sequence = 5",
        "UPDATE ledger.meter_run SET quality = 'E' WHERE sequence = 5",
        "UPDATE ledger.meter_run SET wh = wh || 0 WHERE sequence = 5",
        "UPDATE ledger.meter_run SET wh = array_fill(0, ARRAY[1500]) WHERE sequence = 5",
        "UPDATE ledger.meter_run SET sequence = 9 WHERE sequence = 5",
        "UPDATE ledger.meter_run SET start = start + interval '1 day' WHERE sequence = 5",
        "UPDATE ledger.meter_run SET interval_s = 300 WHERE sequence = 5",
        "DELETE FROM ledger.meter_run WHERE sequence = 6",
        "DELETE FROM ledger.meter_run",
        (
            "INSERT INTO ledger.meter_run SELECT book, meter, register, start, interval_s, wh, quality, 7"
            " FROM ledger.meter_run WHERE sequence = 5"
        ),
        "UPDATE ledger.reading_seal SET seals = set_byte(seals, 8, get_byte(seals, 8)#1) WHERE sequence = 5",
    ],
)
def test_a_row_that_was_not_projected_is_not_read(bench: Bench, change: str) -> None:
    """Among them the newest version of a day, without which an older one would hold again."""
    commands = (sample.found_book(), sample.register_site(), sample.register_meter())
    days = (sample.record_readings(), sample.record_readings(day=2), sample.record_readings(wh=2000))
    for number, command in enumerate((*commands, *days)):
        bench.door.execute(command, command_id=f"c{number}", actor="ada")
    bench.project()
    assert int(loaded(bench).wh[0, 0]) == 2000
    bench.query(f"{change} RETURNING 1")  # type: ignore[arg-type]
    with pytest.raises(Discontinuity) as refused:
        loaded(bench)
    assert refused.value.fault.code == "row_altered"
    assert refused.value.fault.place.startswith("table meter_run, meter M1, register charge, start 2026-08-0")
    later = Interval(FIRST + timedelta(days=10), FIRST + timedelta(days=11))
    assert (loaded(bench, later).wh == meter_month.MISSING).all(), "other days are read"


def test_seals_that_are_gone_are_missed_for_the_whole_month(bench: Bench) -> None:
    """The archive knows of the block; without its seals nobody knows which days it is of."""
    commands = (sample.found_book(), sample.register_site(), sample.register_meter())
    for number, command in enumerate((*commands, sample.record_readings(), sample.record_readings(wh=2000))):
        bench.door.execute(command, command_id=f"c{number}", actor="ada")
    bench.project()
    bench.query("DELETE FROM ledger.reading_seal WHERE sequence = 5 RETURNING 1")
    for days in (
        Interval(FIRST, FIRST + timedelta(days=1)),
        Interval(FIRST + timedelta(days=10), FIRST + timedelta(days=11)),
    ):
        with pytest.raises(Discontinuity) as refused:
            loaded(bench, days)
        assert refused.value.fault.code == "row_altered"
        assert refused.value.fault.place == "table meter_run, readings.M1_2026-08, sequence 5"


def test_nothing_is_settled_from_a_changed_reading(bench: Bench) -> None:
    filled(bench)
    last = bench.client.run(bench.log.last_sequence())
    bench.query("UPDATE ledger.meter_run SET wh[1] = wh[1] + 1 WHERE register = 'discharge' RETURNING 1")
    with pytest.raises(Discontinuity, match="not the one that was projected"):
        settle_month(bench.door, bench.database, AUGUST, actor="ada")
    assert bench.client.run(bench.log.last_sequence()) == last
