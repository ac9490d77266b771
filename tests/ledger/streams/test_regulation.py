"""Regulation of DOMAIN.md 3.6 to the cent, the traps of section 5, and real CAISO and AEMO prices."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.interval import Interval, Month, zone_of
from ledger.quantity import exact
from ledger.refusal import Refused
from ledger.streams.agc_energy import agc_energy
from ledger.streams.earned import Earned
from ledger.streams.regulation import (
    AgcInstructions,
    RegulationAward,
    RegulationPerformance,
    RegulationPrices,
    RegulationRule,
    RegulationShare,
)
from ledger.streams.regulation_market import RegulationMarket, measured, regulation_market
from ledger.streams.regulation_settlement import (
    AGC_ENERGY_NOTE,
    committed_w,
    regulation_earned,
)
from ledger.toml_file import TomlFile

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT.parent / "shared" / "data" / "prices"
DAY = Interval(datetime(2025, 4, 30, 16, tzinfo=UTC), datetime(2025, 5, 1, 16, tzinfo=UTC))
"""1 May 2025 in China."""
MW = 10**6


def rule(name: str, **changed: Any) -> RegulationRule:
    file = TomlFile((ROOT / "examples" / "market_rules" / f"regulation_{name}.toml").read_bytes())
    return msgspec.structs.replace(file.struct(RegulationRule, file.root, ()), **changed)


def hours(first: int, count: int, start: datetime = DAY.start) -> Interval:
    return Interval(start + timedelta(hours=first), start + timedelta(hours=first + count))


def prices(of: RegulationRule, kind: Any, texts: Sequence[str], at: Interval, **changed: Any) -> Any:
    fields = {
        "id": f"price-{kind}-{at.start:%d%H}",
        "rule": of.id,
        "run": "DA-1",
        "interval": at,
        "product": of.products[0],
        "kind": kind,
        "currency": of.currency,
        "scale": 9,
        "mantissas": tuple(int(exact(text) * 10**9) for text in texts),
    }
    return RegulationPrices(**(fields | changed))


def award(of: RegulationRule, megawatts: Sequence[str], at: Interval, **changed: Any) -> RegulationAward:
    fields = {
        "id": f"award-{at.start:%d%H}",
        "site": "S1",
        "rule": of.id,
        "run": "DA-1",
        "interval": at,
        "product": of.products[0],
        "capacity_w": tuple(int(exact(text) * MW) for text in megawatts),
    }
    return RegulationAward(**(fields | changed))


def done(
    of: RegulationRule, rows: Sequence[tuple[int, str, str | None]], at: Interval, **changed: Any
) -> RegulationPerformance:
    """Each row is a period's instructions, mileage in MW and K."""
    fields = {
        "id": f"done-{at.start:%d%H}",
        "site": "S1",
        "rule": of.id,
        "run": "M-1",
        "interval": at,
        "product": of.products[0],
        "instructions": tuple(row[0] for row in rows),
        "mileage_w": tuple(int(exact(row[1]) * MW) for row in rows),
        "score": tuple(None if row[2] is None else int(exact(row[2]) * 10**4) for row in rows),
        "score_scale": 4,
    }
    return RegulationPerformance(**(fields | changed))


def share(of: RegulationRule, wh: int, total: int, at: Interval = DAY) -> RegulationShare:
    return RegulationShare(
        id=f"share-{at.start:%d}", rule=of.id, run="M-1", interval=at, shared_wh=wh, total_wh=total
    )


def money(lines: Sequence[Earned]) -> list[str]:
    for line in lines:
        assert line.stream == "ancillary"
        assert sum((Fraction(term.exact) for term in line.basis), Fraction(0)) == line.exact
        assert all(Fraction(t.quantity) * Fraction(t.price) == Fraction(t.exact) for t in line.basis)
        assert AGC_ENERGY_NOTE in line.note
    return [str(line.amount) for line in lines]


