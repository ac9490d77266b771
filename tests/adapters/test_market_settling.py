"""Market streams settled from events: rules, clearings and readings in, lines out, nothing paid twice."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from typing import Any

import msgspec
import numpy as np
import pytest

from adapters.closing import final_run
from ledger import market_rule_file
from ledger.demand import ActualDemand
from ledger.exclusivity import policy_file
from ledger.exclusivity.published import PublishExclusivity
from ledger.grid_account import Account
from ledger.interval import Interval
from ledger.market_fact import PublishMarketRule, RecordMarketFact
from ledger.market_price import PriceBlock, PriceSeries, Product
from ledger.meter import Meter, RegisterMeter
from ledger.quantity import Price
from ledger.recorded_price import RecordPrices, blocks_of
from ledger.refusal import Refused
from ledger.settlement.line import Line
from ledger.settlement.result import Result
from ledger.settlement.run import Runs
from ledger.settlement.settle import check_line
from ledger.signed_contract import RegisterContract
from ledger.site import MarketPoint, RegisterSite, Site
from ledger.streams import Fact
from ledger.streams.capacity_compensation import (
    AvailabilityMeasured,
    CapacityCertified,
    CapacityLeased,
    NodeAvailability,
)
from ledger.streams.demand_response import DemandResponseInstruction, DemandResponseInvitation
from ledger.streams.regulation import RegulationAward, RegulationPerformance, RegulationPrices
from ledger.streams.service_income import ServiceOrdered
from ledger.streams.spot import SpotClearing, SpotGeneration
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.test_settling import (
    CONTRACT,
    EXAMPLES,
    START,
    TARIFF,
    filled,
    record,
    settle,
)

MONTH = Interval(START, START + timedelta(days=31))
PRODUCTS: tuple[Product, ...] = ("day_ahead", "real_time")
OWN_ACCOUNT = "dr_zhejiang_2025_own_account"


def does(bench: Bench, *commands: Any) -> None:
    for command in commands:
        name = f"{type(command).__name__}-{bench.recorder.max_notification_id()}"
        bench.door.execute(command, command_id=name, actor="desk")
    bench.project()


def rule(name: str, **changes: Any) -> PublishMarketRule:
    found = market_rule_file.parse((EXAMPLES / f"market_rules/{name}.toml").read_bytes())
    return PublishMarketRule(sample.FROM_2026, msgspec.structs.replace(found, **changes))


def policy(name: str = "rule_based") -> PublishExclusivity:
    return PublishExclusivity(policy_file.parse((EXAMPLES / f"exclusivity/{name}.toml").read_bytes()))


def told(*facts: Fact) -> list[RecordMarketFact]:
    return [RecordMarketFact(fact) for fact in facts]


def hours(day: int, first: int, last: int) -> Interval:
    midnight = START + timedelta(days=day - 1)
    return Interval(midnight + timedelta(hours=first), midnight + timedelta(hours=last))


def lines(result: Result, stream: str) -> list[Line]:
    for line in result.lines:
        check_line(line)
    return [line for line in result.lines if line.code == stream]


def invitation(name: str, window: Interval, watts: int, price: str) -> DemandResponseInvitation:
    count = window.seconds // 900
    return DemandResponseInvitation(
        id=name,
        site="S1",
        rule=OWN_ACCOUNT,
        run="2026-08-call",
        interval=window,
        announced=window.start - timedelta(days=1),
        awarded_w=(watts,) * count,
        clearing_price=price,
    )


def instruction(of: DemandResponseInvitation) -> DemandResponseInstruction:
    return DemandResponseInstruction(
        id=f"{of.id}-go",
        site=of.site,
        rule=of.rule,
        run=of.run,
        interval=of.interval,
        invitation=of.id,
        issued=of.interval.start - timedelta(hours=1),
    )


def peak_window(discharge: np.ndarray[Any, Any]) -> Interval:
    """An hour of the third day in which the storage discharges throughout."""
    day = discharge[2 * 96 : 3 * 96].reshape(-1, 4)
    hour = int(np.argmax((day > 0).all(axis=1)))
    assert (day[hour] > 0).all()
    return hours(3, hour, hour + 1)


def test_a_response_is_paid_beside_the_bill(bench: Bench) -> None:
    """The storage's own account: 4 x 50 kWh delivered against a baseline of nothing, at 2 yuan."""
    _, _, discharge = filled(bench)
    event = invitation("e1", peak_window(discharge), 200_000, "2")
    does(bench, policy(), rule(OWN_ACCOUNT), *told(event, instruction(event)))
    (settled,) = settle(bench)
    (line,) = lines(settled.result, "demand_response")
    assert line.amount.exact == 4 * 50 * 2
    assert line.clause.startswith("DOMAIN.md 3.4")
    assert lines(settled.result, "arbitrage")[0].amount.minor > 0, "the bill effect is computed once, as ever"
    assert settled.result.refused == ()
    sources = {source.aggregate for source in settled.result.sources}
    assert {"market_fact.e1", f"market_rule.{OWN_ACCOUNT}"} <= sources


