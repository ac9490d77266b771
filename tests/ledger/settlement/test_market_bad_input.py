"""What markets told that does not fit together: refused, or booked as the rule says, never passed over.

For each stream the list of DOMAIN.md 5: an award without its clearing, an instruction without an award, a
price missing for one interval, weights that are all zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np
import pytest

from ledger import market_rule_file
from ledger.exclusivity import policy_file
from ledger.exclusivity.conflict import Conflicts
from ledger.interval import Interval, Month
from ledger.market_price import PriceBlock, PriceSeries
from ledger.refusal import Refused
from ledger.settlement.markets import MarketEarnings, market_earnings
from ledger.settlement.markets.case import Case
from ledger.settlement.markets.month import MarketMonth, SpotPricesOf
from ledger.streams import Fact, MarketWide, Rule, SiteFact
from ledger.streams.baseline import Profile
from ledger.streams.capacity_compensation import (
    AvailabilityMeasured,
    CapacityCertified,
    CapacityLeased,
    NodeAvailability,
)
from ledger.streams.demand_response import (
    DemandResponseAnnualCut,
    DemandResponseCapacity,
    DemandResponseInstruction,
    DemandResponseInvitation,
)
from ledger.streams.demand_response.rule import PerKwMonth
from ledger.streams.regulation import (
    RegulationAward,
    RegulationPerformance,
    RegulationPrices,
    RegulationShare,
)
from ledger.streams.service_income import ServiceOrdered
from ledger.streams.spot import SpotClearing, SpotContract, SpotDeclaration, SpotMonth
from ledger.streams.told_under import TOLD_UNDER
from tests.ledger.settlement.test_behind_the_meter import SITE, TARIFF

EXAMPLES = Path(__file__).parents[3] / "examples"
AUGUST = Month(2026, 8)
START = datetime(2026, 7, 31, 16, tzinfo=UTC)
MONTH = Interval(START, START + timedelta(days=31))
POLICY = policy_file.parse((EXAMPLES / "exclusivity/rule_based.toml").read_bytes())
DR = "dr_zhejiang_2025_own_account"
SPOT = "spot_shandong_hourly"


def rule(name: str, **changes: Any) -> Any:
    found = market_rule_file.parse((EXAMPLES / f"market_rules/{name}.toml").read_bytes())
    return msgspec.structs.replace(found, **changes)


def prices(product: Any, missing: int | None = None) -> PriceSeries:
    """An hourly series of the month at 0.3, with one hour left out."""
    cut = 744 if missing is None else missing
    parts = [(START, cut), (START + timedelta(hours=cut + 1), 744 - cut - 1)]
    blocks = tuple(
        PriceBlock(at, np.full(count, 300_000, dtype=np.int64), 6) for at, count in parts if count > 0
    )
    return PriceSeries("shandong", "n1", product, 3600, "CNY", blocks)


def earned(
    rules: Iterable[Rule], facts: Iterable[Fact], *, missing_hour: int | None = None, wh: int = 10_000
) -> MarketEarnings:
    """A month in which the storage discharges `wh` every quarter-hour."""
    charge, discharge = np.zeros(2976, dtype=np.int64), np.full(2976, wh, dtype=np.int64)
    own = Profile(START, 900, SITE.zone, charge - discharge, np.zeros(2976, dtype=np.bool_))
    spot = SpotPricesOf(prices("day_ahead", missing_hour), prices("real_time"), None)
    month = MarketMonth(MONTH, {one.id: one for one in rules}, tuple(facts), spot, own, own, ())
    case = Case(SITE, TARIFF, AUGUST, 900, charge, discharge, month, {})
    return market_earnings(case, Conflicts(POLICY))


def refused(code: str, *arguments: Any, **more: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        earned(*arguments, **more)
    assert caught.value.code == code, caught.value
    return caught.value


def total(found: MarketEarnings) -> Fraction:
    return sum((one.amount.exact for one in found.earned), Fraction(0))


# --- demand response


def invitation(**changes: Any) -> DemandResponseInvitation:
    window = Interval(START + timedelta(hours=34), START + timedelta(hours=35))
    fields = {
        "id": "e1", "site": "S1", "rule": DR, "run": "r", "interval": window,
        "announced": START, "awarded_w": (40_000,) * 4, "clearing_price": "2",
    }  # fmt: skip
    return DemandResponseInvitation(**(fields | changes))


def instruction(**changes: Any) -> DemandResponseInstruction:
    fields = {
        "id": "i1", "site": "S1", "rule": DR, "run": "r", "interval": invitation().interval,
        "invitation": "e1", "issued": START,
    }  # fmt: skip
    return DemandResponseInstruction(**(fields | changes))


def test_a_response_award_without_a_clearing_price_is_refused() -> None:
    assert total(earned([rule(DR)], [invitation(), instruction()])) == 80, "4 x 10 kWh at 2"
    award = invitation(clearing_price=None)
    assert refused("price_missing", [rule(DR)], [award, instruction()]).place == "clearing_price"


def test_a_response_instruction_without_an_award_is_refused() -> None:
    assert refused("instruction_without_award", [rule(DR)], [instruction()]).place == "i1"
    other = instruction(invitation="e2")
    assert refused("instruction_without_award", [rule(DR)], [invitation(), other]).place == "i1"


@pytest.mark.parametrize(("says", "paid"), [("paid", 80), ("not_paid", 0)])
def test_a_response_award_without_an_instruction_is_booked_as_the_rule_says(says: str, paid: int) -> None:
    found = earned([rule(DR, without_instruction=says)], [invitation()])
    assert total(found) == paid
    assert found.earned[0].note, "it is seen, with its reason, when nothing is paid"


def test_a_response_award_without_an_instruction_is_refused_where_the_rule_says_so() -> None:
    by = rule(DR, without_instruction="refused")
    assert refused("award_without_instruction", [by], [invitation()]).place == "e1"


def contracted(name: str = "k1") -> DemandResponseCapacity:
    return DemandResponseCapacity(id=name, site="S1", rule=DR, run="r", interval=MONTH, contracted_w=100_000)


def test_contracted_power_under_a_rule_that_pays_none_is_refused() -> None:
    """It was passed over: a fact that nobody settles is a mistake in the fact or in the rule."""
    assert refused("availability", [rule(DR)], [contracted()]).place == "payments"


def test_contracted_power_is_paid_once_and_cut_with_the_year() -> None:
    payments = (*rule(DR).payments, PerKwMonth(price="1", when="always"))
    by = rule(DR, payments=payments, annual_cap="5000000")
    assert total(earned([by], [contracted()])) == 100
    assert refused("capacity_duplicate", [by], [contracted(), contracted("k2")]).place == "k2"
    year = Interval(datetime(2025, 12, 31, 16, tzinfo=UTC), datetime(2026, 12, 31, 16, tzinfo=UTC))
    over = DemandResponseAnnualCut(id="c", rule=DR, run="r", interval=year, programme="8000000")
    assert total(earned([by], [contracted(), over])) == Fraction("62.5")


def test_an_event_that_lasts_beyond_the_settled_days_is_named() -> None:
    """23:45 of the last day to 00:15: it is told as two events that meet at midnight."""
    last = Interval(MONTH.end - timedelta(minutes=15), MONTH.end + timedelta(minutes=15))
    over = refused("interval", [rule(DR)], [invitation(interval=last, awarded_w=(40_000,) * 2)])
    assert over.place == "e1"
    assert "two events" in str(over)
    fits = invitation(interval=Interval(last.start, MONTH.end), awarded_w=(40_000,))
    assert total(earned([rule(DR)], [fits])) == 20


# --- regulation


def regulation(price: int = 744, done: bool = True, award: bool = True) -> list[Fact]:
    """PJM's facts of the month, with prices for the first hours only."""
    span = {"run": "m1", "product": "regulation", "rule": "pjm-regulation"}
    part = Interval(START, START + timedelta(hours=price))
    found: list[Fact] = [
        RegulationPrices(
            id=f"x-{kind}",
            kind=kind,
            currency="CNY",
            scale=2,
            mantissas=(mantissa,) * price,
            interval=part,
            **span,
        )
        for kind, mantissa in (("capacity", 2000), ("mileage", 300), ("mileage_ratio", 150))
    ]
    if done:
        found.append(
            RegulationPerformance(
                id="p1",
                site="S1",
                interval=MONTH,
                instructions=(1,) * 744,
                mileage_w=(1000,) * 744,
                score=(9,) * 744,
                score_scale=1,
                **span,
            )
        )
    if award:
        found.append(RegulationAward(id="a1", site="S1", interval=MONTH, capacity_w=(100_000,) * 744, **span))
    return found


