"""Key figures: their formulas give their values, and what cannot be computed has none."""

from __future__ import annotations

import ast
import operator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.appraisal.finance import internal_rate, net_present_value
from ledger.interval import Month
from ledger.kpi.carbon import FactorSet, Method, MonthEnergy, co2_avoided, parse_factors
from ledger.kpi.comparison import Standalone, compare
from ledger.kpi.economy import appraised, bill_saving, payback, per_kwh, simple_return
from ledger.kpi.kpi import Kpi
from ledger.kpi.operation import NodeHours, availability, equivalent_cycles, round_trip_efficiency
from ledger.quantity import Money
from ledger.refusal import Refused
from tests.ledger.kpi.sample import cny

CO2 = Path(__file__).parents[3] / "examples/co2"
AUGUST = Month(2026, 8)
FLOWS = [Fraction(-100), Fraction(110)]
_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def recomputed(kpi: Kpi) -> Fraction:
    """The formula over the inputs, by a parser that is not ours."""
    inputs = {one.name: Fraction(one.value) for one in kpi.inputs}

    def value(node: Any) -> Fraction:
        match node:
            case ast.Expression(body):
                return value(body)
            case ast.BinOp(left, op, right):
                return _OPERATORS[type(op)](value(left), value(right))
            case ast.Constant(number):
                return Fraction(number)
            case ast.Name(name):
                return inputs[name]
        raise AssertionError(ast.dump(node))

    return value(ast.parse(kpi.formula, mode="eval"))


def factors(name: str) -> FactorSet:
    return parse_factors((CO2 / f"{name}.toml").read_text(encoding="utf-8"))


def one_site(kpi: Kpi) -> list[Standalone]:
    return [Standalone("S", 1, kpi)]


def avoided(*months: MonthEnergy) -> Kpi:
    return co2_avoided(months, factors("china_east"), "discharge_only")


def every() -> list[Kpi]:
    nodes = [NodeHours("n1", 1_000_000, 700, 720), NodeHours("n2", 500_000, 720, 720)]
    one = round_trip_efficiency(900_000, 1_100_000, 50_000)
    energy = [MonthEnergy(AUGUST, 1_100_001, 900_000), MonthEnergy(Month(2022, 5), 1000, 900)]
    methods: tuple[Method, ...] = ("net_of_charging", "discharge_only")
    comparison = compare([Standalone("S1", 500, one), Standalone("S2", 1000, one)], one)
    return [
        availability(nodes),
        equivalent_cycles(900_000, 450_000),
        one,
        round_trip_efficiency(900_000, 1_100_000, None),
        bill_saving(cny("100.00"), cny("85.00")),
        simple_return(cny("1.00"), cny("6.50")),
        payback(cny("6.50"), cny("1.00")),
        per_kwh("revenue_per_kwh_capacity", cny("900.00"), 20_000_000),
        *(co2_avoided(energy, factors("china_national"), method) for method in methods),
        comparison.alone,
        comparison.change,
        comparison.multiple,
    ]


@pytest.mark.parametrize("kpi", every(), ids=lambda kpi: kpi.name)
def test_the_formula_shown_gives_the_value_shown(kpi: Kpi) -> None:
    assert recomputed(kpi) == kpi.exact


def test_availability_is_weighted_by_kwh() -> None:
    """DOMAIN.md 2.1 Q12: half of the hours of the larger node lost count twice those of one half its size."""
    nodes = [NodeHours("n1", 2_000_000, 360, 720), NodeHours("n2", 1_000_000, 720, 720)]
    assert availability(nodes).exact == Fraction(200, 3)
    assert availability(nodes).rounded(2) == "66.67"


def test_payback_of_six_and_a_half_years_is_a_simple_return_of_15_4_percent() -> None:
    """DOMAIN.md 2.1 Q12."""
    assert payback(cny("6500000.00"), cny("1000000.00")).rounded(1) == "6.5"
    assert simple_return(cny("1000000.00"), cny("6500000.00")).rounded(1) == "15.4"


def test_fifteen_percent_saved() -> None:
    """DOMAIN.md 2.1 Q14."""
    assert bill_saving(cny("120000.00"), cny("102000.00")).value == "15"
    assert bill_saving(cny("100.00"), cny("103.00")).value == "-3", "storage can raise a bill"


def test_thirty_gwh_at_0_4_are_12000_tonnes_only_without_the_charging() -> None:
    """DOMAIN.md 2.1 Q14: the brochure counts the discharge alone."""
    months = [MonthEnergy(AUGUST, 33_000_000_000, 30_000_000_000)]
    scenario = factors("scenario_0_4")
    assert co2_avoided(months, scenario, "discharge_only").value == "12000000"
    assert co2_avoided(months, scenario, "net_of_charging").value == "-1200000"


def test_each_month_takes_its_own_factor_and_names_its_evidence() -> None:
    months = [MonthEnergy(Month(2021, 6), 0, 1_000_000), MonthEnergy(Month(2022, 6), 0, 1_000_000)]
    kpi = co2_avoided(months, factors("china_national"), "discharge_only")
    assert kpi.exact == Fraction("556.8") + Fraction("536.6")
    assert kpi.note.count("check before quoting") == 2