def code_of(make: Any, /, *arguments: Any, **named: Any) -> str:
    with pytest.raises(Refused) as refused:
        make(*arguments, **named)
    assert refused.value.reason
    return refused.value.code


def agc(of: RegulationRule, **changed: Any) -> AgcInstructions:
    """Two hours: K 1.495 and 1.695 in the first (mean 1.595 -> 1.60), 2.4 capped to 2 in the second."""
    fields = {
        "id": "agc-1",
        "site": "S1",
        "rule": of.id,
        "run": "AGC-1",
        "interval": hours(0, 2),
        "product": "regulation",
        "started_s": (0, 3599, 3600),
        "mileage_w": (50 * MW, 70 * MW, 50 * MW),
        "measures": {
            "speed_percent_per_min": (2500, 4000, 4500),
            "delay_s": (60, 60, 0),
            "error_percent": (5, 5, 0),
        },
        "scale": 1,
    }
    return AgcInstructions(**(fields | changed))


def hunan_day() -> tuple[RegulationMarket, RegulationRule]:
    of = rule("hunan")
    told = [prices(of, "mileage", ["10", "12.5"], hours(0, 2))]
    return regulation_market(of, DAY, told, [share(of, 4, 5)]), of


def test_hunan_r_is_m_times_the_sum_of_d_b_k() -> None:
    # The third instruction: 0.4 x 3 + 0.3 + 0.3 = 1.8. 0.8 x (120 x 10 x 1.60 + 50 x 12.5 x 1.80) = 2436.
    market, of = hunan_day()
    lines = regulation_earned(market, "S1", [award(of, ["10", "10"], hours(0, 2))], [agc(of)])
    assert money(lines) == ["2436.00"]
    assert lines[0].basis[0].label == "2025-05-01 mileage, M = 4/5"
    assert (lines[0].basis[0].quantity, lines[0].basis[0].unit) == ("170", "MW")
    told = measured(of, agc(of))
    assert (told.score, told.instructions, told.mileage_w) == ((160, 180), (2, 1), (120 * MW, 50 * MW))


def test_hunan_settles_k_of_at_most_two() -> None:
    market, of = hunan_day()
    told = done(of, [(3, "100", "2.4"), (1, "0", "0.5")], hours(0, 2))
    lines = regulation_earned(market, "S1", [award(of, ["10", "10"], hours(0, 2))], [told])
    assert money(lines) == ["1600.00"]  # 0.8 x 100 x 10 x 2


def test_hunan_without_the_days_m_is_refused() -> None:
    _, of = hunan_day()
    market = regulation_market(of, DAY, [prices(of, "mileage", ["10", "12.5"], hours(0, 2))])
    arguments = (market, "S1", [award(of, ["10", "10"], hours(0, 2))], [agc(of)])
    assert code_of(regulation_earned, *arguments) == "share_missing"


def test_guangdong_pays_mileage_and_capacity_hours_apart() -> None:
    of = rule("guangdong")
    told = [prices(of, "mileage", ["8.5"], hours(0, 1)), prices(of, "capacity", ["3.56"], hours(0, 1))]
    market = regulation_market(of, DAY, told)
    instructions = agc(
        of,
        interval=hours(0, 1),
        started_s=(10,),
        mileage_w=(100 * MW,),
        measures={"k1": (12,), "k2": (9,), "k3": (8,)},  # K = 1.025 -> 1.03
        available_s=(3000,),
    )
    won = [award(of, ["20"], hours(0, 1))]
    lines = regulation_earned(market, "S1", won, [instructions])
    assert money(lines) == ["875.50", "59.33"]  # 20 MW x 3000 s x 3.56 = 59.3333
    assert lines[1].exact == Fraction("59.33") + Fraction(1, 300)
    silent = msgspec.structs.replace(instructions, available_s=None)
    assert code_of(regulation_earned, market, "S1", won, [silent]) == "available_missing"
    long = msgspec.structs.replace(instructions, available_s=(3601,))
    assert code_of(regulation_earned, market, "S1", won, [long]) == "available"


