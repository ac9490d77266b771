"""What awards mean for settlement."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import market_rule_file
from ledger.interval import Interval, Month, zone_of
from ledger.refusal import Refused
from ledger.streams import Fact, Rule
from ledger.streams.capacity_compensation import CapacityCertified
from ledger.streams.demand_response import DemandResponseInvitation, DemandResponseOutage
from ledger.streams.regulation import RegulationAward
from ledger.streams.spot import SpotClearing, SpotIntradayTrade, SpotRealTimeClearing
from tests.adapters.desk.desk_book import DAY_AHEAD, RESPONSE_CALL, market
from trading.award import SharedAward
from trading.clearing import Award, Clearing
from trading.handover import energies_wh, fact_id, facts_of, is_handed_over
from trading.product import STREAM_OF, Market, Product
from trading.settles_as import SettlesAs

RULES = Path(__file__).parents[2] / "examples" / "market_rules"
DAY = date(2026, 9, 3)
START = datetime(2026, 9, 2, 16, tzinfo=UTC)
MARKET: Market = market()


def rule(name: str, **changes: Any) -> Rule:
    read = market_rule_file.parse((RULES / f"{name}.toml").read_bytes())
    return msgspec.structs.replace(read, **changes)


def settling(product: Product, name: str, **changes: Any) -> Product:
    fields = {field: getattr(product, field) for field in product.__struct_fields__}
    kind = changes.get("kind", product.kind)
    named = SettlesAs(
        rule=name, stream=STREAM_OF[kind], behind_the_meter=False if kind == "capacity" else None
    )
    return Product(**(fields | {"settles_as": named} | changes))


def clearing(price_u: tuple[int, ...] = (400_000,) * 96, run: str = "1", product: str = "x") -> Clearing:
    return Clearing(
        market="shandong",
        product=product,
        day=DAY,
        run=run,
        published=datetime(2026, 9, 2, 10, tzinfo=UTC) + timedelta(hours=int(run)),
        price_u=price_u,
        awards=(Award(bid="b1", power_w=(0,) * len(price_u)),),
        source="c.csv",
        source_sha256="0" * 64,
    )


def shared(of: Clearing, **sites: dict[int, int]) -> SharedAward:
    """Sites' powers by interval; the rest is 0."""
    count = len(of.price_u)
    return SharedAward(
        bid="b1",
        unit="vpp",
        market=of.market,
        product=of.product,
        day=DAY,
        clearing=of.id,
        run=of.run,
        part=1,
        parts=1,
        sites={site: tuple(powers.get(at, 0) for at in range(count)) for site, powers in sites.items()},
        gap_w=(0,) * count,
    )


def quarter(first: int, last: int) -> Interval:
    step = timedelta(minutes=15)
    return Interval(START + first * step, START + last * step)


def test_day_ahead_energy_is_a_clearing_of_the_day() -> None:
    spot = rule("spot_shandong_hourly")
    product = settling(DAY_AHEAD, spot.id)
    one = clearing()
    [fact] = facts_of(MARKET, product, spot, one, shared(one, S1={8: -400_000, 72: 250_000}), {})
    assert isinstance(fact, SpotClearing)
    assert (fact.id, fact.site, fact.rule, fact.run) == ("b1_S1", "S1", spot.id, "1")
    assert fact.interval == quarter(0, 96)
    assert (sum(fact.withdrawn_wh), fact.withdrawn_wh[8]) == (100_000, 100_000)
    assert (sum(fact.injected_wh), fact.injected_wh[72]) == (62_500, 62_500)


def test_a_response_is_an_invitation_a_window() -> None:
    response = rule("dr_zhejiang_2020_day_ahead_peak")
    product = settling(RESPONSE_CALL, response.id)
    prices = tuple(3_000_000 if at < 70 else 2_500_000 for at in range(96))
    one = clearing(prices)
    facts = facts_of(
        MARKET, product, response, one,
        shared(one, S1={60: 5000, 61: 6000, 72: 1000}, S2={61: 1000}), {},
    )  # fmt: skip
    assert [fact.id for fact in facts] == ["b1_S1_1", "b1_S1_2", "b1_S2_1"]
    first = facts[0]
    assert isinstance(first, DemandResponseInvitation)
    assert first.interval == quarter(60, 62)
    assert set(first.awarded_w) == {5000, 6000}
    assert first.announced == one.published
    second = facts[2]
    assert isinstance(second, DemandResponseInvitation)
    assert second.awarded_w[0] == 0