def test_a_month_without_a_factor_is_refused_and_not_zero() -> None:
    with pytest.raises(Refused) as refused:
        co2_avoided([MonthEnergy(Month(2020, 1), 0, 1)], factors("china_national"), "discharge_only")
    assert refused.value.code == "factor_missing"


@pytest.mark.parametrize("name", [file.stem for file in sorted(CO2.glob("*.toml"))])
def test_every_factor_file_reads_and_covers_the_demo(name: str) -> None:
    assert factors(name).of(AUGUST).source


def test_overlapping_factors_are_refused_with_their_place() -> None:
    text = (
        (CO2 / "china_east.toml")
        .read_text(encoding="utf-8")
        .replace("until = 2023-01-01", "until = 2023-02-01")
    )
    with pytest.raises(Refused) as refused:
        parse_factors(text)
    assert refused.value.code == "factor_overlap"
    assert "factors[1].effective_from" in refused.value.place


@pytest.mark.parametrize(
    "kpi",
    [
        bill_saving(cny("0.00"), cny("1.00")),
        payback(cny("100.00"), cny("-1.00")),
        simple_return(cny("1.00"), cny("0.00")),
        per_kwh("cost_per_kwh_capacity", cny("1.00"), 0),
        round_trip_efficiency(0, 0, None),
        round_trip_efficiency(10, 100, 100),
        co2_avoided([], factors("china_national"), "net_of_charging"),
    ],
    ids=lambda kpi: kpi.name,
)
def test_without_a_value_it_says_why(kpi: Kpi) -> None:
    assert (kpi.value, kpi.exact, kpi.rounded(2)) == (None, None, "-")
    assert kpi.note


def test_an_efficiency_with_what_stayed_in_the_storage() -> None:
    assert round_trip_efficiency(900, 1100, 100).exact == 90
    assert round_trip_efficiency(900, 1100, -100).exact == 75
    assert "wrong" in round_trip_efficiency(900, 1000, 200).note
    assert "not measured" in round_trip_efficiency(900, 1000, None).note


def test_aggregated_against_alone() -> None:
    """DOMAIN.md 2.1 Q16: 2.5 times the revenue, weighted by kWh."""
    alone = [
        Standalone("S1", 1_000, per_kwh("revenue_per_kwh_capacity", cny("100.00"), 1_000)),
        Standalone("S2", 3_000, per_kwh("revenue_per_kwh_capacity", cny("900.00"), 3_000)),
    ]
    found = compare(alone, per_kwh("revenue_per_kwh_capacity", cny("2500.00"), 4_000))
    assert found.alone.exact == Fraction(100 * 1 + 300 * 3, 4)
    assert (found.multiple.value, found.change.value) == ("2.5", "150")


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("node_hours", lambda: NodeHours("n", 1, 721, 720)),
        ("node_hours", lambda: NodeHours("n", 0, 1, 720)),
        ("node_twice", lambda: availability([NodeHours("n", 1, 1, 2)] * 2)),
        ("no_nodes", lambda: availability([])),
        ("usable_energy", lambda: equivalent_cycles(1, 0)),
        ("negative_energy", lambda: equivalent_cycles(-1, 1)),
        ("negative_energy", lambda: round_trip_efficiency(1, -1, None)),
        ("currency", lambda: bill_saving(cny("1.00"), Money(1, "EUR"))),
        ("not_allowed", lambda: appraised("payback", internal_rate(FLOWS))),  # type: ignore[arg-type]
        ("kpi_value", lambda: Kpi("irr", None, "%", "", ())),
        ("no_sites", lambda: compare([], equivalent_cycles(1, 1))),
        (
            "not_comparable",
            lambda: compare(one_site(equivalent_cycles(1, 1)), round_trip_efficiency(1, 1, None)),
        ),
        (
            "no_value",
            lambda: compare(one_site(round_trip_efficiency(0, 0, None)), round_trip_efficiency(1, 1, None)),
        ),
        ("month_twice", lambda: avoided(MonthEnergy(AUGUST, 1, 1), MonthEnergy(AUGUST, 1, 1))),
    ],
)
def test_wrong_input_is_refused(code: str, wrong: Any) -> None:
    with pytest.raises(Refused) as refused:
        wrong()
    assert refused.value.code == code


def test_an_appraised_figure_is_carried_with_its_working() -> None:
    kpi = appraised("irr", internal_rate(FLOWS), note="before tax")
    assert (kpi.value, kpi.unit, kpi.rounded(1)) == ("10", "%/year", "10.0")
    assert kpi.note.endswith("; before tax")
    value = appraised("npv", net_present_value(Fraction(0), FLOWS))
    assert value.value == "10"


@settings(max_examples=60)
@given(st.integers(0, 10**12), st.integers(1, 10**12))
def test_no_digit_is_lost(discharge: int, usable: int) -> None:
    """A key figure's text is the exact quotient: a decimal, or numerator/denominator."""
    assert equivalent_cycles(discharge, usable).exact == Fraction(discharge, usable)