def test_a_capacity_price_that_the_rule_states_needs_no_fact() -> None:
    of = rule("guangdong")
    assert of.capacity is not None
    capacity = msgspec.structs.replace(of.capacity, price="3.56", hours="awarded")
    fixed = msgspec.structs.replace(of, capacity=capacity)
    market = regulation_market(fixed, DAY, [prices(fixed, "mileage", ["8.5"], hours(0, 1))])
    told = [done(fixed, [(1, "100", "1.03")], hours(0, 1))]
    lines = regulation_earned(market, "S1", [award(fixed, ["20"], hours(0, 1))], told)
    assert money(lines) == ["875.50", "71.20"]
    twice = [prices(fixed, "capacity", ["3.56"], hours(0, 1))]
    assert code_of(regulation_market, fixed, DAY, twice) == "price_kind"


def test_pjm_pays_performance_and_capability() -> None:
    of = rule("pjm")
    told = [
        prices(of, "mileage", ["3.2"], hours(0, 1)),
        prices(of, "capacity", ["41.15"], hours(0, 1)),
        prices(of, "mileage_ratio", ["2.5"], hours(0, 1)),
    ]
    market = regulation_market(of, DAY, told)
    won, told_of = [award(of, ["5"], hours(0, 1))], [done(of, [(1, "40", "0.92")], hours(0, 1))]
    assert money(regulation_earned(market, "S1", won, told_of)) == ["36.80", "189.29"]
    over = [done(of, [(1, "40", "1.01")], hours(0, 1))]
    assert code_of(regulation_earned, market, "S1", won, over) == "score"
    unscored = [done(of, [(0, "0", None)], hours(0, 1))]
    assert code_of(regulation_earned, market, "S1", won, unscored) == "score_missing"
    ratio_missing = regulation_market(of, DAY, told[:2])
    assert code_of(regulation_earned, ratio_missing, "S1", won, told_of) == "price_missing"
    assert code_of(measured, of, agc(of)) == "not_measured"


@pytest.mark.parametrize(("score", "paid"), [("1", "62.00"), ("0.9", "55.18"), ("0.05", "-2.79")])
def test_nyiso_deducts_1_1_times_the_shortfall(score: str, paid: str) -> None:
    of = rule("nyiso")
    market = regulation_market(of, DAY, [prices(of, "capacity", ["12.4"], hours(0, 1))])
    told = [done(of, [(1, "0", score)], hours(0, 1))]
    won = [award(of, ["5"], hours(0, 1))]
    assert money(regulation_earned(market, "S1", won, told)) == [paid]
    unscored = [done(of, [(0, "0", None)], hours(0, 1))]
    assert code_of(regulation_earned, market, "S1", won, unscored) == "score_missing"


def test_caiso_up_and_down_are_lines_of_their_own() -> None:
    of = rule("caiso")
    down = {"product": "regulation_down"}
    told = [
        prices(of, "capacity", ["12.27058"], hours(0, 1)),
        prices(of, "mileage", ["0.35"], hours(0, 1)),
        prices(of, "capacity", ["6.99"], hours(0, 1), **down),
        prices(of, "mileage", ["-0.05"], hours(0, 1), **down),
    ]
    won = [award(of, ["3"], hours(0, 1)), award(of, ["2"], hours(0, 1), **down)]
    met = [
        done(of, [(9, "8", "0.8")], hours(0, 1)),
        done(of, [(9, "10", "0.5")], hours(0, 1), **down),
    ]
    lines = regulation_earned(regulation_market(of, DAY, told), "S1", won, met)
    assert money(lines) == ["2.24", "36.81", "-0.25", "13.98"]
    assert [line.note.split(";")[0] for line in lines] == [
        "regulation_up mileage",
        "regulation_up capacity",
        "regulation_down mileage",
        "regulation_down capacity",
    ]