def test_without_a_policy_nothing_of_a_market_is_settled(bench: Bench) -> None:
    _, _, discharge = filled(bench)
    event = invitation("e1", peak_window(discharge), 200_000, "2")
    does(bench, rule(OWN_ACCOUNT), *told(event, instruction(event)))
    with pytest.raises(
        Refused, match=r"'rule_based' is published, .*register exclusivity .*/rule_based\.toml"
    ):
        settle(bench)


def test_the_same_kwh_are_never_paid_by_two_programmes(bench: Bench) -> None:
    """Two programmes call the same hour: the second gets what the first left, which is nothing."""
    _, _, discharge = filled(bench)
    window = peak_window(discharge)
    first = invitation("e1", window, 200_000, "2")
    second = msgspec.structs.replace(invitation("e2", window, 200_000, "3"), rule="other")
    does(
        bench,
        policy(),
        rule(OWN_ACCOUNT),
        rule(OWN_ACCOUNT, id="other"),
        *told(first, instruction(first), second, instruction(second)),
    )
    (settled,) = settle(bench)
    result = settled.result
    paid = sum(line.amount.minor for line in lines(result, "demand_response"))
    assert paid == 200 * 200, "one of the two, not both"
    energy, power = result.refused
    assert (energy.claim, energy.stream) == ("e2", "demand_response")
    assert (energy.asked, energy.granted) == (200_000, 0)
    assert (power.claim, power.quantity, power.asked, power.granted) == ("e2", "up_w", 200_000, 50_000)
    for span in (energy, power):
        assert "e1" in span.reason
        assert span.interval == window


def test_a_regulation_award_holds_its_power(bench: Bench) -> None:
    """Capacity and mileage lines as PJM pays them; an award above the nameplate is not settled."""
    filled(bench)
    performance = RegulationPerformance(
        id="p1",
        site="S1",
        rule="pjm-regulation",
        run="m1",
        interval=MONTH,
        product="regulation",
        instructions=(1,) * 744,
        mileage_w=(100_000,) * 744,
        score=(9,) * 744,
        score_scale=1,
        charged_wh=(0,) * 744,
        discharged_wh=(0,) * 744,
    )
    award = RegulationAward(
        id="a1", site="S1", rule="pjm-regulation", run="m1", interval=MONTH, product="regulation",
        capacity_w=(100_000,) * 744,
    )  # fmt: skip
    prices = [
        RegulationPrices(
            id=f"x-{kind}", rule="pjm-regulation", run="m1", interval=MONTH, product="regulation",
            kind=kind, currency="CNY", scale=2, mantissas=(price,) * 744,
        )
        for kind, price in (("capacity", 2000), ("mileage", 300), ("mileage_ratio", 150))
    ]  # fmt: skip
    pjm = rule("regulation_pjm", currency="CNY", zone="Asia/Shanghai")
    does(bench, policy(), pjm, *told(performance, award, *prices))
    (settled,) = settle(bench)
    exact = sum(line.amount.exact for line in lines(settled.result, "ancillary"))
    assert exact == Fraction(744 * 9, 10) * Fraction(1, 10) * (Fraction("1.5") * 3 + 20)
    too_much = msgspec.structs.replace(award, run="m2", capacity_w=(300_000,) * 744)
    does(bench, *told(too_much))
    with pytest.raises(Refused, match="more power than the storage has"):
        settle(bench)


def test_capacity_and_service_are_lines_of_their_own(bench: Bench) -> None:
    filled(bench)
    qinghai = rule("capacity_qinghai", zone="Asia/Shanghai", behind_the_meter="eligible")
    name = qinghai.rule.id
    certified = CapacityCertified(
        id="c1", site="S1", rule=name, run="m1", interval=MONTH, nameplate_w=250_000, certified_w=200_000,
        full_hours="4", behind_the_meter=True,
    )  # fmt: skip
    minutes = 31 * 24 * 60
    node = NodeAvailability(node="n1", energy_wh=500_000, available_min=minutes, unavailable_min=0)
    available = AvailabilityMeasured(id="v1", site="S1", rule=name, run="m1", interval=MONTH, nodes=(node,))
    service = rule("service_throughput", zone="Asia/Shanghai")
    order = ServiceOrdered(
        id="o1", site="S1", rule=service.rule.id, run="o1", interval=MONTH, customer="host-s1",
        ordered_w=250_000,
    )  # fmt: skip
    does(bench, policy(), qinghai, service, *told(certified, available, order))
    (settled,) = settle(bench)
    (capacity,) = lines(settled.result, "capacity")
    assert capacity.amount.exact == Fraction(165 * 200, 12)
    assert lines(settled.result, "service")
    lease = CapacityLeased(id="l1", site="S1", rule=name, run="m1", interval=MONTH, leased_w=100_000)
    does(bench, *told(lease))
    with pytest.raises(Refused, match="leased"):
        settle(bench)