def pjm(**changes: Any) -> Any:
    return rule("regulation_pjm", currency="CNY", zone="Asia/Shanghai", **changes)


def test_a_regulation_award_without_a_price_for_one_interval_is_refused() -> None:
    assert total(earned([pjm()], regulation())) > 0
    assert "2026-08-31T15" in refused("price_missing", [pjm()], regulation(price=743)).place


def test_a_regulation_award_without_any_clearing_is_refused() -> None:
    facts = [one for one in regulation() if not isinstance(one, RegulationPrices)]
    refused("price_missing", [pjm()], facts)


def test_a_regulation_award_without_its_performance_is_refused() -> None:
    refused("performance_missing", [pjm()], regulation(done=False))


@pytest.mark.parametrize(("says", "paid"), [("unpaid", False), ("mileage_paid", True)])
def test_a_regulation_instruction_without_an_award_is_booked_as_the_rule_says(says: str, paid: bool) -> None:
    hunan = rule("regulation_hunan", unawarded=says)
    span = {"site": "S1", "rule": hunan.id, "run": "m1", "product": hunan.products[0]}
    count = MONTH.seconds // hunan.period_s
    facts: list[Fact] = [
        RegulationPerformance(
            id="p1", interval=MONTH, instructions=(1,) * count, mileage_w=(1_000_000,) * count,
            score=(1,) * count, score_scale=0, **span,
        ),
        RegulationPrices(
            id="x", rule=hunan.id, run="m1", product=hunan.products[0], kind="mileage", currency="CNY",
            scale=0, mantissas=(5,) * count, interval=MONTH,
        ),
        *(
            RegulationShare(
                id=f"m-{day}", rule=hunan.id, run="m1", shared_wh=1, total_wh=2,
                interval=Interval(START + timedelta(days=day), START + timedelta(days=day + 1)),
            )
            for day in range(31)
        ),
    ]  # fmt: skip
    found = earned([hunan], facts, wh=0)
    assert (total(found) > 0) is paid
    assert any("instruction without award" in one.note for one in found.earned)