def test_aemo_pays_enabled_megawatts_each_five_minutes() -> None:
    of = rule("aemo")
    at = Interval(DAY.start, DAY.start + timedelta(minutes=10))
    market = regulation_market(of, DAY, [prices(of, "capacity", ["11.05", "-1"], at)])
    # 30 MW x 11.05 / 12 = 27.625, rounded once with 6 x -1 / 12 = -0.5: 27.125 -> 27.13
    lines = regulation_earned(market, "S1", [award(of, ["30", "6"], at)], [])
    assert money(lines) == ["27.13"]
    assert "without" not in lines[0].note  # nothing is known of instructions here


def uninstructed(policy: str) -> tuple[Earned, ...]:
    of = rule("guangdong", uninstructed=policy)
    told = [
        prices(of, "mileage", ["8", "8"], hours(0, 2)),
        prices(of, "capacity", ["3", "3"], hours(0, 2)),
    ]
    met = done(of, [(1, "10", "1"), (0, "0", None)], hours(0, 2), available_s=(3600, 3600))
    return regulation_earned(
        regulation_market(of, DAY, told), "S1", [award(of, ["20", "20"], hours(0, 2))], [met]
    )


def test_an_award_without_instruction_is_booked_with_its_reason() -> None:
    paid, unpaid = uninstructed("capacity_paid"), uninstructed("unpaid")
    assert money(paid) == ["80.00", "120.00"]
    assert money(unpaid) == ["80.00", "60.00"]
    label = "award without instruction: 1 period from 2025-04-30T17:00Z"
    for lines in (paid, unpaid):
        assert all(label in line.note for line in lines)
        assert lines[0].basis[-1].label.startswith(label)
        assert (lines[0].basis[-1].quantity, lines[0].basis[-1].exact) == ("20", "0")
    assert [len(line.basis) for line in paid] == [2, 1]
    assert [len(line.basis) for line in unpaid] == [2, 2]


def test_an_award_without_any_performance_record_is_refused_and_never_zero() -> None:
    market, of = hunan_day()
    won = [award(of, ["10", "10"], hours(0, 2))]
    assert code_of(regulation_earned, market, "S1", won, []) == "performance_missing"
    half = [done(of, [(1, "10", "1")], hours(0, 1))]
    with pytest.raises(Refused) as refused:
        regulation_earned(market, "S1", won, half)
    assert refused.value.place == "2025-04-30T17:00:00+00:00"


def test_an_instruction_without_award_is_refused_or_booked_with_its_reason() -> None:
    def lines(policy: str) -> tuple[Earned, ...]:
        of = rule("hunan", unawarded=policy)
        told = [prices(of, "mileage", ["10", "12.5"], hours(0, 2))]
        market = regulation_market(of, DAY, told, [share(of, 4, 5)])
        met = done(of, [(1, "100", "1.5"), (4, "40", "1.2")], hours(0, 2))
        return regulation_earned(market, "S1", [award(of, ["10", "0"], hours(0, 2))], [met])

    assert code_of(lines, "refused") == "instruction_without_award"
    label = "instruction without award: 1 period from 2025-04-30T17:00Z, "
    for policy, total, term in (("unpaid", "1200.00", "0"), ("mileage_paid", "1680.00", "480")):
        (line,) = lines(policy)
        assert money([line]) == [total]
        assert label in line.note
        assert line.basis[-1].label.startswith(label)
        assert (line.basis[-1].quantity, line.basis[-1].exact) == ("40", term)


def test_a_capacity_only_market_names_the_instruction_without_award_too() -> None:
    of = rule("nyiso")
    market = regulation_market(of, DAY, [])
    (line,) = regulation_earned(market, "S1", [], [done(of, [(2, "7", "1")], hours(0, 1))])
    assert money([line]) == ["0.00"]
    assert line.basis[0].label.startswith("instruction without award: 1 period ")
    assert line.basis[0].quantity == "7"


def test_a_missing_price_is_refused() -> None:
    _, of = hunan_day()
    market = regulation_market(of, DAY, [prices(of, "mileage", ["10"], hours(0, 1))], [share(of, 1, 1)])
    arguments = (market, "S1", [award(of, ["10", "10"], hours(0, 2))], [agc(of)])
    assert code_of(regulation_earned, *arguments) == "price_missing"


