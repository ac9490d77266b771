"""Each check finds what it is for, where it is, and nothing else; a sound month has no finding."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.interval import Interval
from ledger.meter import Position
from ledger.metering.finding import MeterFinding
from ledger.metering.register_read import RegisterRead
from ledger.metering.validation import Received, RegisterMonth, SiteMonth, validate_month
from ledger.readings import MeterSpec, Register, run_of

START = datetime(2026, 8, 1, tzinfo=UTC)
STEP = timedelta(minutes=15)
LATER = START + timedelta(days=40)
COUNT = 8
MONTH = Interval(START, START + COUNT * STEP)


def at(slot: int) -> datetime:
    return START + slot * STEP


def row(
    position: Position, register: Register, values: Sequence[int], reads: Sequence[tuple[int, int]] = ()
) -> RegisterMonth:
    spec = MeterSpec(f"M-{position}", (register,), 900, 100_000, "Asia/Shanghai")
    received = ()
    if min(values) >= 0:
        received = (Received(run_of(spec.meter, register, START, 900, values, "A"), LATER),)
    found = tuple(RegisterRead(register, at(slot), total, 10) for slot, total in reads)
    return RegisterMonth(spec, position, register, np.array(values, dtype=np.int64), found, received)


def site(**changes: RegisterMonth) -> SiteMonth:
    """load 10 000 = import 7 000 + pv 2 000 + discharge 3 000 - charge 1 000 - export 1 000."""
    rows = {
        "grid_import": row("grid", "import", [7000] * COUNT),
        "grid_export": row("grid", "export", [1000] * COUNT),
        "load": row("load", "load", [10_000] * COUNT),
        "pv": row("pv", "pv", [2000] * COUNT),
        "charge": row("storage", "charge", [1000] * COUNT),
        "discharge": row("storage", "discharge", [3000] * COUNT),
    }
    return SiteMonth(MONTH, tuple((rows | changes).values()))


def only(found: list[MeterFinding]) -> MeterFinding:
    assert len(found) == 1, found
    return found[0]


def test_a_sound_month_has_no_finding() -> None:
    assert validate_month(site()) == []


def test_missing_intervals_are_found_stretch_by_stretch() -> None:
    values = [1000, -1, -1, 1000, 1000, 1000, 1000, -1]
    found = validate_month(site(charge=row("storage", "charge", values)))
    assert [(f.check, f.start, f.end, f.measured, f.expected) for f in found] == [
        ("missing", at(1), at(3), 0, 2),
        ("missing", at(7), at(8), 0, 1),
    ], "and what is missing is not balanced"


def test_the_range_is_105_percent_of_the_power() -> None:
    """100 kW x 0.25 h x 1.05 = 26 250 Wh."""
    fits = row("pv", "pv", [26_250] * COUNT)
    assert validate_month(SiteMonth(MONTH, (fits,))) == []
    found = only(validate_month(SiteMonth(MONTH, (row("pv", "pv", [0, 26_251, 30_000, *[0] * 5]),))))
    assert found == MeterFinding("range", "M-pv", "pv", at(1), at(3), 2, 30_000, 26_250, 0, "Wh")


def test_a_register_never_falls() -> None:
    reads = [(0, 500), (2, 2500), (4, 2490), (6, 2490)]
    found = validate_month(SiteMonth(MONTH, (row("pv", "pv", [1000, 1000, *[0] * 6], reads),)))
    assert found[0] == MeterFinding("register_monotone", "M-pv", "pv", at(2), at(4), 2, 2490, 2500, 0, "Wh")
    assert [f.check for f in found] == ["register_monotone"], "10 Wh are one digit: the sums still agree"


def test_intervals_add_up_to_the_difference_of_the_reads() -> None:
    """4 x 1 000 Wh; a digit is worth 10 Wh, and each interval was rounded by up to half a Wh: 12 Wh."""
    for total, agrees in ((4012, True), (3988, True), (4013, False), (3987, False)):
        found = validate_month(SiteMonth(MONTH, (row("pv", "pv", [1000] * 8, [(0, 0), (4, total)]),)))
        assert (found == []) == agrees, total
    off = only(validate_month(SiteMonth(MONTH, (row("pv", "pv", [1000] * 8, [(0, 0), (4, 4013)]),))))
    assert off == MeterFinding("interval_sum", "M-pv", "pv", at(0), at(4), 4, 4000, 4013, 12, "Wh")


def test_a_sum_with_a_missing_interval_says_nothing() -> None:
    found = validate_month(SiteMonth(MONTH, (row("pv", "pv", [1000, -1, *[1000] * 6], [(0, 0), (4, 1)]),)))
    assert [f.check for f in found] == ["missing"]


def test_the_balance_holds_within_the_classes_of_accuracy() -> None:
    """0.5 % of 7 000 + 1 000 + 1 000 + 3 000, 1 % of load and 2 000, and half a Wh for each of six:
    60 + 20 + 98 + 3 = 181 Wh below 10 000, 60 + 20 + 101 + 3 = 184 Wh above."""
    for load, within in ((9819, True), (9818, False), (10_184, True), (10_185, False)):
        changed = [10_000] * COUNT
        changed[3] = load
        found = validate_month(site(load=row("load", "load", changed)))
        assert (found == []) == within, load
    changed = [10_000, 9000, 8000, *[10_000] * 5]
    off = only(validate_month(site(load=row("load", "load", changed))))
    assert off == MeterFinding("energy_balance", None, None, at(1), at(3), 2, 8000, 10_000, 163, "Wh"), (
        "60 + (80 000 + 20 000) / 1 000 + 3"
    )


def test_a_site_without_a_load_meter_has_no_balance() -> None:
    rows = tuple(one for one in site().rows if one.position != "load")
    assert validate_month(SiteMonth(MONTH, rows)) == []


def test_an_interval_that_ends_after_it_was_recorded_is_found() -> None:
    """15 minutes are tolerated; the clock of what came at 01:00 was ahead by an hour."""
    one = row("pv", "pv", [5] * COUNT)
    run = one.received[0].run
    recorded_at = at(4)
    fits = one._replace(received=(Received(run, at(7)),))
    assert validate_month(SiteMonth(MONTH, (fits,))) == []
    early = one._replace(received=(Received(run, recorded_at),))
    found = only(validate_month(SiteMonth(MONTH, (early,))))
    assert found == MeterFinding("clock", "M-pv", "pv", at(5), at(8), 3, 3600, 0, 900, "s")


def test_what_arrives_again_unchanged_is_a_duplicate_and_what_changes_is_not() -> None:
    one = row("pv", "pv", [5] * COUNT)

    def again(first: int, values: list[int], letter: str = "A") -> Received:
        return Received(run_of("M-pv", "pv", at(first), 900, values, letter), LATER)

    def checked(*more: Received) -> list[MeterFinding]:
        return validate_month(SiteMonth(MONTH, (one._replace(received=(*one.received, *more)),)))

    found = only(checked(again(-2, [5] * 4), again(1, [5])))
    assert found == MeterFinding("duplicate", "M-pv", "pv", at(0), at(2), 2, 3, 1, 0, "count")
    assert checked(again(2, [6]), again(3, [5], "S")) == []
    assert [f.start for f in checked(again(2, [6]), again(2, [6]))] == [at(2)]


@settings(max_examples=60)
@given(st.data())
def test_findings_change_nothing(data: Any) -> None:
    values = data.draw(st.lists(st.integers(-1, 40_000), min_size=COUNT, max_size=COUNT))
    month = site(charge=row("storage", "charge", values))
    before = [one.wh.copy() for one in month.rows]
    first = validate_month(month)
    assert first == validate_month(month)
    assert all((old == new.wh).all() for old, new in zip(before, month.rows, strict=True))
    missing = sum(f.intervals for f in first if f.check == "missing")
    assert missing == sum(value < 0 for value in values)
    high = sum(f.intervals for f in first if f.check == "range")
    assert high == sum(value > 26_250 for value in values)