def spot_prices(product: Any, mantissa: int, node: str = "n1") -> list[RecordPrices]:
    block = PriceBlock(START, np.full(744, mantissa, dtype=np.int64), 6)
    series = PriceSeries("shandong", node, product, 3600, "CNY", (block,))
    return [RecordPrices(one) for one in blocks_of(series, "a test")]


def told_spot(bench: Bench) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """A month whose site cleared nothing in the spot market, with its charge and discharge."""
    _, charge, discharge = filled(bench)
    account = Account(
        id="A-S1", zone="Asia/Shanghai", parts="two_part", demand=ActualDemand(), power_factor=None,
        export_price=None,
    )  # fmt: skip
    site = Site(
        "S1", "Plant", "Asia/Shanghai", 500_000, 250_000, TARIFF.id, account,
        market_point=MarketPoint("shandong", "n1"),
    )  # fmt: skip
    clearing = SpotClearing(
        id="s1", site="S1", rule="spot_shandong_hourly", run="d1", interval=MONTH,
        injected_wh=(0,) * 744, withdrawn_wh=(0,) * 744,
    )  # fmt: skip
    shandong = rule("spot_shandong_hourly", charging_bears="nothing")
    does(
        bench,
        policy(),
        RegisterSite(sample.FROM_2026, site),
        shandong,
        *spot_prices("day_ahead", 300_000),
        *spot_prices("real_time", 400_000),
        *told(clearing),
    )
    return charge, discharge


def test_a_spot_month_has_no_retail_energy_price(bench: Bench) -> None:
    """Cleared nothing, so all metered energy settles at the real-time price; arbitrage is not there."""
    charge, discharge = told_spot(bench)
    try:
        (settled,) = settle(bench)
    except Refused as error:
        pytest.fail(f"{error.code} {error}")
    net = Fraction(int(discharge.sum()) - int(charge.sum()), 1000) * Fraction("0.4")
    spot = sum(line.amount.exact for line in lines(settled.result, "spot"))
    assert abs(spot - net) <= Fraction(1, 50), "each direction is rounded once"
    assert lines(settled.result, "arbitrage") == []
    assert lines(settled.result, "interaction") == []


def test_a_line_that_names_no_price_is_the_same_whatever_prices_are(bench: Bench) -> None:
    """Only what is earned at spot is valued at the published prices, and only its lines rest on them."""
    told_spot(bench)
    (before,) = settle(bench)
    does(bench, *spot_prices("real_time", 500_000))
    (after,) = settle(bench)
    naming = {
        line.code for line in before.result.lines
        if line.kind == "stream"
        and any(before.result.sources[at].aggregate.startswith("prices.") for at in line.sources)
    }  # fmt: skip
    assert naming == {"spot"}
    pairs = zip(before.result.lines, after.result.lines, strict=True)
    differing = {one.code for one, other in pairs if one != other and one.kind == "stream"}
    assert differing == {"spot"}
    assert {line.code for line in before.result.lines if line.kind == "stream"} > {"spot"}


def test_a_unified_price_is_computed_of_nodes_and_their_generation(bench: Bench) -> None:
    """0.3 and 0.6 yuan weighed 2 : 1 are 0.4; the rule says that it counts, and not the site's own node."""
    _, charge, discharge = filled(bench)
    account = Account(
        id="A-S1", zone="Asia/Shanghai", parts="two_part", demand=ActualDemand(), power_factor=None,
        export_price=None,
    )  # fmt: skip
    site = Site(
        "S1", "Plant", "Asia/Shanghai", 500_000, 250_000, TARIFF.id, account,
        market_point=MarketPoint("shandong", "n1"),
    )  # fmt: skip
    weighted = rule("spot_shandong_hourly", charging_bears="nothing", price_point="generation_weighted")
    clearing = SpotClearing(
        id="s1", site="S1", rule=weighted.rule.id, run="d1", interval=MONTH,
        injected_wh=(0,) * 744, withdrawn_wh=(0,) * 744,
    )  # fmt: skip
    generation = [
        SpotGeneration(
            id=f"g-{node}-{product}", rule=weighted.rule.id, run="d1", interval=MONTH, node=node,
            product=product, generation_wh=(wh,) * 744,
        )
        for node, wh in (("n1", 2_000_000), ("n2", 1_000_000))
        for product in PRODUCTS
    ]  # fmt: skip
    does(
        bench, policy(), RegisterSite(sample.FROM_2026, site), weighted, *spot_prices("day_ahead", 300_000),
        *spot_prices("real_time", 300_000), *spot_prices("day_ahead", 600_000, "n2"),
        *spot_prices("real_time", 600_000, "n2"), *told(clearing),
    )  # fmt: skip
    with pytest.raises(Refused, match="no day_ahead generation was told") as caught:
        settle(bench)
    assert caught.value.code == "generation"
    does(bench, *told(*generation))
    (settled,) = settle(bench)
    net = Fraction(int(discharge.sum()) - int(charge.sum()), 1000) * Fraction("0.4")
    spot = sum(line.amount.exact for line in lines(settled.result, "spot"))
    assert abs(spot - net) <= Fraction(1, 50), "each direction is rounded once"
    sources = {source.aggregate for source in settled.result.sources}
    assert {"market_fact.g-n2-real_time", "prices.shandong_n2_real_time"} <= sources


