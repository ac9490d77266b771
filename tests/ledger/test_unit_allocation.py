"""A market's statement about a unit, shared out: worked by hand to the fen (DOMAIN.md 3.9, 5)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import market_rule_file
from ledger.allocation.regulation import CapacityTerms, RegulationTerms
from ledger.allocation.response import ResponseTerms
from ledger.allocation.shares import allocate
from ledger.allocation.spot import SpotTerms
from ledger.allocation.unit_allocation import UnitAllocation
from ledger.allocation.unit_case import Metered
from ledger.allocation.unit_fact import (
    MileageDone,
    PowerKept,
    UnitCapacity,
    UnitFact,
    UnitRegulation,
    UnitResponse,
    UnitSpot,
)
from ledger.calendars import calendar
from ledger.effective import History, Period
from ledger.interval import Interval
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.streams.baseline import Profile
from ledger.trading_unit import Member, TradingUnit, history_of

EXAMPLES = Path(__file__).parents[2] / "examples"
RULE = market_rule_file.parse((EXAMPLES / "market_rules/dr_zhejiang_2025_own_account.toml").read_bytes())
START = datetime(2026, 8, 3, 2, tzinfo=UTC)
EVENT = Interval(START, START + timedelta(hours=2))
ALWAYS = Period(datetime(2025, 12, 31, 16, tzinfo=UTC))
DAYS = calendar("CN", "Asia/Shanghai")
RESPONSE = ResponseTerms(
    delivered_cap="1.2",
    eligibility="80%",
    under_performer="paid",
    when_nobody_delivered="operator",
    when_nobody_fell_short="operator",
)
KW = {"a": 500, "b": 1000, "c": 800, "d": 1200}
DELIVERED = {"a": 1040, "b": 2150, "c": 1208, "d": 2390}


def unit(**changes: Any) -> TradingUnit:
    members = tuple(Member(site=site, capability_w=kw * 1000) for site, kw in KW.items())
    made = TradingUnit(
        id="u1", name="Unit", market="zhejiang", unit_code="ZJ-1", operator="op", zone="Asia/Shanghai",
        members=members,
        terms=(
            RESPONSE, SpotTerms(netting_benefit="sites", rounding_max="0.05"),
            RegulationTerms(when_all_zero="refuse"), CapacityTerms(when_all_zero="operator"),
        ),
        rounding_max="0.05",
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def history(made: TradingUnit | None = None) -> History[TradingUnit]:
    return history_of([(ALWAYS, made or unit())])


def metered(wh: dict[str, list[int]], missing: dict[str, int] | None = None) -> dict[str, Metered]:
    """Each site's storage discharges those Wh per quarter-hour from EVENT's start, nothing before."""
    found = {}
    for site, values in wh.items():
        array = np.zeros(96, dtype=np.int64)
        array[8 : 8 + len(values)] = [-value for value in values]
        gaps = np.zeros(96, dtype=np.bool_)
        if missing and site in missing:
            gaps[8 + missing[site]] = True
        profile = Profile(START - timedelta(hours=2), 900, "Asia/Shanghai", array, gaps)
        found[site] = Metered(None, profile, DAYS.day_kind, ())
    return found


def quarters(kwh: dict[str, int]) -> dict[str, list[int]]:
    """Each site's kWh of the event in eight equal parts."""
    return {site: [value * 125] * 8 for site, value in kwh.items()}