def test_a_corrected_response_keeps_its_announcement_and_excuses_what_is_gone() -> None:
    response = rule("dr_zhejiang_2020_day_ahead_peak")
    product = settling(RESPONSE_CALL, response.id)
    one, two = clearing(), clearing(run="2")
    told: dict[str, Fact] = {}
    for fact in facts_of(MARKET, product, response, one, shared(one, S1={60: 5000, 72: 1000}), told):
        told[fact.id] = fact
    corrected = facts_of(MARKET, product, response, two, shared(two, S1={60: 4000}), told)
    invitation, excuse = corrected
    assert isinstance(invitation, DemandResponseInvitation)
    assert (invitation.id, invitation.run, invitation.announced) == ("b1_S1_1", "2", one.published)
    assert isinstance(excuse, DemandResponseOutage)
    assert (excuse.id, excuse.interval, excuse.excused) == ("b1_S1_2-void", quarter(72, 73), True)
    told |= {fact.id: fact for fact in corrected}
    assert facts_of(MARKET, product, response, two, shared(two, S1={60: 4000}), told) == corrected
    three = clearing(run="3")
    restored = facts_of(MARKET, product, response, three, shared(three, S1={60: 4000, 72: 1000}), told)
    assert [fact.id for fact in restored] == ["b1_S1_1", "b1_S1_2", "b1_S1_2-void"]
    taken_back = restored[2]
    assert isinstance(taken_back, DemandResponseOutage)
    assert (taken_back.run, taken_back.excused) == ("3", False)


def test_the_first_of_two_responses_is_taken_back_and_the_second_stays() -> None:
    response = rule("dr_zhejiang_2020_day_ahead_peak")
    product = settling(RESPONSE_CALL, response.id)
    one, two = clearing(), clearing(run="2")
    told = {
        fact.id: fact
        for fact in facts_of(MARKET, product, response, one, shared(one, S1={60: 5000, 72: 1000}), {})
    }
    facts = facts_of(MARKET, product, response, two, shared(two, S1={72: 1000}), told)
    assert [(fact.id, fact.interval) for fact in facts] == [
        ("b1_S1_2", quarter(72, 73)), ("b1_S1_1-void", quarter(60, 61)),
    ]  # fmt: skip


