"""Energies come from the meter's registers: nothing is invented, and nothing that was seen is lost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.devices.quality import Reading
from dispatch.telemetry.sample import Sample
from dispatch.telemetry.settlement_interval import (
    BOUNDARY_MS,
    PPM,
    IntervalEnergy,
    RegisterRead,
    interval_energies,
    register_reads,
)
from ledger.refusal import Refused

STEP_S = 60
COUNT = 6
END_MS = COUNT * STEP_S * 1000
powers = st.lists(st.integers(0, 400), min_size=COUNT * STEP_S // 5 + 8, max_size=COUNT * STEP_S // 5 + 8)


def energies(reads: list[RegisterRead]) -> tuple[IntervalEnergy, ...]:
    return interval_energies(reads, first_ms=0, end_ms=END_MS, interval_s=STEP_S)


def grown(growth: list[int], phase_ms: int) -> list[RegisterRead]:
    """A sample each 5 s from before the first boundary to after the last."""
    reads, wh = [], 10_000
    for number, more in enumerate(growth):
        reads.append(RegisterRead((number - 4) * 5000 + phase_ms, wh))
        wh += more
    return reads


@settings(derandomize=True, max_examples=60)
@given(powers, st.integers(0, 4999))
def test_intervals_add_up_to_the_growth_of_the_register(growth: list[int], phase_ms: int) -> None:
    reads = grown(growth, phase_ms)
    found = energies(reads)
    assert all(one.wh is not None and one.evidence_ppm == PPM for one in found)
    total = sum(one.wh for one in found if one.wh is not None)
    low = max(read.wh for read in reads if read.at_ms <= 0)
    over = min(read.wh for read in reads if read.at_ms >= END_MS)
    within = [read.wh for read in reads if 0 <= read.at_ms <= END_MS]
    assert within[-1] - within[0] <= total <= over - low
    if phase_ms == 0:
        assert total == within[-1] - within[0]


@settings(derandomize=True, max_examples=120)
@given(powers, st.integers(0, 4999), st.sets(st.integers(0, COUNT * STEP_S // 5 + 7)))
def test_whatever_is_dropped_nothing_is_invented(growth: list[int], phase_ms: int, gone: set[int]) -> None:
    """ "Missing is never zero": what is left has the energy of the samples around it, or none."""
    every = grown(growth, phase_ms)
    kept = [read for number, read in enumerate(every) if number not in gone]
    for whole, found in zip(energies(every), energies(kept), strict=True):
        seen = [near(kept, boundary) for boundary in (found.start_ms, found.end_ms)]
        assert (found.wh is not None) == all(seen)
        assert found.evidence_ppm <= whole.evidence_ppm
        if found.wh is None:
            continue
        least = lowest(every, found.end_ms, -BOUNDARY_MS) - lowest(every, found.start_ms, BOUNDARY_MS)
        most = lowest(every, found.end_ms, BOUNDARY_MS) - lowest(every, found.start_ms, -BOUNDARY_MS)
        assert least - 1 <= found.wh <= most + 1


def near(reads: list[RegisterRead], boundary: int) -> bool:
    before = any(0 <= boundary - read.at_ms <= BOUNDARY_MS for read in reads)
    after = any(0 <= read.at_ms - boundary <= BOUNDARY_MS for read in reads)
    exact = any(read.at_ms == boundary for read in reads)
    return exact or (before and after)


def lowest(reads: list[RegisterRead], boundary: int, away: int) -> int:
    """What the register held `away` from the boundary at the least or at the most: its samples are 5 s
    apart."""
    if away < 0:
        return max((read.wh for read in reads if read.at_ms <= boundary + away - 5000), default=reads[0].wh)
    return min((read.wh for read in reads if read.at_ms >= boundary + away + 5000), default=reads[-1].wh)


def test_a_hole_within_costs_no_energy_and_shows_in_the_evidence() -> None:
    reads = [
        RegisterRead(0, 100),
        RegisterRead(5000, 110),
        RegisterRead(55_000, 300),
        RegisterRead(60_000, 333),
    ]
    (found,) = interval_energies(reads, first_ms=0, end_ms=60_000, interval_s=60)
    assert (found.wh, found.evidence_ppm) == (233, 10_000 * PPM // 60_000)


def test_a_hole_at_a_boundary_leaves_both_intervals_without_a_value() -> None:
    kept = [read for read in grown([5] * 80, 0) if not 60_000 <= read.at_ms < 71_000]
    assert [one.missing for one in energies(kept)] == ["end_unseen", "start_unseen", None, None, None, None]


@pytest.mark.parametrize(("after", "missing"), [(70_000, None), (70_001, "end_unseen")])
def test_the_bound_is_ten_seconds(after: int, missing: str | None) -> None:
    reads = [RegisterRead(0, 0), RegisterRead(50_000, 50), RegisterRead(after, 70)]
    (found,) = interval_energies(reads, first_ms=0, end_ms=60_000, interval_s=60)
    assert found.missing == missing
    assert found.wh == (60 if missing is None else None)


@pytest.mark.parametrize("wrong", [0, 2**32 - 1_000_000, 10_000])
def test_a_register_that_falls_is_no_energy(wrong: int) -> None:
    """Rolled over, exchanged, or a zero for a moment: the intervals that it lies in have no value."""
    high = 2**32 - 400
    before = [RegisterRead(at, high + at // 1000) for at in range(-5000, 90_000, 5000)]
    after = [RegisterRead(at, wrong + at // 1000) for at in range(90_000, END_MS + 10_000, 5000)]
    found = energies(before + after)
    assert [one.missing for one in found] == [None, "register_fell", None, None, None, None]
    moment = [read._replace(wh=0) if read.at_ms == 90_000 else read for read in grown([9] * 80, 0)]
    assert [one.missing for one in energies(moment)] == [None, "register_fell", None, None, None, None]


def test_a_register_that_falls_at_a_boundary_takes_both_intervals() -> None:
    reads = [
        RegisterRead(at, 1000 + at if at < 60_000 else at // 1000) for at in range(-3000, END_MS + 9000, 5000)
    ]
    assert [one.missing for one in energies(reads)][:3] == ["register_fell", "register_fell", None]


def test_where_our_clock_was_set_back_there_is_no_value() -> None:
    reads = grown([5] * 80, 0)
    back = [read if read.at_ms < 150_000 else read._replace(at_ms=read.at_ms - 15_000) for read in reads]
    missing = [one.missing for one in energies(back)]
    assert missing[:4] == [None, None, "clock_backwards", None]


def of_run(run: str, times: range, *, power_w: int = 720_000, ahead_ms: int = 0) -> list[RegisterRead]:
    """Of a clock that is so much ahead: a register that counts `power_w` from 0."""
    return [RegisterRead(at + ahead_ms, 10**9 + at * power_w // 3_600_000, run) for at in times]


@pytest.mark.parametrize("ahead_ms", [0, 3, 1900, -1900])
def test_a_second_reader_that_came_and_ended_costs_no_energy(ahead_ms: int) -> None:
    """Its samples come after those that were read later, and its clock is not quite ours."""
    first = of_run("a", range(-8000, END_MS + 20_000, 5000))
    second = of_run("b", range(100_500, 190_000, 1000), ahead_ms=ahead_ms)
    alone, both = energies(first), energies([*first[:50], *second, *first[50:]])
    assert [one.missing for one in both] == [None] * COUNT
    whole = sum(one.wh or 0 for one in both)
    assert whole == sum(one.wh or 0 for one in alone) == 720 * END_MS // 3600
    for one, other in zip(alone, both, strict=True):
        assert one.wh is not None
        assert other.wh is not None
        assert abs(one.wh - other.wh) <= 400, "two seconds of it at each end"
    assert energies([*second, *first]) == both, "whoever came first"


def test_a_reader_that_follows_another_goes_on_where_it_ended() -> None:
    first, second = of_run("a", range(-8000, 118_000, 5000)), of_run("b", range(124_000, 400_000, 5000))
    assert [one.wh for one in energies(first + second)] == [12_000] * COUNT


def test_a_clock_that_was_set_back_between_two_readers_is_seen_by_the_register() -> None:
    first = of_run("a", range(-8000, 200_000, 5000))
    later = [read._replace(at_ms=read.at_ms - 100_000) for read in of_run("b", range(200_000, 500_000, 5000))]
    assert [one.missing for one in energies(first + later)] == [
        None, "register_fell", "register_fell", "register_fell", None, None,
    ]  # fmt: skip


def test_another_meter_read_under_the_same_name_is_no_energy() -> None:
    first = of_run("a", range(-8000, END_MS + 20_000, 5000))
    other = [read._replace(wh=read.wh + 500_000) for read in of_run("b", range(130_000, 170_000, 5000))]
    assert [one.missing for one in energies(first + other)] == [
        None, None, "register_fell", None, None, None,
    ]  # fmt: skip


def test_only_good_values_of_the_meters_registers_count_and_each_once() -> None:
    def one(number: int, reading: Reading) -> Sample:
        readings = {"meter_import_wh": reading}
        return Sample(device="M", run="r", number=number, at_ms=number, readings=readings)  # type: ignore[arg-type]

    samples = [
        one(1, Reading(5)),
        one(2, Reading(None, "bad", "torn")),
        one(3, Reading(9, "suspect", "jump")),
        one(4, Reading(6, at_ms=44)),
        one(4, Reading(6, at_ms=44)),
        Sample(device="M", run="r", number=5, at_ms=5, lost="timeout"),
    ]
    assert register_reads(samples, "meter_import_wh") == (RegisterRead(1, 5, "r"), RegisterRead(44, 6, "r"))
    assert register_reads(samples, "meter_export_wh") == ()
    with pytest.raises(Refused, match="meter_import_wh"):
        register_reads(samples, "active_power")


@pytest.mark.parametrize(("end_ms", "interval_s"), [(60_001, 60), (60_000, 0), (-60_000, 60)])
def test_a_span_is_of_whole_intervals(end_ms: int, interval_s: int) -> None:
    with pytest.raises(Refused):
        interval_energies([], first_ms=0, end_ms=end_ms, interval_s=interval_s)