def test_facts_beyond_the_period_count_only_inside_it() -> None:
    """24:00 of the last day of April is May's first hour."""
    of = rule("hunan")
    april = Month(2025, 4).interval(zone_of("Asia/Shanghai"))
    at = hours(-1, 2)
    told = [prices(of, "mileage", ["10", "1000"], at)]
    yesterday = hours(-24, 24)
    market = regulation_market(of, april, told, [share(of, 1, 1, yesterday)])
    met = [done(of, [(1, "3", "1"), (1, "5", "1")], at)]
    lines = regulation_earned(market, "S1", [award(of, ["9", "9"], at)], met)
    assert money(lines) == ["30.00"]
    assert lines[0].basis[0].label.startswith("2025-04-30 mileage")
    assert len(market.days) == 30
    may = regulation_market(of, DAY, told, [share(of, 1, 1)])
    later = regulation_earned(may, "S1", [award(of, ["9", "9"], at)], met)
    assert money(later) == ["5000.00"]


def test_months_with_a_clock_change_have_743_and_721_hours() -> None:
    of = rule("pjm")
    for month, count in ((3, 743), (11, 721)):
        period = Month(2025, month).interval(zone_of(of.zone))
        market = regulation_market(of, period, [])
        assert market.periods == count
        assert len(market.days) == Month(2025, month).days
        lengths = np.diff(market.day_starts, append=market.periods).tolist()
        assert sorted(set(lengths)) == [23 if month == 3 else 24, 24 if month == 3 else 25]


def test_overlaps_strangers_and_wrong_shapes_are_refused() -> None:
    market, of = hunan_day()
    won, met = award(of, ["10", "10"], hours(0, 2)), agc(of)
    earned = regulation_earned
    again = msgspec.structs.replace(won, id="other", interval=hours(1, 2))
    assert code_of(earned, market, "S1", [won, again], [met]) == "award_overlap"
    assert code_of(earned, market, "S1", [won], [met, met]) == "performance_overlap"
    assert code_of(earned, market, "S2", [won], [met]) == "site"
    replaced = msgspec.structs.replace
    assert code_of(earned, market, "S1", [replaced(won, rule="other")], [met]) == "rule"
    assert code_of(earned, market, "S1", [replaced(won, product="up")], [met]) == "product"
    assert code_of(earned, market, "S1", [replaced(won, interval=hours(0, 3))], [met]) == "length"
    late = Interval(DAY.start + timedelta(minutes=5), DAY.start + timedelta(minutes=125))
    assert code_of(earned, market, "S1", [replaced(won, interval=late)], [met]) == "interval"
    told = prices(of, "mileage", ["10", "12.5"], hours(0, 2))
    assert code_of(regulation_market, of, DAY, [told, told]) == "price_overlap"
    assert code_of(regulation_market, of, DAY, [replaced(told, currency="USD")]) == "currency"
    assert code_of(regulation_market, of, DAY, [], [share(of, 1, 2), share(of, 1, 2)]) == "share_overlap"
    assert code_of(regulation_market, of, DAY, [], [share(of, 1, 2, hours(0, 23))]) == "interval"