@settings(derandomize=True, max_examples=80)
@given(st.lists(st.dictionaries(st.integers(56, 68), st.integers(1, 3)), min_size=2, max_size=6))
def test_whatever_runs_follow_each_interval_is_invited_to_what_the_last_one_awards(
    runs: list[dict[int, int]],
) -> None:
    response = rule("dr_zhejiang_2020_day_ahead_peak")
    product = settling(RESPONSE_CALL, response.id)
    told: dict[str, Fact] = {}
    for number, award in enumerate(runs, 1):
        one = clearing(run=str(number))
        powers = {at: 1000 * power for at, power in award.items()}
        told |= {
            fact.id: fact for fact in facts_of(MARKET, product, response, one, shared(one, S1=powers), told)
        }
        invited = dict.fromkeys(range(96), 0)
        excused = {
            at
            for fact in told.values()
            if isinstance(fact, DemandResponseOutage) and fact.excused
            for at in range(96)
            if quarter(at, at + 1).overlaps(fact.interval)
        }
        for fact in told.values():
            if isinstance(fact, DemandResponseInvitation):
                count = fact.interval.seconds // len(fact.awarded_w)
                for at in range(96):
                    if quarter(at, at + 1).overlaps(fact.interval) and at not in excused:
                        offset = int((quarter(at, at + 1).start - fact.interval.start).total_seconds())
                        invited[at] += fact.awarded_w[offset // count]
        assert {at: power for at, power in invited.items() if power} == powers


def test_an_event_has_one_price() -> None:
    response = rule("dr_zhejiang_2020_day_ahead_peak")
    payments = msgspec.to_builtins(response)["payments"]
    if payments[0]["price"]["type"] != "clearing":
        payments[0]["price"] = {"type": "clearing"}
        raw = msgspec.to_builtins(response) | {"payments": payments}
        response = msgspec.convert(raw, type(response))
    product = settling(RESPONSE_CALL, response.id)
    one = clearing(tuple(3_000_000 if at < 61 else 2_500_000 for at in range(96)))
    [fact] = facts_of(MARKET, product, response, one, shared(one, S1={60: 5000}), {})
    assert isinstance(fact, DemandResponseInvitation)
    assert fact.clearing_price == "3.000000"
    with pytest.raises(Refused) as refused:
        facts_of(MARKET, product, response, one, shared(one, S1={60: 5000, 61: 5000}), {})
    assert (refused.value.code, refused.value.place) == ("handover_price", "price_u[60]")


def test_regulation_is_an_award_of_its_periods() -> None:
    pjm = rule("regulation_pjm", currency="CNY", zone="Asia/Shanghai")
    changes = {
        "kind": "regulation_capacity",
        "price_unit": "MW.h",
        "energy_check": "none",
    }
    product = settling(DAY_AHEAD, pjm.id, **changes)
    one = clearing()
    hour = dict.fromkeys(range(40, 44), 200_000)
    [fact] = facts_of(MARKET, product, pjm, one, shared(one, S1=hour), {})
    assert isinstance(fact, RegulationAward)
    assert (fact.direction, fact.product) == ("up_and_down", pjm.products[0])
    assert [at for at, power in enumerate(fact.capacity_w) if power] == [10]
    assert fact.capacity_w[10] == 200_000
    with pytest.raises(Refused) as refused:
        facts_of(MARKET, product, pjm, one, shared(one, S1={40: 1}), {})
    assert refused.value.code == "handover_interval"


def test_a_rule_settles_its_own_kind() -> None:
    one = clearing()
    product = settling(DAY_AHEAD, "pjm")
    with pytest.raises(Refused) as refused:
        facts_of(MARKET, product, rule("regulation_pjm"), one, shared(one, S1={}), {})
    assert (refused.value.code, refused.value.place) == ("fact_kind", "settles_as")


def test_only_what_a_site_is_settled_by_is_handed_over() -> None:
    assert is_handed_over(settling(DAY_AHEAD, "r"))
    assert not is_handed_over(DAY_AHEAD), "no rule is named"


@pytest.mark.parametrize(
    ("changes", "code"), [({"currency": "USD"}, "currency"), ({"zone": "Europe/Berlin"}, "zone")]
)
def test_a_rule_of_other_money_or_clocks_does_not_settle(changes: dict[str, str], code: str) -> None:
    one = clearing()
    with pytest.raises(Refused) as refused:
        facts_of(
            MARKET,
            settling(DAY_AHEAD, "spot_shandong"),
            rule("spot_shandong", **changes),
            one,
            shared(one, S1={}),
            {},
        )
    assert (refused.value.code, refused.value.place) == (code, "settles_as")


def test_real_time_energy_is_a_clearing_beside_the_day_aheads() -> None:
    """Told where there is anything, and corrected to nothing where a later run takes it back."""
    spot = rule("spot_shandong")
    product = settling(DAY_AHEAD, spot.id, stage="real_time")
    one, two = clearing(), clearing(run="2")
    [fact] = facts_of(MARKET, product, spot, one, shared(one, S1={8: -400_000, 72: 250_000}, S2={}), {})
    assert isinstance(fact, SpotRealTimeClearing)
    assert (fact.id, fact.interval) == ("b1_S1", quarter(0, 96))
    assert (fact.withdrawn_wh[8], fact.injected_wh[72]) == (100_000, 62_500)
    assert (sum(fact.withdrawn_wh), sum(fact.injected_wh)) == (100_000, 62_500)
    [gone] = facts_of(MARKET, product, spot, two, shared(two, S1={}, S2={}), {fact.id: fact})
    assert isinstance(gone, SpotRealTimeClearing)
    assert (gone.id, gone.run, sum(gone.withdrawn_wh) + sum(gone.injected_wh)) == ("b1_S1", "2", 0)


def test_intraday_energy_is_a_trade_at_its_prices() -> None:
    spot = rule("spot_shandong")
    product = settling(DAY_AHEAD, spot.id, stage="intraday")
    one = clearing(tuple(400_000 + at for at in range(96)))
    [fact] = facts_of(MARKET, product, spot, one, shared(one, S1={8: -400_000, 72: 250_000}), {})
    assert isinstance(fact, SpotIntradayTrade)
    assert (fact.volume_wh[8], fact.volume_wh[72], sum(map(abs, fact.volume_wh))) == (
        -100_000,
        62_500,
        162_500,
    )
    assert (fact.price_per_kwh[8], fact.price_per_kwh[72]) == ("0.400008", "0.400072")


def test_a_market_of_one_settlement_clears_nothing_day_ahead() -> None:
    aemo = rule("spot_aemo", currency="CNY", zone="Asia/Shanghai")
    one = clearing()
    with pytest.raises(Refused) as refused:
        facts_of(MARKET, settling(DAY_AHEAD, aemo.id), aemo, one, shared(one, S1={}), {})
    assert refused.value.code == "day_ahead_clearing"


def regulating(name: str, kind: str, **changes: Any) -> Product:
    priced = {"kind": kind, "price_unit": "MW.h", "energy_check": "none", "direction": "both"}
    return settling(DAY_AHEAD, name, **priced, **changes)


def test_mileage_and_capacity_of_the_same_power_each_settle() -> None:
    guangdong = rule("regulation_guangdong")
    pair = [
        regulating(guangdong.id, "regulation_mileage", id="mileage", joint_with="capacity"),
        regulating(guangdong.id, "regulation_capacity", id="capacity", joint_with="mileage"),
    ]
    hour = dict.fromkeys(range(40, 44), 200_000)
    found = []
    for product in pair:
        one = clearing(product=product.id)
        [fact] = facts_of(MARKET, product, guangdong, one, shared(one, S1=hour), {})
        assert isinstance(fact, RegulationAward)
        found.append((fact.product, fact.pays, fact.capacity_w[10]))
    assert found == [("regulation", "mileage", 200_000), ("regulation", "capacity", 200_000)]
    alone = regulating(guangdong.id, "regulation_mileage", id="mileage")
    one = clearing(product="mileage")
    [fact] = facts_of(MARKET, alone, guangdong, one, shared(one, S1=hour), {})
    assert isinstance(fact, RegulationAward)
    assert fact.pays == "mileage_and_capacity"


def test_a_regulation_rules_own_name_of_the_product_is_the_one_that_is_told() -> None:
    aemo = rule("regulation_aemo", currency="CNY", zone="Asia/Shanghai", period_s=900)
    product = regulating(aemo.id, "regulation_capacity")
    one = clearing()
    with pytest.raises(Refused) as refused:
        facts_of(MARKET, product, aemo, one, shared(one, S1={}), {})
    assert refused.value.code == "handover_product"
    named = msgspec.structs.replace(
        product, settles_as=SettlesAs(rule=aemo.id, stream="ancillary", product="RAISEREG")
    )
    [fact] = facts_of(MARKET, named, aemo, one, shared(one, S1={0: 1000}), {})
    assert isinstance(fact, RegulationAward)
    assert fact.product == "RAISEREG"


def test_a_months_capacity_is_certified_for_the_whole_month() -> None:
    qinghai = rule("capacity_qinghai")
    product = settling(
        DAY_AHEAD, qinghai.id, kind="capacity", price_unit="kW", energy_check="none", direction="discharge",
        delivery_days="month_start", sustain_min=240, interval_s=3600, stage="monthly",
    )  # fmt: skip
    one = clearing((0,) * 24)
    flat = dict.fromkeys(range(24), 300_000)
    plates = {"S1": 400_000, "S2": 400_000}
    [fact] = facts_of(MARKET, product, qinghai, one, shared(one, S1=flat, S2={}), {}, plates)
    assert isinstance(fact, CapacityCertified)
    assert (fact.certified_w, fact.nameplate_w, Fraction(fact.full_hours)) == (300_000, 400_000, 4)
    assert not fact.behind_the_meter
    assert fact.interval == Month.of(DAY).interval(zone_of("Asia/Shanghai"))
    two = clearing((0,) * 24, run="2")
    for power, code in ({}, "handover_withdrawn"), ({3: 1000}, "handover_interval"):
        with pytest.raises(Refused) as refused:
            facts_of(MARKET, product, qinghai, two, shared(two, S1=power), {fact.id: fact}, plates)
        assert refused.value.code == code


def test_a_name_stays_a_name() -> None:
    assert fact_id("b", "S", "1") == "b_S_1"
    long = {fact_id("b" * 64, site * 64) for site in "ST"}
    assert len(long) == 2
    assert all(len(name) <= 64 for name in long)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=40), st.sampled_from((300, 900, 1800, 3600)))
def test_no_energy_is_lost_in_whole_wh(power: list[int], interval_s: int) -> None:
    """Every partial sum is cut off by less than 1 Wh."""
    found = energies_wh(power, interval_s)
    for count in range(1, len(power) + 1):
        exact = sum(power[:count]) * interval_s
        assert 0 <= exact - 3600 * sum(found[:count]) < 3600