def response(**changes: Any) -> UnitResponse:
    made = UnitResponse(
        id="dr1", unit="u1", rule=RULE.id, run="r1", interval=EVENT, currency="CNY", amount="13576.00",
        document="2026/08-17", announced=START - timedelta(days=1), awarded_wh=7_000_000,
        payment="13576.00", penalty="0",
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def shown(found: UnitAllocation) -> list[str]:
    return [str(found.sites[site].amount) for site in sorted(found.sites)]


def adds_up(found: UnitAllocation) -> None:
    """Recomputed from what a person sees, beside the constructor's own check."""
    minor = sum(share.amount.minor for share in found.sites.values())
    assert minor + found.kept.minor + found.operators_rounding.minor == found.statement.minor


# --- demand response ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "sites", "kept"),
    [
        ("paid", ["2080.00", "4300.00", "2416.00", "4780.00"], "0.00"),
        ("redistributed", ["2530.29", "5230.90", "0.00", "5814.81"], "0.00"),
        ("operator", ["2080.00", "4300.00", "0.00", "4780.00"], "2416.00"),
    ],
)
def test_the_worked_example_from_readings(rule: Any, sites: list[str], kept: str) -> None:
    """The award by capability is q; the storages' own meters are d; C is at 75.5 %."""
    made = unit(terms=(msgspec.structs.replace(RESPONSE, under_performer=rule),))
    found = allocate(response(), history(made), RULE, metered(quarters(DELIVERED)))
    assert shown(found) == sites
    assert (str(found.kept), str(found.operators_rounding)) == (kept, "0.00")
    assert "delivered 1208000 of 1600000 Wh committed" in found.sites["c"].note
    adds_up(found)


def test_what_was_sold_is_claimed_whoever_was_paid() -> None:
    """The market paid for the under-performer's kWh too, so no other stream may sell them."""
    terms = msgspec.structs.replace(RESPONSE, under_performer="redistributed", delivered_cap="1")
    found = allocate(response(), history(unit(terms=(terms,))), RULE, metered(quarters(DELIVERED)))
    taken = {site: share.taken[0] for site, share in found.sites.items()}
    assert taken["c"].values == (151_000,) * 8
    assert sum(taken["a"].values) == 1_000_000, "no more than counts"
    assert {one.sold for one in taken.values()} == {"discharge_wh"}
    assert {one.interval for one in taken.values()} == {EVENT}


def test_a_penalty_falls_on_who_fell_short() -> None:
    """A lacks 100 kWh and C 72 of their 80 %: 500.00 yuan as 290.70 and 209.30; payments by d."""
    fact = response(penalty="-500.00", amount="13076.00")
    found = allocate(fact, history(), RULE, metered(quarters(DELIVERED | {"a": 700})))
    fined = {site: str(share.terms[1].amount) for site, share in found.sites.items()}
    assert fined == {"a": "-290.70", "b": "0.00", "c": "-209.30", "d": "0.00"}
    assert [item.name for item in found.items] == ["payment", "penalty"]
    adds_up(found)


def test_the_statements_total_may_differ_from_its_items_by_rounding_only() -> None:
    """DOMAIN.md 5: statement total against the sum of sites is the operator's rounding line."""
    found = allocate(response(amount="13575.97"), history(), RULE, metered(quarters(DELIVERED)))
    assert shown(found) == ["2080.00", "4300.00", "2416.00", "4780.00"]
    assert str(found.operators_rounding) == "-0.03"
    adds_up(found)
    with pytest.raises(Refused) as caught:
        allocate(response(amount="13576.06"), history(), RULE, metered(quarters(DELIVERED)))
    assert (caught.value.code, caught.value.place) == ("statement_difference", "amount")


def test_a_site_that_leaves_in_the_event_counts_until_then() -> None:
    """D leaves after the first hour: half of its weight in the award, and its first hour's kWh.

    q by capability x hours: A 1000, B 2000, C 1600, D 1200 of 5800 parts of 7000 kWh; nothing of D is
    read afterwards, not even whether there are readings.
    """
    members = [
        *unit().members[:3],
        Member(site="d", capability_w=1_200_000, until=START + timedelta(hours=1)),
    ]
    readings = metered(quarters(DELIVERED), missing={"d": 5})
    found = allocate(response(), history(unit(members=tuple(members))), RULE, readings)
    assert "delivered 1195000 of 1448276 Wh committed" in found.sites["d"].note
    assert found.sites["d"].interval == Interval(START, START + timedelta(hours=1))
    assert found.sites["d"].taken[0].values == (298_750,) * 4 + (0,) * 4
    counted = {"a": 1040, "b": 2150, "c": 1208, "d": 1195}
    exact = {site: Fraction(13576 * kwh, sum(counted.values())) for site, kwh in counted.items()}
    assert {s: Fraction(share.terms[0].exact) for s, share in found.sites.items()} == exact
    adds_up(found)