def test_bad_facts_and_rules_are_refused() -> None:
    of = rule("hunan")
    assert code_of(award, of, ["-1"], hours(0, 1)) == "whole_number"
    assert code_of(award, of, [], hours(0, 1)) == "empty"
    assert code_of(award, of, ["1"], hours(0, 1), run=" ") == "empty"
    assert code_of(award, of, ["1"], hours(0, 1), site="a b") == "id"
    assert code_of(award, of, ["1"], hours(0, 1), capacity_w=(1.5,)) == "whole_number"
    assert code_of(done, of, [(0, "1", "1")], hours(0, 1)) == "mileage"
    assert code_of(done, of, [(1, "1", None)], hours(0, 1)) == "score_missing"
    assert code_of(done, of, [(1, "1", "1001")], hours(0, 1)) == "score"
    assert code_of(done, of, [(1, "1", "1")], hours(0, 1), available_s=(1, 2)) == "length"
    assert code_of(agc, of, started_s=(0, 3600, 3599)) == "order"
    assert code_of(agc, of, started_s=(0, 3600, 7200)) == "outside_interval"
    assert code_of(agc, of, mileage_w=(1,)) == "length"
    assert code_of(share, of, 6, 5) == "share"
    assert code_of(share, of, 0, 0) == "share"
    assert code_of(rule, "hunan", source="") == "empty"
    assert code_of(rule, "hunan", period_s=3601) == "interval"
    assert code_of(rule, "hunan", mileage=None) == "parts"
    assert code_of(rule, "hunan", factor=None) == "factor"
    assert code_of(rule, "pjm", unawarded="mileage_paid") == "unawarded"
    assert code_of(rule, "pjm", products=()) == "products"
    assert code_of(rule, "pjm", uninstructed="zero") == "not_allowed"


def test_agc_energy_is_what_was_metered_in_instructed_periods() -> None:
    market, of = hunan_day()
    charge, discharge = np.arange(96), np.full(96, 1000)
    met = done(of, [(1, "100", "1.5"), (0, "0", None)], hours(1, 2))
    found = agc_energy(market, [met], charge, discharge, 900)
    assert (found.charge_wh.sum(), found.discharge_wh.sum()) == (4 + 5 + 6 + 7, 4000)
    assert np.flatnonzero(found.discharge_wh).tolist() == [4, 5, 6, 7]
    assert code_of(agc_energy, market, [met], charge[:95], discharge, 900) == "profile"
    assert code_of(agc_energy, market, [met], -charge, discharge, 900) == "profile"
    assert code_of(agc_energy, market, [met], charge, discharge, 7000) == "interval"
    two_hours = agc_energy(market, [met], charge[:12], discharge[:12], 7200)
    assert two_hours.discharge_wh.tolist() == [1000] + [0] * 11, "its hour without cannot be told apart"


def test_what_was_told_of_energy_under_agc_is_no_more_than_what_was_metered() -> None:
    """2.5 of 4 kWh of an hour were delivered under AGC, the rest to a schedule: by the readings 1:2:3:2."""
    market, of = hunan_day()
    discharge = np.zeros(96, dtype=np.int64)
    discharge[4:8] = 500, 1000, 1500, 1000
    met = done(of, [(1, "100", "1.5")], hours(1, 1))
    told = msgspec.structs.replace(met, charged_wh=(0,), discharged_wh=(2500,))
    found = agc_energy(market, [told], np.zeros(96, dtype=np.int64), discharge, 900)
    assert found.discharge_wh[4:8].tolist() == [312, 625, 938, 625]
    assert (found.discharge_wh.sum(), found.charge_wh.sum()) == (2500, 0)
    more = msgspec.structs.replace(told, discharged_wh=(4001,))
    assert code_of(agc_energy, market, [more], discharge, discharge, 900) == "agc_energy"
    assert code_of(msgspec.structs.replace, met, charged_wh=(0,)) == "agc_energy"
    assert code_of(msgspec.structs.replace, met, charged_wh=(0,), discharged_wh=(0, 0)) == "length"


def test_awards_commit_their_capacity() -> None:
    market, of = hunan_day()
    watts = committed_w(market, "regulation", [award(of, ["10", "2.5"], hours(3, 2))])
    assert watts.sum() == 12_500_000
    assert watts[3:5].tolist() == [10_000_000, 2_500_000]


_HOURS = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 3 * MW, 7_654_321]),
        st.integers(0, 2),
        st.integers(0, 10**8),
        st.integers(-(10**4), 10**4),
        st.integers(-(10**9), 10**9),
        st.integers(-(10**9), 10**9),
    ),
    min_size=48,
    max_size=48,
)


