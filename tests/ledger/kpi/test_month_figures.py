"""The key figures of a month: what is metered, settled and stated, and what is said to be missing."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.effective import History, Period
from ledger.kpi.aggregation import aggregation
from ledger.kpi.carbon import EmissionFactor, FactorSet
from ledger.kpi.economics import Economics, SiteEconomics, parse_economics
from ledger.kpi.kpi import Kpi
from ledger.kpi.month_figures import Earned, SiteMonth, Stated, month_figures
from ledger.kpi.stated_availability import SiteAvailability, StateAvailability
from ledger.refusal import Refused
from tests.adapters import sample as facts
from tests.ledger.kpi.sample import AUGUST, JULY, cny, stream

EXAMPLE = Path(__file__).parents[3] / "examples/economics/demo.toml"
MONTH_S = 31 * 86_400
S1 = SiteMonth("S1", 2_000_000, 1_000_000, 50_000_000, 44_000_000, MONTH_S, 0)
S2 = SiteMonth("S2", 1_000_000, 500_000, 20_000_000, 18_000_000, MONTH_S, MONTH_S // 10)
FACTORS = FactorSet(
    id="test",
    region="a region",
    factors=(
        EmissionFactor(effective_from=JULY.first_day, kg_per_kwh="0.5", source="simulated", evidence="M"),
    ),
)


def economics(**changes: object) -> Economics:
    def of(site: str, capital: str, cost: str, alone: str) -> SiteEconomics:
        return SiteEconomics(
            site=site, capital=capital, operating_cost=cost, operating_cost_alone=alone, source="simulated"
        )

    made = Economics(
        id="test",
        title="Two sites",
        currency="CNY",
        years=2,
        discount_rate="0.1",
        fade="0.5",
        residual="0.25",
        entry_power_w=1_000_000,
        entry_source="simulated",
        sites=(of("S1", "1000", "20", "30"), of("S2", "1000", "10", "60")),
    )
    return msgspec.structs.replace(made, **changes)


EARNED = (Earned(JULY, cny("100.00")), Earned(AUGUST, cny("200.00")))
STATED = Stated(economics(), FACTORS, "net_of_charging")


def figures(stated: Stated = STATED, sites: tuple[SiteMonth, ...] = (S1, S2)) -> dict[str, Kpi]:
    return {kpi.name: kpi for kpi in month_figures(AUGUST, sites, EARNED, stated)}


def test_every_figure_by_hand() -> None:
    """A year's income is 12 x 300 / 2 = 1,800; less 30 of cost 1,770 a year on 2,000 of capital.

    NPV: -2000 + 1770 / 1.1 + (900 - 30 + 500) / 1.21 = 741.322... LCOE: costs 2000 + 30/1.1 + (30 - 500)/1.21
    over 12 x 62,000 kWh x (1/1.1 + 0.5/1.21)."""
    found = figures()
    shown = {name: kpi.rounded(4) for name, kpi in found.items()}
    assert shown["availability"] == "96.6667", "S2 is a third of the kWh and was away a tenth of the month"
    assert shown["equivalent_cycles"] == "20.6667"
    assert shown["round_trip_efficiency"] == "88.5714"
    assert shown["co2_avoided"] == "-4000.0000"
    assert found["revenue_per_kwh_discharged"].exact == Fraction(200, 62_000)
    assert shown["simple_return"] == "88.5000"
    assert found["payback"].exact == Fraction(2000, 1770)
    npv = Fraction(-2000) + 1770 / Fraction(11, 10) + 1370 / Fraction(121, 100)
    assert found["npv"].exact == npv
    cost = 2000 + 30 / Fraction(11, 10) + Fraction(30 - 500) / Fraction(121, 100)
    energy = 12 * 62_000 * (1 / Fraction(11, 10) + Fraction(1, 2) / Fraction(121, 100))
    assert found["lcoe"].exact == cost / energy
    rate = found["irr"].exact
    assert rate is not None
    rate /= 100
    assert abs(-2000 + 1770 / (1 + rate) + 1370 / (1 + rate) ** 2) < Fraction(1, 1000)


def test_every_figure_shows_what_it_was_computed_from() -> None:
    for kpi in figures().values():
        assert kpi.formula, kpi.name
        assert kpi.inputs, kpi.name


@pytest.mark.parametrize(
    ("stated", "names", "said"),
    [
        (STATED._replace(economics=None), ("simple_return", "payback", "irr", "npv", "lcoe"), "capital"),
        (
            STATED._replace(economics=economics(sites=economics().sites[:1])),
            ("simple_return", "payback", "irr", "npv", "lcoe"),
            "not stated: capital and operating cost of S2",
        ),
        (STATED._replace(factors=None), ("co2_avoided",), "not stated: emission factors"),
    ],
)
def test_what_nobody_stated_is_named_and_not_zero(stated: Stated, names: tuple[str, ...], said: str) -> None:
    found = figures(stated)
    for name in names:
        assert found[name].value is None
        assert said in found[name].note
    for name in set(found) - set(names):
        assert found[name].value is not None, name


def test_a_missing_reading_or_silence_about_a_site_leaves_no_value() -> None:
    found = figures(sites=(S1, S2._replace(discharge_wh=None, unavailable_s=None)))
    assert found["availability"].note == "not stated: unavailable time of S2"
    for name in ("equivalent_cycles", "round_trip_efficiency", "co2_avoided"):
        assert (found[name].value, found[name].note) == (None, "readings are missing: S2")
    assert "revenue_per_kwh_discharged" not in found
    assert found["lcoe"].value is None
    assert found["irr"].value is not None, "money does not need the readings"


def test_a_month_without_a_factor_has_no_carbon_figure() -> None:
    old = msgspec.structs.replace(FACTORS.factors[0], until=AUGUST.first_day)
    found = figures(STATED._replace(factors=msgspec.structs.replace(FACTORS, factors=(old,))))
    assert "no factor for the whole of 2026-08" in found["co2_avoided"].note


def test_a_project_that_loses_money_has_no_rate_of_return() -> None:
    losing = (Earned(AUGUST, cny("-5.00")),)
    found = {kpi.name: kpi for kpi in month_figures(AUGUST, (S1, S2), losing, STATED)}
    assert found["payback"].value is None
    assert found["simple_return"].exact is not None
    assert found["simple_return"].exact < 0


def test_alone_a_small_site_stays_outside_the_market() -> None:
    """S1 earns 100 and 40 on a market, S2 50 and 30: at 1 MW only S1 enters by itself.

    Alone (2000 x 140/2000 + 1000 x 50/1000) / 3000, together 220 / 3000."""
    lines = [
        stream(1, "arbitrage", "S1", "h", Fraction(100)),
        stream(2, "demand_response", "S1", "o", Fraction(40)),
        stream(3, "arbitrage", "S2", "h", Fraction(50)),
        stream(4, "spot", "S2", "o", Fraction(30)),
    ]
    revenue, entry, costs = aggregation((S1, S2), lines, economics()).compared
    assert (revenue.alone.exact, revenue.aggregated.exact) == (Fraction(190, 3000), Fraction(220, 3000))
    assert revenue.multiple.exact == Fraction(22, 19)
    assert (entry.alone.exact, entry.aggregated.exact, entry.change.exact) == (1000, 500, -50)
    assert costs.change.exact == Fraction(100 * (30 - 90), 90)


def test_without_an_entry_power_nothing_is_invented() -> None:
    lines = [stream(1, "spot", "S1", "h", Fraction(1))]
    found = aggregation((S1, S2), lines, None)
    assert found.compared == ()
    assert [kpi.name for kpi in found.missing] == ["aggregated_multiple", "cost_per_kwh_capacity"]
    behind = aggregation((S1, S2), [stream(1, "arbitrage", "S1", "h", Fraction(1))], None)
    assert [one.multiple.exact for one in behind.compared] == [1], "without markets it is the same"


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 10**7), st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1))
def test_together_is_the_sum_of_the_sites_and_never_less(rows: list[tuple[int, int, int]]) -> None:
    """Sites by themselves earn what all together do, less what markets paid those too small to enter."""
    sites = [
        SiteMonth(f"S{n}", nameplate, 400_000 * (n % 4 + 1), 0, 0, MONTH_S, 0)
        for n, (nameplate, _, _) in enumerate(rows)
    ]
    lines = [
        line
        for n, (_, own, market) in enumerate(rows)
        for line in (
            stream(2 * n + 1, "arbitrage", f"S{n}", "h", Fraction(own, 100)),
            stream(2 * n + 2, "demand_response", f"S{n}", "o", Fraction(market, 100)),
        )
    ]
    revenue = aggregation(sites, lines, economics()).compared[0]
    kwh = Fraction(sum(one.nameplate_wh for one in sites), 1000)
    small = sum(rows[n][2] for n, one in enumerate(sites) if one.power_w < 1_000_000)
    assert revenue.alone.exact is not None
    assert revenue.aggregated.exact is not None
    assert (revenue.aggregated.exact - revenue.alone.exact) * kwh == Fraction(small, 100)


def test_the_example_is_read_and_a_wrong_line_is_named() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert parse_economics(text).capital(["S1", "S4"]) == cny("3060000.00")
    for wrong, code, place in (
        ("discount_rate = 6", "economics", "discount_rate"),
        ("capital = 0.001", "money", "capital"),
        ("years = 0", "economics", "years"),
        ('site = "S2"', "site_twice", "site"),
    ):
        name = wrong.partition(" =")[0]
        old = next(line for line in text.splitlines() if line.startswith(f"{name} ="))
        with pytest.raises(Refused) as refused:
            parse_economics(text.replace(old, wrong, 1))
        assert refused.value.code == code
        assert place in refused.value.place


def test_availability_is_stated_within_the_month() -> None:
    history = History().with_version(Period(facts.FROM_2026.start), facts.register_site().site)
    stated = SiteAvailability("S1", AUGUST, MONTH_S, "ticket 17")
    (event,) = StateAvailability(stated).decide(None, {"site.S1": history})
    assert event.apply(None) == stated
    for seconds, others, code in (
        (MONTH_S + 1, {"site.S1": history}, "unavailable_time"),
        (1, {"site.S1": None}, "unknown_site"),
    ):
        more = msgspec.structs.replace(stated, unavailable_s=seconds)
        with pytest.raises(Refused) as refused:
            StateAvailability(more).decide(None, others)
        assert refused.value.code == code