def test_pv_energy_is_shifted_at_its_feed_in_price(bench: Bench) -> None:
    """Charging from a surplus forgoes the feed-in price, not the import price."""
    load, charge, discharge = filled(bench)
    fed_in = Price.parse("0.4155", "CNY", "kWh")
    account = Account(
        id="A-S1", zone="Asia/Shanghai", parts="two_part", demand=ActualDemand(), power_factor=None,
        export_price=fed_in,
    )  # fmt: skip
    site = Site("S1", "Plant", "Asia/Shanghai", 500_000, 250_000, TARIFF.id, account)
    does(bench, RegisterSite(sample.FROM_2026, site))
    surplus = np.where(charge > 0, 0, load)
    record(bench, "S1-LOAD", "load", surplus, "again")
    pv = Meter("S1-PV", "S1", "pv", ("pv",), 900, 2_000_000, "Asia/Shanghai")
    does(bench, RegisterMeter(sample.FROM_2026, pv))
    record(bench, "S1-PV", "pv", np.where(charge > 0, 30_000, 0), "pv")
    bench.project()
    (settled,) = settle(bench)
    (shift,) = lines(settled.result, "pv_time_shift")
    forgone = next(term for term in shift.basis if "feed-in" in term.label)
    assert Fraction(forgone.exact) == -Fraction(int(charge.sum()), 1000) * fed_in.exact
    streams = [line for line in settled.result.lines if line.kind == "stream"]
    bill = settled.result.bills[0]
    assert sum(line.amount.minor for line in streams) == (
        bill.without_storage.minor - bill.with_storage.minor
    ), "A + T + M + power factor + interaction are the bill effect"
    (grid,) = lines(settled.result, "arbitrage")
    lost = int(charge.sum()) - min(int(charge.sum()), int(discharge.sum()))
    tagged = sum(int(term.quantity) for term in shift.basis if term.label.startswith("discharged"))
    assert 0 < tagged <= int(charge.sum()) - lost
    assert grid.note == "energy from the grid"


def test_a_correction_says_what_it_corrects(bench: Bench) -> None:
    _, _, discharge = filled(bench)
    event = invitation("e1", peak_window(discharge), 200_000, "2")
    does(bench, policy(), rule(OWN_ACCOUNT), *told(event, instruction(event)))
    settle(bench)
    does(bench, *told(msgspec.structs.replace(event, run="corrected", clearing_price="1.5")))
    settle(bench)
    runs = bench.door.state("settlement.eaas-s1_2026-08")
    does(bench, final_run(runs, CONTRACT.id, "2026-08", 2, "ada"))
    does(bench, RegisterContract(msgspec.structs.replace(CONTRACT, title="Amended")))
    (settled,) = settle(bench)
    assert (settled.run, settled.recorded) == (3, True), "making a run final is not a run"
    runs = bench.door.state("settlement.eaas-s1_2026-08")
    assert isinstance(runs, Runs)
    assert [run.kind for run in runs.runs] == ["initial", "correction 1", "correction 2"]
    assert [run.causes for run in runs.runs] == [(), ("market",), ("retroactive_amendment",)]
    assert [run.classes for run in runs.runs] == [(), ("data_error",), ("data_error",)]


def test_a_fact_is_corrected_under_another_run_only(bench: Bench) -> None:
    filled(bench)
    event = invitation("e1", hours(3, 10, 11), 200_000, "2")
    does(bench, rule(OWN_ACCOUNT), *told(event))
    for changed, place in (
        (msgspec.structs.replace(event, clearing_price="3"), "run"),
        (msgspec.structs.replace(event, rule="other"), "rule"),
    ):
        with pytest.raises(Refused) as caught:
            does(bench, *told(changed))
        assert caught.value.code in {"correction", "unknown_market_rule"}
        assert place