def test_a_regulation_instruction_without_an_award_is_refused_where_the_rule_says_so() -> None:
    refused("instruction_without_award", [pjm(unawarded="refused")], regulation(award=False))


def test_regulation_without_mileage_is_paid_for_its_capacity() -> None:
    """Instructed and measured at zero mileage, which is a measurement: Guangdong's fee has no quantity."""
    guangdong = rule("regulation_guangdong")
    span = {"site": "S1", "rule": guangdong.id, "run": "m1", "product": guangdong.products[0]}
    count = MONTH.seconds // guangdong.period_s
    facts: list[Fact] = [
        RegulationAward(id="a1", interval=MONTH, capacity_w=(100_000,) * count, **span),
        RegulationPerformance(
            id="p1", interval=MONTH, instructions=(1,) * count, mileage_w=(0,) * count, score=(1,) * count,
            score_scale=0, available_s=(guangdong.period_s,) * count, **span,
        ),
        *(
            RegulationPrices(
                id=f"x-{kind}", rule=guangdong.id, run="m1", product=guangdong.products[0], kind=kind,
                currency="CNY", scale=0, mantissas=(5,) * count, interval=MONTH,
            )
            for kind in ("mileage", *(() if guangdong.capacity.price else ("capacity",)))
        ),
    ]  # fmt: skip
    mileage, capacity = earned([guangdong], facts, wh=0).earned
    assert (mileage.amount.minor, mileage.basis) == (0, ())
    assert capacity.amount.minor > 0


def test_a_mileage_ratio_is_not_below_zero() -> None:
    """Positive and negative awards x ratio would have summed to a quantity of nothing, and no money."""
    with pytest.raises(Refused) as caught:
        RegulationPrices(
            id="x", rule="r", run="m", product="p", kind="mileage_ratio", currency="CNY", scale=0,
            mantissas=(-1,), interval=MONTH,
        )  # fmt: skip
    assert caught.value.code == "whole_number"


def test_a_share_of_a_day_in_which_nothing_flowed_is_refused() -> None:
    """M divides by all energy generated and received: weights that are all zero."""
    with pytest.raises(Refused) as caught:
        RegulationShare(id="m", rule="r", run="m1", interval=MONTH, shared_wh=0, total_wh=0)
    assert caught.value.code == "share"


# --- spot