def test_a_reading_that_is_missing_is_not_zero() -> None:
    with pytest.raises(Refused) as caught:
        allocate(response(), history(), RULE, metered(quarters(DELIVERED), missing={"b": 3}))
    assert caught.value.code == "reading_missing"


def test_the_operators_own_parts_of_the_award() -> None:
    parts = {"a": 4_000_000, "b": 1_000_000, "c": 1_000_000, "d": 1_000_000}
    found = allocate(response(committed_wh=parts), history(), RULE, metered(quarters(DELIVERED)))
    assert "delivered 1040000 of 4000000 Wh committed" in found.sites["a"].note
    assert found.sites["b"].terms[0].weight == "1200000", "capped at 1.2 of its own part"
    with pytest.raises(Refused) as caught:
        response(committed_wh=parts | {"a": 1})
    assert caught.value.code == "committed"
    for wrong, code in (({"a": 7_000_000}, "member_missing"), (parts | {"e": 0}, "member_unknown")):
        with pytest.raises(Refused) as caught:
            allocate(response(committed_wh=wrong), history(), RULE, metered(quarters(DELIVERED)))
        assert caught.value.code == code


def test_nobody_delivered() -> None:
    nothing = dict.fromkeys(KW, 0)
    found = allocate(response(), history(), RULE, metered(quarters(nothing)))
    assert (str(found.kept), set(shown(found))) == ("13576.00", {"0.00"})
    terms = (msgspec.structs.replace(RESPONSE, when_nobody_delivered="refuse"),)
    with pytest.raises(Refused) as caught:
        allocate(response(), history(unit(terms=terms)), RULE, metered(quarters(nothing)))
    assert caught.value.code == "weights_zero"


def test_what_does_not_fit_together_is_refused() -> None:
    readings = metered(quarters(DELIVERED))
    other = msgspec.structs.replace(unit(), terms=(CapacityTerms(when_all_zero="refuse"),))
    long = response(interval=Interval(START, START + timedelta(days=31)))
    spot_rule = market_rule_file.parse((EXAMPLES / "market_rules/spot_shandong.toml").read_bytes())
    for fact, made, rule, code in (
        (response(), other, RULE, "unit_terms"),
        (long, unit(), RULE, "month"),
        (response(), unit(), spot_rule, "rule_type"),
    ):
        with pytest.raises(Refused) as caught:
            allocate(fact, history(made), rule, readings)
        assert caught.value.code == code
    with pytest.raises(Refused) as caught:
        allocate(response(), history(), RULE, {})
    assert caught.value.code == "meter_layout"
    for changes, code in (
        ({"penalty": "0.01"}, "penalty_sign"),
        ({"amount": "1.001"}, "money"),
        ({"document": " "}, "empty"),
        ({"announced": START + timedelta(hours=1)}, "announced"),
        ({"awarded_wh": 0}, "whole_number"),
    ):
        with pytest.raises(Refused) as caught:
            response(**changes)
        assert caught.value.code == code


def test_the_same_inputs_have_the_same_digest() -> None:
    readings = metered(quarters(DELIVERED))
    first = allocate(response(), history(), RULE, readings)
    assert allocate(response(), history(), RULE, readings) == first
    for again in (
        allocate(response(run="r2"), history(), RULE, readings),
        allocate(response(), history(unit(unit_code="ZJ-2")), RULE, readings),
        allocate(response(), history(), RULE, metered(quarters(DELIVERED | {"a": 1041}))),
    ):
        assert again.inputs_digest != first.inputs_digest
    decoded = msgspec.json.decode(msgspec.json.encode(first), type=UnitAllocation)
    assert decoded == first
    with pytest.raises(AssertionError):
        msgspec.structs.replace(first, statement=first.items[0].total + first.items[0].total)


