"""The spans of a month say of each interval what painting run after run says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.interval import Interval
from ledger.metering.coverage import Coverage
from ledger.readings import Run, run_of

START = datetime(2026, 8, 1, tzinfo=UTC)
STEP = timedelta(minutes=15)
SLOTS = 24


def run(slot: int, letters: str) -> Run:
    return run_of("M1", "pv", START + slot * STEP, 900, [7] * len(letters), letters)


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.integers(0, SLOTS - 1), st.text("ACEFS", min_size=1, max_size=SLOTS)), max_size=12)
)
def test_an_actual_value_holds_over_an_estimate_whichever_came_first(pile: list[tuple[int, str]]) -> None:
    painted = ["-"] * (2 * SLOTS)
    coverage = Coverage()
    for slot, letters in pile:
        coverage = coverage.after([run(slot, letters)])
        for at, letter in enumerate(letters, slot):
            if letter in "ACF" or painted[at] not in "ACF":
                painted[at] = letter
    for slot, letter in enumerate(painted):
        at = Interval(START + slot * STEP, START + (slot + 1) * STEP)
        assert bool(coverage.firm_in("pv", at)) == (letter in "ACF")
        assert bool(coverage.actual_in("pv", at)) == (letter in "AF")
        assert bool(coverage.estimated_in("pv", at)) == (letter in "ES")
        assert not coverage.firm_in("charge", at)
    everything = Interval(START, START + 2 * SLOTS * STEP)
    firm = sum(found.seconds for found in coverage.firm_in("pv", everything))
    assert firm == 900 * sum(letter in "ACF" for letter in painted)
    spans = [
        *coverage.actual.get("pv", ()),
        *coverage.corrected.get("pv", ()),
        *coverage.estimated.get("pv", ()),
    ]
    assert all(start < end for start, end in spans)


def test_a_month_that_arrives_by_quarter_hours_is_one_span() -> None:
    coverage = Coverage()
    for slot in range(SLOTS):
        coverage = coverage.after([run(slot, "A")])
    assert len(coverage.actual["pv"]) == 1
    half = Interval(START + STEP / 2, START + STEP)
    assert coverage.firm_in("pv", half) == (half,), "cut at what was asked for"