def clearing(name: str = "s1", hours: int = 744) -> SpotClearing:
    part = Interval(START, START + timedelta(hours=hours))
    nothing = (0,) * hours
    return SpotClearing(
        id=name, site="S1", rule=SPOT, run="d1", interval=part, injected_wh=nothing, withdrawn_wh=nothing
    )


def spot() -> Any:
    return rule(SPOT, charging_bears="nothing")


def contract() -> SpotContract:
    return SpotContract(
        id="c1",
        site="S1",
        rule=SPOT,
        run="d1",
        interval=MONTH,
        volume_wh=(1000,) * 744,
        price_per_kwh=("0.4",),
    )


def declaration() -> SpotDeclaration:
    nothing = (0,) * 744
    return SpotDeclaration(
        id="q1", site="S1", rule=SPOT, run="d1", interval=MONTH, injected_wh=nothing, withdrawn_wh=nothing
    )


@pytest.mark.parametrize("fact", [contract(), declaration()], ids=["contract", "declaration"])
def test_a_spot_contract_or_declaration_without_a_clearing_is_refused(fact: Fact) -> None:
    """It was passed over, and the month settled at the retail price."""
    assert total(earned([spot()], [clearing()])) > 0
    assert str(START.date()) in refused("clearing_missing", [spot()], [fact]).place


def test_a_spot_clearing_that_lacks_an_hour_is_refused() -> None:
    assert "2026-08-31 15:00" in refused("clearing_missing", [spot()], [clearing(hours=743)]).place


def test_a_spot_price_missing_for_one_interval_is_refused() -> None:
    found = refused("price_missing", [spot()], [clearing()], missing_hour=100)
    assert "2026-08-04" in str(found)


def test_two_statements_of_one_spot_month_are_refused() -> None:
    """The first by id was taken, and the other passed over."""
    one = SpotMonth(
        id="t1", site="S1", rule=SPOT, run="d1", interval=MONTH, injected_wh=0, withdrawn_wh=0,
        without_contract=False, composite_price_per_kwh=None, real_time_price_per_kwh=None,
        assessment_price_per_kwh=None, recovered=(),
    )  # fmt: skip
    two = msgspec.structs.replace(one, id="t2", injected_wh=5)
    assert refused("statement_duplicate", [spot()], [clearing(), one, two]).place == "t2"


# --- capacity and service


def certified(name: str = "c1", by: str = "capacity_qinghai", watts: int = 100_000) -> CapacityCertified:
    return CapacityCertified(
        id=name, site="S1", rule=by, run="m1", interval=MONTH, nameplate_w=250_000, certified_w=watts,
        full_hours="4", behind_the_meter=True,
    )  # fmt: skip


def available(name: str = "v1", by: str = "capacity_qinghai") -> AvailabilityMeasured:
    node = NodeAvailability(node="n1", energy_wh=1, available_min=31 * 24 * 60, unavailable_min=0)
    return AvailabilityMeasured(id=name, site="S1", rule=by, run="m1", interval=MONTH, nodes=(node,))


def qinghai(name: str = "capacity_qinghai") -> Any:
    return rule("capacity_qinghai", id=name, zone="Asia/Shanghai", behind_the_meter="eligible")


def test_certified_capacity_without_its_availability_is_refused() -> None:
    assert total(earned([qinghai()], [certified(), available()])) == 1375, "165 / 12 x 100 kW"
    refused("availability_missing", [qinghai()], [certified()])


def test_an_availability_of_capacity_that_nobody_certified_is_refused() -> None:
    """It was passed over."""
    assert refused("certification_missing", [qinghai()], [available()]).place == "v1"


def test_capacity_is_certified_and_measured_once() -> None:
    """Of two availabilities the first by id was taken; two certificates were both paid."""
    twice = [certified(), available(), available("v2")]
    assert refused("availability_duplicate", [qinghai()], twice).place == "v2"
    certificates = [certified(), certified("c2"), available()]
    assert refused("certification_duplicate", [qinghai()], certificates).place == "c2"


def test_capacity_certified_under_two_rules_is_at_most_what_is_installed() -> None:
    rules = [qinghai(), qinghai("other")]
    both = [available(), available("v2", "other")]
    halves = [certified(), certified("c2", "other", 150_000)]
    assert total(earned(rules, [*halves, *both])) == 1375 + Fraction("2062.5")
    too_much = [certified(), certified("c2", "other", 150_001)]
    assert refused("certification_duplicate", rules, [*too_much, *both]).place == "c2"