@pytest.mark.parametrize(
    ("changes", "period", "outdated"),
    [
        ({}, ALWAYS, None),
        ({"name": "Other"}, Period(START + timedelta(hours=1)), None),
        ({"unit_code": "ZJ-2"}, Period(EVENT.end), None),
        ({"terms": (RESPONSE,)}, ALWAYS, None),
        ({"unit_code": "ZJ-2"}, ALWAYS, "unit"),
        ({"rounding_max": "0.01"}, ALWAYS, "unit"),
        ({"terms": (msgspec.structs.replace(RESPONSE, delivered_cap="1"),)}, ALWAYS, "unit"),
        ({"terms": (CapacityTerms(when_all_zero="refuse"),)}, ALWAYS, "unit"),
        ({"members": (Member(site="a", capability_w=500_000),)}, ALWAYS, "unit"),
        (
            {"members": tuple(Member(site=site, capability_w=kw * 1000 + 1) for site, kw in KW.items())},
            Period(EVENT.end - timedelta(minutes=15)),
            "unit",
        ),
    ],
)
def test_what_of_the_unit_makes_an_allocation_outdated(
    changes: dict[str, Any], period: Period, outdated: str | None
) -> None:
    """Only what a response is shared out by, and only for its own time."""
    made = allocate(response(), history(), RULE, metered(quarters(DELIVERED)))
    newer = history_of([(ALWAYS, unit()), (period, unit(**changes))])
    assert made.outdated_by(response(), newer, RULE) == outdated
    assert made.outdated_by(response(run="r2"), newer, RULE) == "statement"


def test_the_rule_of_a_response_makes_an_allocation_outdated() -> None:
    """Any change of it: the rule's text is what was shared out under. Spot shares do not rest on it."""
    retitled = msgspec.structs.replace(RULE, title="Another title")
    made = allocate(response(), history(), RULE, metered(quarters(DELIVERED)))
    assert made.outdated_by(response(), history(), retitled) == "rule"
    again = allocate(response(), history(), retitled, metered(quarters(DELIVERED)))
    assert (made.differs_from(again), shown(again)) == ("rule", shown(made))
    pair = history(unit(members=PAIR))
    readings = metered({"a": [60_000] * 8, "b": [22_500] * 8})
    own = allocate(spot(amount="324.00"), pair, RULE, readings)
    assert own.outdated_by(spot(amount="324.00"), pair, retitled) is None


def test_readings_that_differ_make_an_allocation_outdated() -> None:
    """By what they say and not by when they came: the same readings again are no change."""
    made = allocate(response(), history(), RULE, metered(quarters(DELIVERED)))
    same = allocate(response(), history(), RULE, metered(quarters(DELIVERED)))
    assert made.differs_from(same) is None
    moved = quarters(DELIVERED)
    moved["a"] = [moved["a"][0] + 1, moved["a"][1] - 1, *moved["a"][2:]]
    other = allocate(response(), history(), RULE, metered(moved))
    assert (made.differs_from(other), shown(other)) == ("readings", shown(made)), "another quarter-hour"
    assert made.outdated_by(response(), history(), RULE) is None, "the meters are not looked at"
    assert made.differs_from(msgspec.structs.replace(same, inputs_digest="")) == "calculation"


def test_a_spot_members_readings_make_an_allocation_outdated() -> None:
    """Two hours of 240 and 90 kWh at 0.5 yuan, each 30 kWh above the schedule: 330 - 6."""
    pair, fact = history(unit(members=PAIR)), spot(amount="324.00")
    readings = {"a": [60_000] * 8, "b": [22_500] * 8}
    first = allocate(fact, pair, RULE, metered(readings))
    moved = {"a": [60_001, 59_999, *[60_000] * 6], "b": [22_500] * 8}
    assert first.differs_from(allocate(fact, pair, RULE, metered(moved))) is None, "the hour is the same"
    readings["b"][7] += 4
    assert first.differs_from(allocate(fact, pair, RULE, metered(readings))) == "readings"


def test_an_offset_of_the_same_instants_is_the_same_unit() -> None:
    made = allocate(response(), history(), RULE, metered(quarters(DELIVERED)))
    shanghai = timezone(timedelta(hours=8))
    later = (START + timedelta(hours=1)).astimezone(shanghai)
    members = unit().members
    joined = (*members[1:], msgspec.structs.replace(members[0], since=later))
    local = allocate(response(), history(unit(members=joined)), RULE, metered(quarters(DELIVERED)))
    utc = (*members[1:], msgspec.structs.replace(members[0], since=later.astimezone(UTC)))
    assert local.outdated_by(response(), history(unit(members=utc)), RULE) is None
    assert made.outdated_by(response(), history(unit(members=utc)), RULE) == "unit"


