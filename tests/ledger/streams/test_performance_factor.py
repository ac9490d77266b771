"""K by province: "K=0.4K1+0.3K2+0.3K3; hourly mean 2 dp", and rank prices (DOMAIN.md 3.6)."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.quantity import exact
from ledger.refusal import Refused
from ledger.streams.performance_factor import (
    BidLimits,
    ComplementComponent,
    GivenComponent,
    Product,
    RatioComponent,
    RegulationBid,
    WeightedSum,
    checked_bid,
    instruction_factors,
    period_means,
    rank_value,
    ranked,
    ranking_factor,
)
from ledger.streams.regulation import RegulationRule
from ledger.toml_file import TomlFile

RULES = Path(__file__).resolve().parents[3] / "examples" / "market_rules"


def rule(name: str) -> RegulationRule:
    text = (RULES / f"regulation_{name}.toml").read_text(encoding="utf-8")
    file = TomlFile(text)
    return file.struct(RegulationRule, file.root, ())


def factors(name: str, **measures: tuple[str, ...]) -> list[Fraction]:
    """K of instructions whose measures are decimal texts of at most three places."""
    formula = rule(name).factor
    assert isinstance(formula, WeightedSum | Product)
    values = {key: np.array([int(exact(text) * 1000) for text in texts]) for key, texts in measures.items()}
    numerators, divisor = instruction_factors(formula, values, 3)
    return [Fraction(int(n), divisor) for n in numerators]


@pytest.mark.parametrize("name", sorted(path.stem[11:] for path in RULES.glob("regulation_*.toml")))
def test_every_rule_file_names_its_source(name: str) -> None:
    first = (RULES / f"regulation_{name}.toml").read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# Source:")
    assert rule(name).source


def test_hunan_caps_k1_at_three_and_leaves_k2_and_k3_without_a_floor() -> None:
    # 250 %/min: K1 2.5; 6 s: K2 0.9; 0.5 %: K3 0.75. Then 400 %/min is capped; 90 s and 3 % go below zero.
    got = factors(
        "hunan",
        speed_percent_per_min=("250", "400", "100"),
        delay_s=("6", "6", "90"),
        error_percent=("0.5", "0.5", "3"),
    )
    assert got == [Fraction("1.495"), Fraction("1.695"), Fraction("0.1")]


def test_south_jiangsu_and_shanxi() -> None:
    k = {"k1": ("1.2",), "k2": ("0.9",), "k3": ("0.8",)}
    assert factors("guangdong", **k) == [Fraction("1.025")]
    assert factors("jiangsu", k1=k["k1"], k2=k["k2"]) == [Fraction("1.08")]
    assert factors("shanxi", **k) == [Fraction("0.864")]


def test_a_floor_holds_where_the_rule_states_one() -> None:
    formula = Product(
        components=(ComplementComponent(measure="delay", reference="60", floor="0"),), hour_decimals=2
    )
    numerators, divisor = instruction_factors(formula, {"delay": np.array([90, 30])}, 0)
    assert [Fraction(int(n), divisor) for n in numerators] == [Fraction(0), Fraction(1, 2)]


def test_components_past_64_bits_stay_exact() -> None:
    formula = Product(
        components=(ComplementComponent(measure="delay", reference="1.000000001"),), hour_decimals=2
    )
    numerators, divisor = instruction_factors(formula, {"delay": np.array([10**12, 1])}, 0)
    reference = Fraction("1.000000001")
    assert [Fraction(int(n), divisor) for n in numerators] == [1 - 10**12 / reference, 1 - 1 / reference]


def test_the_hourly_mean_is_rounded_once_half_away_from_zero() -> None:
    numerators = np.array([1234, 1236, -1235, 1000])
    hours, means = period_means((numerators, 1000), np.array([3, 3, 7, 9]), 2)
    assert (hours, means) == ([3, 7, 9], [124, -124, 100])
    assert period_means((np.array([], dtype=np.int64), 1), np.array([], dtype=np.int64), 2) == ([], [])


_LINES = st.lists(
    st.tuples(st.integers(0, 4), st.integers(-(10**6), 10**6), st.integers(0, 10**6), st.integers(0, 10**6)),
    min_size=1,
    max_size=30,
)


@settings(max_examples=80)
@given(lines=_LINES, scale=st.integers(0, 9), product=st.booleans())
def test_factors_equal_a_plain_loop(
    lines: list[tuple[int, int, int, int]], scale: int, product: bool
) -> None:
    lines = sorted(lines)
    parts = (
        RatioComponent(measure="v", reference="97.3", cap="3", floor="0.1"),
        ComplementComponent(measure="t", reference="60"),
        GivenComponent(measure="k", cap="5"),
    )
    formula: Product | WeightedSum = (
        Product(components=parts, hour_decimals=2)
        if product
        else WeightedSum(components=parts, weights=("1/3", "0.5", "1/6"), hour_decimals=2)
    )
    periods, v, t, k = (np.array(column) for column in zip(*lines, strict=True))
    made = instruction_factors(formula, {"v": v, "t": t, "k": k}, scale)
    by_hour: dict[int, list[Fraction]] = {}
    for hour, speed, delay, score in lines:
        unit = 10**scale
        k1 = max(Fraction(1, 10), min(Fraction(3), Fraction(speed, unit) / Fraction("97.3")))
        k2 = 1 - Fraction(delay, unit) / 60
        k3 = min(Fraction(5), Fraction(score, unit))
        slow = k1 * k2 * k3 if product else k1 / 3 + k2 / 2 + k3 / 6
        by_hour.setdefault(hour, []).append(slow)
    got = [Fraction(int(n), made[1]) for n in made[0]]
    assert got == [value for hour in sorted(by_hour) for value in by_hour[hour]]
    hours, means = period_means(made, periods, 2)
    assert hours == sorted(by_hour)
    for hour, mean in zip(hours, means, strict=True):
        middle = sum(by_hour[hour], Fraction(0)) / len(by_hour[hour]) * 100
        distance = abs(middle - mean)
        assert distance < Fraction(1, 2) or (distance == Fraction(1, 2) and abs(mean) > abs(middle))


def test_measures_that_are_missing_or_unknown_are_refused() -> None:
    with pytest.raises(Refused, match="needs k2") as missing:
        factors("jiangsu", k1=("1",))
    with pytest.raises(Refused, match="k9") as unknown:
        factors("jiangsu", k1=("1",), k2=("1",), k9=("1",))
    assert (missing.value.code, unknown.value.code) == ("measure_missing", "measure_unknown")


def test_bad_formulas_are_refused() -> None:
    k1, k2 = GivenComponent(measure="k1"), GivenComponent(measure="k2")
    cases = {
        "share_total": lambda: WeightedSum(components=(k1, k2), weights=("0.5", "0.4"), hour_decimals=2),
        "weights": lambda: WeightedSum(components=(k1, k2), weights=("1",), hour_decimals=2),
        "components": lambda: Product(components=(k1, k1), hour_decimals=2),
        "scale": lambda: Product(components=(k1,), hour_decimals=10),
        "reference": lambda: RatioComponent(measure="v", reference="0"),
        "cap": lambda: GivenComponent(measure="v", cap="1", floor="1"),
        "amount": lambda: RatioComponent(measure="v", reference="-1"),
        "measure": lambda: GivenComponent(measure=" "),
    }
    for code, make in cases.items():
        with pytest.raises(Refused) as refused:
            make()
        assert refused.value.code == code


def limits(name: str) -> BidLimits:
    bid = rule(name).bid
    assert bid is not None
    return bid


def bid(unit: str, price: str, factor: str) -> RegulationBid:
    return RegulationBid(unit, Fraction(price), Fraction(factor))


def test_hunan_ranks_by_price_over_relative_factor() -> None:
    # 12 / (1.5 / 1.5) = 12; 10 / (1.0 / 1.5) = 15; 6 / (0.6 / 1.5) = 15: a tie, by unit.
    bids = [bid("C", "10", "1"), bid("B", "6", "0.6"), bid("A2", "12", "1.5")]
    assert [one.unit for one in ranked(limits("hunan"), bids)] == ["A2", "B", "C"]
    assert rank_value(limits("hunan"), bids[0], Fraction("1.5")) == 15


def test_jiangsu_ranks_by_factor_over_price_the_highest_first() -> None:
    bids = [bid("A", "10", "1"), bid("B", "6", "0.9"), bid("C", "12", "1.1")]
    assert [one.unit for one in ranked(limits("jiangsu"), bids)] == ["B", "A", "C"]


@pytest.mark.parametrize(
    ("price", "factor", "code"),
    [
        ("4", "0.3", ""),
        ("15", "0.3", ""),
        ("3.99", "1", "bid_price"),
        ("15.01", "1", "bid_price"),
        ("10", "0.29", "bid_factor"),
    ],
)
def test_the_limits_include_both_ends(price: str, factor: str, code: str) -> None:
    offered = bid("A", price, factor)
    if not code:
        assert checked_bid(limits("hunan"), offered) == offered
        return
    with pytest.raises(Refused) as refused:
        checked_bid(limits("hunan"), offered)
    assert (refused.value.code, refused.value.place) == (code, "A")


def test_a_unit_bids_once() -> None:
    with pytest.raises(Refused) as refused:
        ranked(limits("hunan"), [bid("A", "5", "1"), bid("A", "6", "1")])
    assert refused.value.code == "bid_duplicate"


def test_ranking_k_is_the_mean_of_the_last_five_award_days_before_the_day() -> None:
    days = {1: "9", 2: "1.0", 4: "1.1", 5: "1.2", 8: "1.3", 9: "1.4", 10: "7", 11: "8"}
    daily = {date(2025, 5, day): Fraction(k) for day, k in days.items()}
    assert ranking_factor(limits("hunan"), daily, date(2025, 5, 10)) == Fraction("1.2")
    with pytest.raises(Refused) as refused:
        ranking_factor(limits("hunan"), daily, date(2025, 5, 8))
    assert refused.value.code == "factor_history"
