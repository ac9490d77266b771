"""A signal shared out every few seconds, and how well it was followed, as facts that settlement takes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.control.reallocation import Capabilities
from dispatch.control.regulation_following import RegulationBands, follow_signal, short_w
from dispatch.control.regulation_measure import (
    OWN_RUN,
    Instruction,
    Samples,
    Subject,
    check_measured,
    instructions_fact,
    measure,
    performance_fact,
)
from ledger.interval import Interval
from ledger.market_rule_file import parse
from ledger.refusal import Refused
from ledger.streams.performance_factor import WeightedSum, instruction_factors
from ledger.streams.regulation import RegulationRule
from ledger.streams.told_under import check_rule

RULES = Path(__file__).parents[3] / "examples/market_rules"
RATED = 1_000_000
HOUR = datetime(2026, 8, 3, 8, tzinfo=UTC)


def rule(name: str) -> RegulationRule:
    made = parse((RULES / f"regulation_{name}.toml").read_bytes())
    assert isinstance(made, RegulationRule)
    return made


def samples(powers: list[int], *, every_ms: int = 1000) -> Samples:
    return Samples(np.arange(len(powers), dtype=np.int64) * every_ms, np.array(powers, dtype=np.int64))


def subject(name: str, hours: int = 1) -> Subject:
    made = rule(name)
    return Subject("F1", made.id, "S1", made.products[0], Interval(HOUR, HOUR + timedelta(hours=hours)))


RAMP = [0, 0, 0, 100_000, 200_000, 300_000, 400_000, 500_000, *([510_000] * 12)]
"""Told 500 kW at 0: it answers after 3 s, then 100 kW a second, and stays 10 kW beyond."""


def test_speed_delay_and_error_of_an_instruction() -> None:
    got = measure(Instruction(0, 20_000, 500_000), samples(RAMP), RATED)
    assert got.delay_s == 3
    assert got.speed_percent_per_min == 600, "10 % of rated power a second"
    assert got.error_percent == Fraction(12 * 10_000 * 100, RATED * 13)
    assert got.mileage_w == 500_000, "no further than was asked for"


def test_an_instruction_down_is_measured_alike() -> None:
    down = samples([-power for power in RAMP])
    assert measure(Instruction(0, 20_000, -500_000), down, RATED) == measure(
        Instruction(0, 20_000, 500_000), samples(RAMP), RATED
    )


def test_one_that_was_never_answered_has_its_whole_length() -> None:
    got = measure(Instruction(0, 20_000, 500_000), samples([0] * 20), RATED)
    assert got == (0, 20, 50, 0)
    wrong_way = measure(Instruction(0, 20_000, 500_000), samples([-power for power in RAMP]), RATED)
    assert (wrong_way.speed_percent_per_min, wrong_way.mileage_w) == (0, 0)
    assert wrong_way.error_percent == 101


def test_nothing_is_measured_over_a_gap_or_of_nothing() -> None:
    gap = Samples(np.array([0, 1000, 7001], dtype=np.int64), np.zeros(3, dtype=np.int64))
    for told, had, code in (
        (Instruction(0, 8000, 500_000), gap, "telemetry_gap"),
        (Instruction(0, 20_000, 500_000), samples(RAMP[:10]), "telemetry_gap"),
        (Instruction(0, 20_000, 10_000), samples(RAMP), "instruction_moot"),
        (Instruction(5, 5, 0), samples(RAMP), "interval"),
    ):
        with pytest.raises(Refused) as refused:
            measure(told, had, RATED)
        assert refused.value.code == code
    with pytest.raises(Refused, match="ascending"):
        Samples(np.array([1, 1], dtype=np.int64), np.zeros(2, dtype=np.int64))


def test_hunan_is_settled_by_what_was_measured() -> None:
    """K1 = 600/100, at most 3; K2 = 1 - 3/60; K3 = 1 - 0.9231/2; K = 0.4 K1 + 0.3 K2 + 0.3 K3."""
    moot = Instruction(19_000, 20_000, 510_000)
    told = [Instruction(0, 19_000, 500_000), moot]
    fact = instructions_fact(subject("hunan"), rule("hunan"), told, samples(RAMP), RATED)
    check_rule(fact, rule("hunan"))
    assert (fact.run, fact.started_s, fact.mileage_w) == (OWN_RUN, (0,), (500_000,))
    assert fact.measures == {
        "speed_percent_per_min": (6_000_000,),
        "delay_s": (30_000,),
        "error_percent": (9167,),
    }
    formula = rule("hunan").factor
    assert isinstance(formula, WeightedSum)
    columns = {name: np.array(values, dtype=np.int64) for name, values in fact.measures.items()}
    numerators, divisor = instruction_factors(formula, columns, fact.scale)
    wanted = Fraction(4, 10) * 3 + Fraction(3, 10) * (Fraction(57, 60) + 1 - Fraction(9167, 20_000))
    assert Fraction(int(numerators[0]), divisor) == wanted


@pytest.mark.parametrize("name", ["guangdong", "jiangsu", "shanxi"])
def test_provinces_whose_market_publishes_the_factors_get_our_estimate(name: str) -> None:
    told = [Instruction(0, 20_000, 500_000)]
    fact = instructions_fact(subject(name), rule(name), told, samples(RAMP), RATED)
    check_rule(fact, rule(name))
    assert fact.measures["k2"] == (9500,)
    assert set(fact.measures) <= {"k1", "k2", "k3"}


@pytest.mark.parametrize("name", ["pjm", "nyiso", "caiso"])
def test_markets_with_a_score_a_period_get_our_estimate(name: str) -> None:
    """Two periods of signal 400 and -400 kW; what is given is 100 kW off in a quarter of the samples."""
    made = rule(name)
    each = made.period_s
    count = 3600 // each
    told = [
        Instruction(
            period * each * 1000 + half * each * 500, period * each * 1000 + (half + 1) * each * 500, w
        )
        for period in range(count)
        for half, w in ((0, 400_000), (1, -400_000))
    ]
    power = [400_000 if second % each < each / 2 else -400_000 for second in range(3600)]
    power[::4] = [w + 100_000 for w in power[::4]]
    fact = performance_fact(subject(name), made, told, samples(power))
    check_rule(fact, made)
    assert fact.instructions == (2,) * count
    assert fact.mileage_w == (800_000, *((1_600_000,) * (count - 1)))
    assert all(abs(score - 9375) <= 20 for score in fact.score if score is not None)
    assert None not in fact.score


def test_a_market_that_pays_nothing_for_performance_has_its_hour_too() -> None:
    made = rule("aemo")
    told = [Instruction(0, 10_000, 400_000), Instruction(10_000, 20_000, -400_000)]
    fact = performance_fact(subject("aemo"), made, told, samples(RAMP))
    check_rule(fact, made)
    assert (sum(fact.instructions), sum(fact.mileage_w)) == (2, 800_000)
    assert all(0 <= score <= 10_000 for score in fact.score if score is not None)


def test_a_formula_of_what_is_not_measured_is_refused_beforehand() -> None:
    made = rule("hunan")
    formula = made.factor
    assert isinstance(formula, WeightedSum)
    other = msgspec.structs.replace(formula.components[0], measure="charm")
    check_measured(made)
    with pytest.raises(Refused, match="charm"):
        check_measured(
            msgspec.structs.replace(
                made, factor=msgspec.structs.replace(formula, components=(*formula.components[1:], other))
            )
        )


def test_a_period_without_a_signal_has_no_score() -> None:
    told = [Instruction(0, 10_000, 0)]
    fact = performance_fact(subject("pjm", 2), rule("pjm"), told, samples([0] * 10))
    assert (fact.instructions, fact.score) == ((1, 0), (10_000, None))
    with pytest.raises(Refused, match="instructions"):
        performance_fact(subject("hunan"), rule("hunan"), told, samples([0] * 10))
    with pytest.raises(Refused, match="periods"):
        instructions_fact(subject("pjm"), rule("pjm"), told, samples([0] * 10), RATED)


def test_a_gap_costs_its_instructions_and_no_more() -> None:
    told = [
        Instruction(at, at + 60_000, 400_000 if at % 120_000 else -400_000)
        for at in range(0, 3_600_000, 60_000)
    ]
    power = [400_000 if second // 60 % 2 else -400_000 for second in range(3600)]
    known = [second for second in range(3600) if not 610 <= second < 640]
    had = Samples(
        np.array(known, dtype=np.int64) * 1000, np.array([power[second] for second in known], dtype=np.int64)
    )
    fact = performance_fact(subject("pjm"), rule("pjm"), told, had)
    assert (fact.instructions, fact.score) == ((59,), (10_000,)), "of what was seen all was given"
    assert fact.mileage_w == (58 * 800_000,), (
        "of 59 steps the one to the minute that was not seen is left out"
    )
    silent = performance_fact(subject("pjm", 2), rule("pjm"), told, samples([0] * 10))
    assert (silent.instructions, silent.score) == ((0, 0), (None, None))


def capabilities(present: list[int], high: list[int], ramp: int) -> Capabilities:
    count = len(present)
    none = np.full(count, -1, dtype=np.int64)
    return Capabilities(
        device=tuple(map(str, range(count))),
        present_w=np.array(present, dtype=np.int64),
        low_w=-np.array(high, dtype=np.int64),
        high_w=np.array(high, dtype=np.int64),
        ramp_w=np.full(count, ramp, dtype=np.int64),
        feeder=none,
        industry=none,
    )


def bands(base: list[int], band: list[int]) -> RegulationBands:
    return RegulationBands(base_w=np.array(base, dtype=np.int64), band_w=np.array(band, dtype=np.int64))


def test_a_signal_is_shared_within_the_bands() -> None:
    two = capabilities([0, 100], [500, 500], 1000)
    assert follow_signal(1_000_000, bands([0, 100], [100, 300]), two, 400).setpoint_w.tolist() == [100, 400]
    assert follow_signal(-500_000, bands([0, 100], [100, 300]), two, 400).setpoint_w.tolist() == [-50, -50]
    tired = capabilities([0, 100], [50, 500], 1000)
    told = follow_signal(1_000_000, bands([0, 100], [100, 300]), tired, 400)
    assert (told.setpoint_w.tolist(), told.missing_w) == ([50, 400], 50)
    with pytest.raises(Refused, match="millionths"):
        follow_signal(1_000_001, bands([0, 100], [1, 1]), two, 2)


def test_a_signal_asks_for_what_was_sold_and_what_no_band_reaches_is_short() -> None:
    one, less = capabilities([0], [500], 10), bands([0], [50])
    for ppm, given_w, short in ((100_000, 30, 0), (-100_000, -30, 0), (1_000_000, 50, 250), (0, 0, 0)):
        fast = capabilities([0], [500], 1000)
        assert follow_signal(ppm, less, fast, 300).setpoint_w.tolist() == [given_w]
        assert short_w(ppm, less, fast, 300) == short
    assert follow_signal(100_000, less, one, 300).missing_w == 20, "its ramp"
    assert short_w(100_000, less, one, 300) == 0, "a ramp is no want of band"


@given(
    signals=st.lists(st.integers(-1_000_000, 1_000_000), min_size=1, max_size=10),
    band=st.lists(st.integers(0, 400), min_size=3, max_size=3),
    ramp=st.integers(0, 500),
)
@settings(derandomize=True, max_examples=60, deadline=None, database=None)
def test_no_step_leaves_the_band_or_outruns_the_ramp(signals: list[int], band: list[int], ramp: int) -> None:
    base = [0, 50, -50]
    present = base
    for signal in signals:
        told = follow_signal(signal, bands(base, band), capabilities(present, [500] * 3, ramp), sum(band))
        now = told.setpoint_w.tolist()
        for n in range(3):
            assert abs(now[n] - base[n]) <= band[n]
            assert abs(now[n] - present[n]) <= ramp
        asked = sum(base) + int(Fraction(sum(band) * signal, 1_000_000))
        assert sum(now) + told.missing_w == asked
        present = now