# --- spot ---------------------------------------------------------------------------------------------


def spot(**changes: Any) -> UnitSpot:
    """Two hours: 300 kWh scheduled in each, 0.5 yuan at the node, a deviation costs 0.1 per kWh."""
    made = UnitSpot(
        id="sp1", unit="u1", rule="spot", run="r1", interval=EVENT, currency="CNY", amount="307.00",
        document="d", scheduled_wh=(300_000, 300_000), price=(500_000, 500_000),
        deviation_price=(-100_000, -100_000), scale=6,
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


PAIR = (Member(site="a", capability_w=2), Member(site="b", capability_w=1))


@pytest.mark.parametrize(
    ("benefit", "amount", "sites", "kept"),
    [
        # Hour 1: a +40 over its 200, b -10 under its 100: the unit is +30, borne by a. Hour 2: both +10,
        # the unit +20. Energy 650 kWh x 0.5 = 325; cost 50 x 0.1 = 5.
        ("sites", "320.00", ["221.00", "99.00"], "0.00"),
        # a bears its own 40 + 10 = 50, b 10; the pool gets the 10 kWh that were netted, 1.00 yuan.
        ("pool", "320.00", ["220.00", "99.00"], "1.00"),
    ],
)
def test_spot_and_who_gains_from_netting(benefit: Any, amount: str, sites: list[str], kept: str) -> None:
    terms = (SpotTerms(netting_benefit=benefit, rounding_max="0.02"),)
    readings = metered({"a": [60_000] * 4 + [52_500] * 4, "b": [22_500] * 4 + [27_500] * 4})
    made = unit(members=PAIR, terms=terms)
    found = allocate(spot(amount=amount), history(made), RULE, readings)
    assert shown(found) == sites
    assert str(found.kept) == kept
    energy, deviation = found.items
    assert (energy.name, str(energy.total), str(energy.kept)) == ("energy", "325.00", "0.00")
    assert (deviation.name, str(deviation.total), str(deviation.kept)) == ("deviation", "-5.00", kept)
    terms_of = {site: [term.item for term in share.terms] for site, share in found.sites.items()}
    assert terms_of == {"a": ["energy", "deviation"], "b": ["energy", "deviation"]}
    assert found.sites["b"].terms[1].exact == "-1", "10 kWh in the second hour"
    assert {t.sold for share in found.sites.values() for t in share.taken} == {"metered"}
    adds_up(found)
    rounded = allocate(spot(amount="320.01"), history(made), RULE, readings)
    assert (shown(rounded), str(rounded.operators_rounding)) == (sites, "0.01")


def test_a_site_that_leaves_has_no_schedule_and_no_energy_afterwards() -> None:
    """B leaves after the first hour: A then stands behind all 300 kWh and lacks 90."""
    members = (PAIR[0], Member(site="b", capability_w=1, until=START + timedelta(hours=1)))
    readings = metered({"a": [60_000] * 4 + [52_500] * 4, "b": [22_500] * 4 + [27_500] * 4}, {"b": 6})
    made = unit(members=members, terms=(SpotTerms(netting_benefit="sites", rounding_max="0"),))
    # A: 450 kWh x 0.5 - 0.1 x (30 + 90) = 213; B: 90 x 0.5 = 45.
    found = allocate(spot(amount="258.00"), history(made), RULE, readings)
    assert shown(found) == ["213.00", "45.00"]
    assert found.sites["b"].taken[0].interval == Interval(START, START + timedelta(hours=1))


# --- regulation and capacity --------------------------------------------------------------------------


def done(site: str, watts: tuple[int, ...], score: tuple[int, ...], power: int, part: str) -> MileageDone:
    return MileageDone(
        site=site, power_w=power, availability=part, mileage_w=watts, score=score, score_scale=2
    )


def regulation(**changes: Any) -> UnitRegulation:
    """D x K: A 100 x 1.20 + 50 x 0.80 = 160, B 200 x 0.90 = 180; W x availability: 200 and 100 x 0.5."""
    made = UnitRegulation(
        id="as1", unit="u1", rule="reg", run="r1", interval=EVENT, currency="CNY", amount="1350.00",
        document="d", mileage="1000.00", capacity="350.00",
        members=(done("a", (100, 50), (120, 80), 200, "1"), done("b", (200, 0), (90, 0), 100, "50%")),
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def test_mileage_by_own_performance_and_capacity_by_availability() -> None:
    """1000 x 160/340 = 470.588.., x 180/340 = 529.411..; 350 as 4 : 1 = 280 and 70."""
    found = allocate(regulation(), history(unit(members=PAIR)), RULE, {})
    terms = {site: [str(term.amount) for term in share.terms] for site, share in found.sites.items()}
    assert terms == {"a": ["470.59", "280.00"], "b": ["529.41", "70.00"]}
    assert found.sites["a"].terms[0].exact == str(Fraction(1000 * 160, 340))
    assert found.sites["b"].taken[0].sold == "up_w"
    assert found.sites["b"].taken[0].values == (100,)
    adds_up(found)
    with pytest.raises(Refused) as caught:
        allocate(regulation(members=regulation().members[:1]), history(unit(members=PAIR)), RULE, {})
    assert caught.value.code == "member_missing"


def test_capacity_by_power_and_availability() -> None:
    members = (
        PowerKept(site="a", power_w=300, availability="1"),
        PowerKept(site="b", power_w=200, availability="1/2"),
    )
    fact = UnitCapacity(
        id="cap1", unit="u1", rule="cap", run="r1", interval=EVENT, currency="CNY", amount="100.01",
        document="d", members=members,
    )  # fmt: skip
    found = allocate(fact, history(unit(members=PAIR)), RULE, {})
    assert shown(found) == ["75.01", "25.00"]
    gone = tuple(msgspec.structs.replace(one, availability="0") for one in members)
    kept = allocate(msgspec.structs.replace(fact, members=gone), history(unit(members=PAIR)), RULE, {})
    assert (shown(kept), str(kept.kept)) == (["0.00", "0.00"], "100.01")


# --- always the market's amount -----------------------------------------------------------------------


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 4_000), min_size=4, max_size=4),
    st.integers(-(10**9), 10**9),
    st.integers(-5, 5),
    st.sampled_from(["paid", "redistributed", "operator"]),
    st.sampled_from(["equally", "operator"]),
)
def test_sites_and_the_operators_line_are_the_statement(
    kwh: list[int], payment: int, rounding: int, under: Any, zero: Any
) -> None:
    """For any deliveries, all zero too, and amounts below zero."""
    terms = msgspec.structs.replace(
        RESPONSE, under_performer=under, when_nobody_delivered=zero, when_nobody_fell_short=zero
    )
    fined = -(abs(payment) // 7)
    minor = {"payment": payment, "penalty": fined, "amount": payment + fined + rounding}
    texts = {name: str(Money(value, "CNY")) for name, value in minor.items()}
    readings = metered(quarters(dict(zip(KW, kwh, strict=True))))
    found = allocate(response(**texts), history(unit(terms=(terms,))), RULE, readings)
    adds_up(found)
    assert found.operators_rounding.minor == rounding
    assert str(found.statement) == texts["amount"]


@settings(max_examples=40)
@given(
    st.lists(st.integers(0, 10**6), min_size=2, max_size=2),
    st.lists(st.integers(0, 300), min_size=2, max_size=2),
    st.integers(-(10**7), 10**7),
)
def test_mileage_adds_up_for_any_weights(watts: list[int], scores: list[int], fen: int) -> None:
    members = tuple(
        done(site, (watt,), (score,), watt, "1")
        for site, watt, score in zip("ab", watts, scores, strict=True)
    )
    amount = str(Money(fen, "CNY"))
    fact: UnitFact = regulation(mileage=amount, capacity="0", amount=amount, members=members)
    terms = (RegulationTerms(when_all_zero="equally"),)
    adds_up(allocate(fact, history(unit(members=PAIR, terms=terms)), RULE, {}))
