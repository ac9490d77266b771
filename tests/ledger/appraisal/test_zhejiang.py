"""Every figure of DOMAIN.md 1, from the shipped assumption set."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import msgspec
import pytest

from ledger.appraisal import assumption_file
from ledger.appraisal.appraisal import Appraisal, appraise, text, total
from ledger.appraisal.assumption import AssumptionSet
from ledger.appraisal.figures import FIGURES
from ledger.appraisal.finance import rounded
from ledger.refusal import Refused

ROOT = Path(__file__).parents[3]
FILE = ROOT / "examples/appraisal/zhejiang_3mw_6mwh.toml"
GIVEN = assumption_file.parse(FILE.read_bytes())
FOUND = appraise(GIVEN)


def replaced(name: str, value: str) -> AssumptionSet:
    assumptions = tuple(
        msgspec.structs.replace(one, value=value) if one.name == name else one for one in GIVEN.assumptions
    )
    return msgspec.structs.replace(GIVEN, assumptions=assumptions)


def implied(figure: str, name: str, places: int = 2) -> tuple[str, str, str]:
    one = next(one for one in FOUND.figure(figure).implied if one.name == name)
    return rounded(one.value, places), rounded(one.low, places), rounded(one.high, places)


VARIANTS = [
    ("arbitrage", "lossless", "259.46", "+55.07"),
    ("arbitrage", "efficiency_once", "227.64", "+36.05"),
    ("arbitrage", "efficiency_twice", "215.63", "+28.87"),
    ("arbitrage", "efficiency_squared", "198.38", "+18.56"),
    ("arbitrage", "first_year_and_share", "167.32", "0.00"),
    ("arbitrage", "owner_share_of_delivered", "167.09", "-0.14"),
    ("time_shift", "mid_year_retention", "33.47", "-0.01"),
    ("time_shift", "net_of_loss_and_feed_in", "20.92", "-37.49"),
    ("time_shift", "net_of_loss_curtailed", "30.79", "-8.01"),
    ("demand_charge", "pair_a", "18.00", "0.00"),
    ("demand_charge", "pair_b", "18.00", "0.00"),
    ("demand_charge", "pair_c", "18.00", "0.00"),
    ("demand_charge", "pair_d", "18.00", "0.00"),
    ("demand_response", "delivered", "19.87", "+41.64"),
    ("demand_response", "owner_share_of_delivered", "13.91", "-0.85"),
    ("demand_response", "share_of_usable", "14.04", "+0.07"),
    ("spot", "loss_of_nameplate", "14.40", "-0.48"),
    ("spot", "loss_of_usable", "6.48", "-55.22"),
    ("spot", "loss_both_ways", "13.52", "-6.54"),
    ("spot", "loss_both_ways_with_factor", "14.47", "+0.00"),
    ("ancillary", "delivered", "111.78", "+228.86"),
    ("ancillary", "power_for_hours", "33.75", "-0.71"),
    ("ancillary", "owner_share_of_spread", "33.74", "-0.74"),
    ("ancillary", "net_share_without_vat", "33.99", "-0.01"),
    ("levelised_cost", "delivered_energy", "0.68", "+0.05"),
    ("levelised_cost", "usable_energy", "0.68", "+0.08"),
    ("cost_present_value", "capital_and_interest", "1286.48", "-32.16"),
    ("internal_return", "with_residual", "9.34", "-0.21"),
    ("internal_return", "without_residual", "8.87", "-5.24"),
    ("payback", "whole_investment", "6.45", "+18.00"),
    ("payback", "equity_of_arbitrage", "5.58", "+1.93"),
    ("payback", "equity_of_gross_cash", "5.52", "+0.82"),
]


@pytest.mark.parametrize(("figure", "variant", "value", "deviation"), VARIANTS)
def test_a_variant_of_the_table(figure: str, variant: str, value: str, deviation: str) -> None:
    printed = FOUND.figure(figure).printed
    one = FOUND.figure(figure).variant(variant)
    assert one.shown(printed) == value
    percent = one.deviation(printed) * 100
    assert rounded(percent, 2) == deviation.removeprefix("+")
    assert (percent > 0) is deviation.startswith("+")


def test_no_variant_is_left_out_of_the_table() -> None:
    assert [(figure.name, one.name) for figure in FOUND.figures for one in figure.variants] == [
        (figure, variant) for figure, variant, _, _ in VARIANTS
    ]


def test_verdicts_follow_from_the_variants() -> None:
    assert {figure.name: figure.verdict for figure in FOUND.figures} == {
        "arbitrage": "not_reproducible",
        "time_shift": "exact",
        "demand_charge": "exact_under_determined",
        "demand_response": "not_reproducible",
        "spot": "close",
        "ancillary": "not_reproducible",
        "levelised_cost": "exact_under_determined",
        "cost_present_value": "not_reproducible",
        "internal_return": "close",
        "payback": "impossible",
    }


def test_what_is_exact_is_exact_before_rounding() -> None:
    assert FOUND.figure("time_shift").variant("mid_year_retention").value == Fraction("334659.6")
    assert {one.value for one in FOUND.figure("demand_charge").variants} == {Fraction(180_000)}
    assert FOUND.figure("arbitrage").variant("first_year_and_share").value == Fraction("1673190.6912")
    assert FOUND.figure("spot").variant("loss_of_nameplate").value == 144_000
    lcoe = FOUND.figure("levelised_cost").variant("delivered_energy")
    assert lcoe.answer.shown(4) == "0.6803"
    energy = sum(4968 * 600 * Fraction(985, 1000) ** year for year in range(10))
    assert rounded(energy / 10_000, 2) == "2787.44"
    assert lcoe.value == Fraction(18_964_200) / energy


def test_what_is_not_stated_is_named() -> None:
    hidden = {figure.name: figure.hidden(GIVEN) for figure in FOUND.figures}
    assert hidden["time_shift"] == ("time_shift_retention",)
    assert hidden["levelised_cost"] == ("fade", "fade_of_usable")
    assert hidden["arbitrage"] == ("first_year_retention", "share_or_after_tax")
    assert hidden["ancillary"] == ("ancillary_share", "vat")
    assert hidden["spot"] == ("spot_factor",)
    assert len(hidden["demand_charge"]) == 8, "four pairs, neither number of which is stated"
    assert hidden["demand_response"] == hidden["internal_return"] == (), "nothing gives the printed digits"


def test_unexplained_factors_are_reported_and_not_invented() -> None:
    factors = {
        figure.name: (rounded(figure.unexplained.factor, 6), figure.unexplained.of)
        for figure in FOUND.figures
        if figure.unexplained
    }
    assert factors == {
        "arbitrage": ("0.735004", "efficiency_once"),
        "demand_response": ("0.706019", "delivered"),
        "spot": ("1.069991", "loss_both_ways"),
        "ancillary": ("0.304079", "delivered"),
    }


def test_what_the_printed_figures_imply() -> None:
    assert implied("demand_response", "event_energy") == ("3507.50", "3506.25", "3508.75")
    assert implied("spot", "energy")[0] == "964.67"
    assert implied("ancillary", "energy")[0] == "1510.67"
    assert implied("payback", "cash_on_whole", 0)[0] == "1974406"
    assert implied("payback", "cash_on_equity", 0)[0] == "592322"
    assert implied("cost_present_value", "operation_and_management", 0)[0] == "6099368"
    assert implied("cost_present_value", "operation_and_management_share", 3)[0] == "0.056"
    interest = FOUND.figure("cost_present_value").variants[0].value - 10_800_000
    assert rounded(interest / 10_000, 0) == "206"


def test_one_share_comes_near_three_streams() -> None:
    assert rounded(FOUND.pattern_kwh, 1) == "3477.6"
    assert [
        (one.figure, rounded(one.energy_kwh, 0), rounded(one.deviation * 100, 1)) for one in FOUND.pattern
    ] == [("arbitrage", "3482", "-0.1"), ("demand_response", "3508", "-0.9"), ("ancillary", "3503", "-0.7")]


def test_returns_of_the_equity_as_near_as_was_found() -> None:
    shown = FOUND.figure("payback").notes
    assert shown == (
        "equity_of_arbitrage has an internal rate of 9.08 %",
        "equity_of_gross_cash has an internal rate of 9.38 %",
    )
    assert (
        "5.47 years on the whole investment need 1974405.85 CNY a year" in FOUND.figure("payback").impossible
    )
    assert "0.019 percentage points" in FOUND.figure("internal_return").notes[0]
    assert "60 % above" in FOUND.figure("time_shift").notes[1]


def test_the_four_contradictions_have_their_figures() -> None:
    below, spread, parts, alternatives = FOUND.findings
    assert below.code == "revenue_below_cost"
    assert below.value("revenue over the life") == 16_732_000
    assert below.value("present value of cost") == 18_964_200
    assert rounded(below.value("delivered a year") / 10**6, 2) == "2.98"
    assert rounded(below.value("revenue per delivered kWh"), 3) == "0.561"
    assert below.value("levelised cost") == Fraction("0.68")
    assert below.value("internal rate") == Fraction("0.0936")
    assert spread.code == "spread_not_its_prices"
    assert (spread.value("spread stated"), spread.value("sharp less valley price")) == (
        Fraction("1.3258"),
        Fraction("0.9819"),
    )
    assert parts.code == "demand_saving_on_single_part"
    assert (parts.value("tariff parts"), parts.value("demand saving")) == (1, 180_000)
    assert alternatives.code == "alternatives_not_a_sum"
    assert alternatives.value("sum of the alternatives") == 2_812_800


def test_a_contradiction_is_found_and_not_assumed() -> None:
    codes = [one.code for one in appraise(replaced("spread_stated", "0.9819")).findings]
    assert "spread_not_its_prices" not in codes
    assert "demand_saving_on_single_part" not in [
        one.code for one in appraise(replaced("tariff_parts", "2")).findings
    ]
    assert "revenue_below_cost" not in [one.code for one in appraise(replaced("life", "12")).findings]


def test_alternatives_are_never_added() -> None:
    with pytest.raises(Refused, match="earned by nobody") as caught:
        total(GIVEN, GIVEN.exclusive)
    assert (caught.value.code, caught.value.place) == ("exclusive_streams", "names")
    with pytest.raises(Refused) as caught:
        total(GIVEN, ["spot", "demand_charge"])
    assert caught.value.code == "exclusive_streams"
    assert total(GIVEN, ["spot"]) == Fraction("144700")
    assert total(GIVEN, ["arbitrage", "cost_present_value"]) == Fraction("20637400")


@pytest.mark.parametrize(
    ("names", "code"),
    [
        ([], "empty"),
        (["spot", "spot"], "duplicate"),
        (["spot", "frequency"], "unknown_figure"),
        (["spot", "payback"], "unit"),
    ],
)
def test_a_total_that_makes_no_sense_is_refused(names: list[str], code: str) -> None:
    with pytest.raises(Refused) as caught:
        total(GIVEN, names)
    assert caught.value.code == code


def test_a_hidden_input_that_is_not_given_is_asked_for() -> None:
    fewer = msgspec.structs.replace(
        GIVEN, assumptions=tuple(one for one in GIVEN.assumptions if one.name != "fade")
    )
    with pytest.raises(Refused, match=r"does not state fade \(1/year\)") as caught:
        appraise(fewer)
    assert caught.value.code == "unknown_assumption"


def test_an_input_in_another_unit_is_refused() -> None:
    other = FILE.read_text().replace(
        'value = "1.4085"\nunit = "CNY/kWh"', 'value = "1.4085"\nunit = "CNY/MWh"'
    )
    with pytest.raises(Refused, match="price_sharp is in CNY/MWh, not CNY/kWh") as caught:
        appraise(assumption_file.parse(other))
    assert caught.value.code == "unit"


@pytest.mark.parametrize(
    ("before", "after", "code", "place"),
    [
        ('value = "1.4085"', 'value = "1,4085"', "number", "assumptions[0].value"),
        ('standing = "stated"', 'standing = "known"', "not_allowed", "assumptions[0].standing"),
        ('unit = "CNY/kWh"\nstanding', 'unit = ""\nstanding', "empty", "assumptions[0].unit"),
        ('name = "price_peak"', 'name = "price_sharp"', "duplicate", "assumptions[1]"),
        ('name = "price_peak"', 'name = "Price peak"', "name", "assumptions[1].name"),
        ('"spot", "ancillary"]', '"spot", "frequency"]', "unknown_figure", "exclusive[5]"),
        ('value = "167.32"', 'value = "0.00"', "printed", "printed[0].value"),
        ('currency = "CNY"', 'currency = "RMB"', "currency", "currency"),
        ('title = "S', 'title = ""\n#', "empty", "title"),
    ],
)
def test_a_faulty_file_is_refused_where_it_is_wrong(before: str, after: str, code: str, place: str) -> None:
    source = FILE.read_text()
    assert before in source
    with pytest.raises(Refused) as caught:
        assumption_file.parse(source.replace(before, after, 1))
    assert caught.value.code == code
    assert caught.value.place.startswith("line ")
    assert caught.value.place.endswith(f", {place}")


def test_every_figure_file_is_in_the_list() -> None:
    files = {path.stem for path in (ROOT / "ledger/appraisal/figures").glob("*.py")} - {"__init__"}
    assert {call.__module__.rpartition(".")[2] for call in FIGURES.values()} == files
    assert list(FIGURES) == [figure.name for figure in FOUND.figures]


def test_the_text_shows_formulas_factors_and_contradictions() -> None:
    shown = text(FOUND)
    for expected in (
        "arbitrage: printed 167.32 10^4 CNY; not reproducible",
        "  efficiency_once (natural): 227.6450 10^4 CNY, 36.05 %",
        "300 x (2.4548 x 4,968.00 - 0.8532 x 5,400.00)",
        "unexplained factor 0.735004 of efficiency_once",
        "equal only with what is not stated: time_shift_retention",
        "payback: printed 5.47 year; impossible",
        "delivered_energy (reconstruction): 0.6803 CNY/kWh, equal",
        "contradiction alternatives_not_a_sum",
        "feed_in_price = 0.4153 CNY/kWh (medium confidence; Zhejiang coal benchmark price, not verified)",
    ):
        assert expected in shown


def test_the_same_set_gives_the_same_appraisal() -> None:
    again: Appraisal = appraise(assumption_file.parse(FILE.read_text()))
    assert again == FOUND


def test_thousands_are_separated_as_on_statements() -> None:
    shown = text(FOUND)
    assert "efficiency_once x first-year retention" in shown
    assert "\n    2,276,449.92 x 0.98 x 0.75\n" in shown
    assert "implies event_energy 3,507.5000 kWh (3,506.2500 to 3,508.7500)" in shown
    assert "need 1,974,405.85 CNY a year; the printed arbitrage is 1,673,200.00" in shown