@settings(max_examples=60)
@given(
    rows=_HOURS,
    weight=st.sampled_from(["0", "1", "1.1"]),
    unawarded=st.sampled_from(["unpaid", "mileage_paid"]),
    policy=st.sampled_from(["capacity_paid", "unpaid"]),
    scale=st.sampled_from([4, 9]),
    cut=st.integers(1, 47),
)
def test_the_kernel_equals_a_plain_loop(
    rows: list[tuple[int, ...]], weight: str, unawarded: str, policy: str, scale: int, cut: int
) -> None:
    """Two days of R = M x sum of D x B x K and C x h x p x (1 - w(1 - K)), facts cut anywhere."""
    plain = rule("hunan")
    guangdong = rule("guangdong").capacity
    assert guangdong is not None
    capacity = msgspec.structs.replace(guangdong, performance_weight=weight, hours="awarded")
    of = msgspec.structs.replace(plain, capacity=capacity, unawarded=unawarded, uninstructed=policy)
    days = [DAY, hours(24, 24)]
    period = Interval(DAY.start, days[1].end)
    shares = [Fraction(1, 3), Fraction(7, 9)]
    slow = [Fraction(0), Fraction(0)]
    for number, (watts, count, mileage, k, b, p) in enumerate(rows):
        megawatts, score = Fraction(watts, MW), min(Fraction(k, 10**4), Fraction(2))
        pays_mileage = count and (watts or unawarded == "mileage_paid")
        if pays_mileage:
            slow[0] += shares[number // 24] * Fraction(mileage, MW) * Fraction(b, 10**scale) * score
        if watts and (count or policy == "capacity_paid"):
            slow[1] += megawatts * Fraction(p, 10**scale) * (1 - Fraction(weight) * (1 - score))
    told: list[RegulationPrices] = []
    won: list[RegulationAward] = []
    met: list[RegulationPerformance] = []
    for first, last in ((cut, 48), (0, cut)):
        part, at = rows[first:last], hours(first, last - first)
        for kind, column in (("mileage", 4), ("capacity", 5)):
            mantissas = tuple(row[column] for row in part)
            told.append(prices(of, kind, [], at, mantissas=mantissas, scale=scale))
        won.append(award(of, [], at, capacity_w=tuple(row[0] for row in part)))
        met.append(
            done(
                of,
                [],
                at,
                instructions=tuple(row[1] for row in part),
                mileage_w=tuple(row[2] if row[1] else 0 for row in part),
                score=tuple(row[3] for row in part),
            )
        )
    ms = [share(of, m.numerator, m.denominator, day) for m, day in zip(shares, days, strict=True)]
    lines = regulation_earned(regulation_market(of, period, told, ms), "S1", won, met)
    money(lines)
    assert [line.exact for line in lines] == slow


def test_numbers_past_64_bits_stay_exact() -> None:
    of = rule("caiso")
    big = 9 * 10**18
    told = [
        prices(of, "capacity", [], hours(0, 2), mantissas=(big, big), scale=0),
        prices(of, "mileage", [], hours(0, 2), mantissas=(big, -big + 1), scale=0),
    ]
    met = [done(of, [(1, "1000000", "1"), (1, "1000000", "1")], hours(0, 2))]
    lines = regulation_earned(
        regulation_market(of, DAY, told), "S1", [award(of, ["1000000"] * 2, hours(0, 2))], met
    )
    assert [line.exact for line in lines] == [10**6, 2 * big * 10**6]


def test_real_caiso_capacity_of_2020() -> None:
    """Every hour of March 2020 (the file has no clock change): 2 MW up and 1.5 MW down."""
    path = DATA / "caiso_da_reg_prices_hourly_2020.csv"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    march = [row for row in rows[: 24 * 91] if row[0].startswith("3/")]
    march = march[1:] + [row for row in rows if row[0] == "4/1/2020 0:00"]  # stamps name the hour's end
    assert len(march) == 744
    of = rule("caiso", zone="Etc/GMT+8")
    period = Month(2020, 3).interval(zone_of(of.zone))
    texts = {"regulation_up": [row[2] for row in march], "regulation_down": [row[3] for row in march]}
    told, won, met = [], [], []
    for product, watts in (("regulation_up", 2 * MW), ("regulation_down", 1_500_000)):
        mantissas = tuple(int(exact(text) * 10**9 * 1000) for text in texts[product])  # per kW.h -> per MW.h
        told.append(prices(of, "capacity", [], period, product=product, mantissas=mantissas))
        won.append(award(of, [], period, product=product, capacity_w=(watts,) * 744))
        met.append(done(of, [(0, "0", None)] * 744, period, product=product))
    lines = regulation_earned(regulation_market(of, period, told), "S1", won, met)
    by_hand = [
        sum((Fraction(text) for text in texts["regulation_up"]), Fraction(0)) * 2000,
        sum((Fraction(text) for text in texts["regulation_down"]), Fraction(0)) * 1500,
    ]
    assert [line.exact for line in lines] == [0, by_hand[0], 0, by_hand[1]]
    assert money(lines) == ["0.00", CAISO_UP, "0.00", CAISO_DOWN]
    assert "744 periods" in lines[0].note
    assert [len(line.basis) for line in lines] == [1, 31, 1, 31]


CAISO_UP, CAISO_DOWN = "11373.71", "10320.85"
"""The file's March prices added up with awk, x 2000 kW and x 1500 kW."""


def test_real_aemo_raise_regulation_of_new_year_2025() -> None:
    path = DATA / "aemo_dispatch_price_fcas_2025-01.csv"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    with path.open(encoding="utf-8", newline="") as file:
        rows = [
            row for row in csv.DictReader(file) if row["REGIONID"] == "SA1" and row["INTERVENTION"] == "0"
        ]
    day = sorted(
        (row for row in rows if "2025/01/01 00:00:00" < row["SETTLEMENTDATE"] <= "2025/01/02 00:00:00"),
        key=lambda row: row["SETTLEMENTDATE"],
    )
    assert len(day) == 288
    of = rule("aemo")
    start = datetime(2024, 12, 31, 14, tzinfo=UTC)
    period = Interval(start, start + timedelta(days=1))
    texts = [row["RAISEREGRRP"] for row in day]
    market = regulation_market(of, period, [prices(of, "capacity", texts, period)])
    lines = regulation_earned(market, "S1", [award(of, ["12"] * 288, period)], [])
    assert lines[0].exact == sum((Fraction(text) for text in texts), Fraction(0))  # 12 MW for 1/12 hour
    assert money(lines) == [AEMO_DAY]


AEMO_DAY = "1713.84"
"""The day's 288 prices of SA1 added up with awk."""


def test_awards_of_mileage_and_of_capacity_are_of_the_same_power_and_each_is_paid() -> None:
    """Guangdong: 10 MW, mileage 30 MW x 8 x 0.9 = 216, capacity 8 MW x 12 = 96; held once, the larger."""
    of = rule("guangdong")
    at = hours(0, 1)
    pays = [award(of, ["10"], at, id="m", pays="mileage"), award(of, ["8"], at, id="c", pays="capacity")]
    performed = [done(of, [(1, "30", "0.9")], at, available_s=(3600,))]
    market = regulation_market(
        of, DAY, [prices(of, "mileage", ["8"], at), prices(of, "capacity", ["12"], at)]
    )
    assert [str(line.amount.exact) for line in regulation_earned(market, "S1", pays, performed)] == [
        "216",
        "96",
    ]
    assert committed_w(market, of.products[0], pays).max() == 10 * MW
    with pytest.raises(Refused) as refused:
        regulation_earned(market, "S1", pays[1:], performed)
    assert refused.value.code == "instruction_without_award"
    twice = [*pays, award(of, ["1"], at, id="both")]
    with pytest.raises(Refused) as refused:
        regulation_earned(market, "S1", twice, performed)
    assert refused.value.code == "award_overlap"