def test_nodes_that_weigh_nothing_are_refused() -> None:
    with pytest.raises(Refused) as caught:
        NodeAvailability(node="n1", energy_wh=0, available_min=1, unavailable_min=0)
    assert caught.value.code == "weight"


def test_a_service_paid_by_availability_needs_it_once() -> None:
    service = rule("service_availability", zone="Asia/Shanghai")
    order = ServiceOrdered(
        id="o1", site="S1", rule=service.id, run="o1", interval=MONTH, customer="host-s1", ordered_w=250_000
    )
    refused("availability_missing", [service], [order])
    twice = [order, available("v1", service.id), available("v2", service.id)]
    assert refused("availability_duplicate", [service], twice).place == "v2"
    assert total(earned([service], twice[:2])) > 0


def order(name: str, by: str, watts: int = 250_000, **changes: Any) -> ServiceOrdered:
    fields = {"site": "S1", "run": name, "interval": MONTH, "customer": "host-s1"}
    return ServiceOrdered(**({"id": name, "rule": by, "ordered_w": watts} | fields | changes))


def test_a_measured_service_that_nobody_ordered_is_refused() -> None:
    """It was passed over."""
    service = rule("service_availability", zone="Asia/Shanghai")
    assert refused("order_missing", [service], [available("v1", service.id)]).place == "v1"
    late = order("o1", service.id, interval=Interval(MONTH.end, MONTH.end + timedelta(days=30)))
    assert refused("order_missing", [service], [late, available("v1", service.id)]).place == "v1"


def test_the_same_kw_is_not_ordered_by_two_customers() -> None:
    """Both were paid; 500 kW are installed."""
    service = rule("service_availability", zone="Asia/Shanghai")
    seen = available("v1", service.id)
    both = [order("o1", service.id), order("o2", service.id)]
    assert total(earned([service], [*both, seen])) > 0
    too_much = [order("o1", service.id), order("o2", service.id, 250_001), seen]
    refused("ordered_twice", [service], too_much)
    half = START + timedelta(days=15)
    after = [
        order("o1", service.id, 500_000, interval=Interval(START, half)),
        order("o2", service.id, 500_000, interval=Interval(half, MONTH.end)),
    ]
    minutes = [
        msgspec.structs.replace(
            available(f"v{one.id}", service.id),
            interval=one.interval,
            nodes=(
                NodeAvailability(
                    node="n1", energy_wh=1, available_min=one.interval.seconds // 60, unavailable_min=0
                ),
            ),
        )
        for one in after
    ]
    assert total(earned([service], [*after, *minutes])) > 0


def test_the_same_kwh_is_not_paid_by_two_customers() -> None:
    service = rule("service_throughput", zone="Asia/Shanghai")
    assert total(earned([service], [order("o1", service.id, 1)])) == Fraction(2976 * 10, 10)
    assert refused("ordered_twice", [service], [order("o1", service.id, 1), order("o2", service.id, 1)])


@pytest.mark.parametrize("watts", [0, -1, 10**12 + 1, 10**30])
def test_a_power_that_no_storage_has_is_refused(watts: int) -> None:
    """More than 64 bits overflowed where the month was settled."""
    for make in (
        lambda: order("o1", "r", watts),
        lambda: certified(watts=watts),
        lambda: msgspec.structs.replace(certified(), nameplate_w=watts),
        lambda: CapacityLeased(id="l", site="S1", rule="r", run="r", interval=MONTH, leased_w=watts),
    ):
        with pytest.raises(Refused) as caught:
            make()
        assert caught.value.code in {"ordered", "certified", "leased"}


# --- facts and rules of another kind


def test_every_kind_of_fact_has_the_rules_that_settle_it() -> None:
    assert set(TOLD_UNDER) == {*get_args(SiteFact), *get_args(MarketWide)}
    assert {kind for kinds in TOLD_UNDER.values() for kind in kinds} == set(get_args(Rule))


@pytest.mark.parametrize(
    "fact", [contracted(), clearing(), certified(), available(), order("o1", "r"), *regulation()]
)
def test_a_fact_under_a_rule_that_does_not_settle_it_is_refused(fact: Any) -> None:
    """Every one of them was passed over."""
    other = rule(DR, id="other") if fact.rule != DR else qinghai("other")
    found = refused("fact_kind", [other], [msgspec.structs.replace(fact, rule="other")])
    assert found.place == fact.id
