"""A unit's plan offers regulation at what the market posted, or told of the last days, and keeps to the
matrix that its sites settle under (DOMAIN.md 4)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from adapters.cli.plan import text
from adapters.driving.plans import Plans
from adapters.planning.planner import Made
from dispatch.planning.plan_record import SitePlanned
from ledger.allocation.regulation import RegulationTerms
from ledger.contract import Contract
from ledger.exclusivity.published import PublishExclusivity
from ledger.interval import Interval
from ledger.market_fact import PublishMarketRule, RecordMarketFact
from ledger.streams.performance_factor import GivenScore, RatioComponent, WeightedSum
from ledger.streams.regulation import (
    AgcInstructions,
    CapacityPart,
    RegulationAward,
    RegulationPerformance,
    RegulationPrices,
    RegulationRule,
)
from ledger.trading_unit import Member, RegisterTradingUnit, TradingUnit
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import DAY_AHEAD, market
from tests.adapters.planning.plan_book import (
    DAY,
    MIDNIGHT,
    NOON_BEFORE,
    TERMS,
    flat,
    forecast,
    planner,
    stated,
)
from tests.adapters.planning.test_planner import on_record
from tests.adapters.test_settling import CONTRACT, filled
from tests.dispatch.optimiser.test_rules import policy
from trading.published_market import PublishMarket
from trading.settles_as import SettlesAs

REGULATION = structs.replace(
    DAY_AHEAD, id="regulation", title="Regulation", kind="regulation_capacity", interval_s=3600,
    price_unit="MW.h", price_floor="0", price_cap="9000", energy_check="none", sustain_min=15,
    settles_as=SettlesAs(rule="agc", stream="ancillary"),
)  # fmt: skip
OFFERED_W = 100_000


def rule(price: str | None, weight: str = "0") -> RegulationRule:
    return RegulationRule(
        id="agc", title="AGC", source="made up for the tests", currency="CNY", zone="Asia/Shanghai",
        period_s=3600, products=("regulation",), unawarded="refused", uninstructed="capacity_paid",
        energy="real_time", factor=GivenScore(score_max="1") if weight != "0" else None,
        capacity=CapacityPart(performance_weight=weight, hours="awarded", price=price),
    )  # fmt: skip


def furnished(bench: Bench, paid: RegulationRule | None, exclusivity: str = "rule_based") -> None:
    """S1 in a unit that regulates; the gate closes at 10:30 the day before, the clock stands at 10:00."""
    filled(bench, *(() if exclusivity == "rule_based" else (_under(exclusivity),)))
    stated(bench, TERMS)
    bench.now = NOON_BEFORE
    forecast(bench, flat())
    unit = TradingUnit(
        id="vpp", name="VPP", market="shandong", unit_code="C", operator="operator", zone="Asia/Shanghai",
        members=(Member(site="S1", capability_w=OFFERED_W),), rounding_max="1",
        terms=(RegulationTerms(when_all_zero="refuse"),),
    )  # fmt: skip
    period = sample.FROM_2026
    commands: list[Any] = [PublishMarketRule(period, paid)] if paid is not None else []
    commands += [
        PublishMarket(period, market(REGULATION)), RegisterTradingUnit(period, unit),
    ]  # fmt: skip
    commands += [PublishExclusivity(policy(exclusivity))] if exclusivity != "none" else []
    for number, command in enumerate(commands):
        bench.door.execute(command, command_id=f"agc-{number}", actor="ada")
    bench.now = NOON_BEFORE - timedelta(hours=2)


def _under(exclusivity: str) -> Contract:
    return structs.replace(CONTRACT, exclusivity=exclusivity)


def planned(bench: Bench) -> tuple[Made, SitePlanned]:
    with planner(bench) as (one, _):
        made = one.plan("vpp", DAY, trigger="day_ahead")
        (site,) = on_record(bench, "vpp").sites
    return made, site


def test_posted_pay_is_planned_and_the_matrix_of_the_contract_is_kept(bench: Bench) -> None:
    """At 0.20 per kW and hour it stands beside arbitrage; under `strict` an hour has one of them."""
    furnished(bench, rule("200"), "strict")
    made, site = planned(bench)
    assert made.head.streams == ("regulation: 1 of 1 sites, capacity as posted under market_rule.agc v1",)
    assert made.head.streams_left_out == ()
    assert "exclusivity.strict v1" in made.head.rests_on
    assert (made.head.basis, made.head.violations) == ("optimised", ())
    offered = np.array(site.regulation_w)
    assert tuple(offered) == tuple(np.repeat(made.head.regulation_w, 4)), "an hour's is of its quarters"
    moved = np.repeat(np.abs(np.array(site.setpoint_w)).reshape(24, 4).max(axis=1), 4)
    assert (offered > 0).any()
    assert (moved > 0).any(), "arbitrage is worth more in the dearest hours"
    assert not ((offered > 0) & (moved > 0)).any()


def test_under_the_default_matrix_both_are_done_at_once(bench: Bench) -> None:
    furnished(bench, rule("200"))
    made, site = planned(bench)
    offered = np.array(site.regulation_w)
    moved = np.abs(np.array(site.setpoint_w))
    assert ((offered > 0) & (moved > 0)).any()
    assert offered.max() == OFFERED_W
    # A kW is not committed twice, each way.
    assert (offered + moved <= TERMS.discharge_w).all()
    assert made.head.objective == "cost less revenue"
    bench.now = NOON_BEFORE - timedelta(hours=1)
    later, site = planned(bench)
    assert later.head.streams == ()
    assert later.head.streams_left_out[0].endswith("(gate_closed)")
    assert site.regulation_w == ()
    assert later.head.objective_micro is not None
    assert made.head.objective_micro is not None
    assert later.head.objective_micro > made.head.objective_micro + 200_000_000, "100 kW, 24 h, 0.20"


def test_a_plan_that_begins_within_an_hour_is_read_by_its_quarters(bench: Bench) -> None:
    """From 02:30 on the first block has two quarter-hours left: driver and table have its band in both."""
    furnished(bench, rule("200"), "strict")
    forecast(bench, flat(110))
    begins = MIDNIGHT + timedelta(hours=2, minutes=30)
    with planner(bench) as (one, _):
        made = one.plan("vpp", begins, trigger="day_ahead")
        plan = on_record(bench, "vpp")
    head, (site,) = made.head, plan.sites
    assert head.start == begins
    quarters = [10 + at for at in range(head.count)]
    wanted = [head.regulation_w[quarter // 4 - 2] for quarter in quarters]
    assert list(site.regulation_w) == wanted
    assert len(set(wanted)) > 1, "else it does not matter which"
    assert plan.unread == ""
    plans = Plans(bench.database, bench.book, frozenset({"S1"}))
    plans.refresh(begins)
    told = [plans.of("S1", begins + timedelta(minutes=15 * at)) for at in range(head.count)]
    assert [one.regulation_w for one in told if one is not None] == wanted
    rows = text(plan, "Asia/Shanghai")[-head.count :]
    shown = [re.search(r"±([0-9.]+)", row) for row in rows]
    assert [0 if one is None else round(float(one[1]), 1) for one in shown] == [
        round(power_w / 1000, 1) for power_w in wanted
    ]


def test_k_is_learned_from_measured_instructions(bench: Bench) -> None:
    """As a driver hands them over: an hour's instructions, of which K is worked out as settlement does it."""
    factor = WeightedSum(
        components=(RatioComponent(measure="speed", reference="100"),), weights=("1",), hour_decimals=2
    )
    furnished(bench, structs.replace(rule(None, "1"), factor=factor))
    _tell(bench, "p2", 2, [300] * 6 + [10_000] * 18)
    told: dict[str, Any] = {
        "rule": "agc", "interval": _hours(MIDNIGHT - timedelta(days=2), 1), "site": "S1",
        "product": "regulation",
    }  # fmt: skip
    award = RegulationAward(id="award", run="1", capacity_w=(50_000,), **told)
    done = AgcInstructions(
        id="agc-S1", run="own-telemetry", started_s=(0, 600), mileage_w=(10_000, 20_000), scale=0,
        measures={"speed": (80, 100)}, **told,
    )  # fmt: skip
    for one in (award, done):
        bench.door.execute(RecordMarketFact(one), command_id=one.id, actor="driver")
    bench.project()
    made, _ = planned(bench)
    assert made.head.streams_left_out == ()
    assert "at the sites' own mean K of 0.900" in made.head.streams[0]


def test_without_a_posted_price_the_mean_of_the_last_days(bench: Bench) -> None:
    """3 and 5 per MW.h at night and 100 otherwise; K 0.9 with weight 1 keeps nine tenths of it."""
    furnished(bench, rule(None, "1"))
    for back, price in ((2, 300), (3, 500)):
        _tell(bench, f"p{back}", back, [price] * 6 + [10_000] * 18)
    made, _ = planned(bench)
    assert made.head.streams == ()
    assert made.head.streams_left_out[0].endswith("(performance_missing)"), "K is not guessed"
    _measured(bench)
    made, _ = planned(bench)
    (said,) = made.head.streams
    assert "capacity as the mean of 14 days, at the sites' own mean K of 0.900" in said
    assert "market facts of agc: 4, the newest p2" in made.head.rests_on


def test_a_time_of_day_without_a_price_is_not_filled(bench: Bench) -> None:
    furnished(bench, rule(None))
    _tell(bench, "short", 2, [300] * 6)
    made, _ = planned(bench)
    assert made.head.streams_left_out == (
        "regulation: no capacity price of agc for 06:00 was told in 14 days (price_missing)",
    )


@pytest.mark.parametrize("missing", ["market_rule", "exclusivity_missing"])
def test_why_regulation_is_left_out(bench: Bench, missing: str) -> None:
    if missing == "market_rule":
        furnished(bench, None)
    else:
        furnished(bench, rule("200"), "none")
    made, _ = planned(bench)
    assert made.head.streams == ()
    assert made.head.streams_left_out[0].endswith(f"({missing})")


def _tell(bench: Bench, name: str, back: int, mantissas: list[int]) -> None:
    start = MIDNIGHT - timedelta(days=back)
    fact = RegulationPrices(
        id=name, rule="agc", run="1", interval=_hours(start, len(mantissas)), product="regulation",
        kind="capacity", currency="CNY", scale=2, mantissas=tuple(mantissas),
    )  # fmt: skip
    bench.door.execute(RecordMarketFact(fact), command_id=name, actor="market")
    bench.project()


def _measured(bench: Bench) -> None:
    told: dict[str, Any] = {
        "rule": "agc", "run": "1", "interval": _hours(MIDNIGHT - timedelta(days=2), 2), "site": "S1",
        "product": "regulation",
    }  # fmt: skip
    award = RegulationAward(id="award", capacity_w=(50_000, 50_000), **told)
    done = RegulationPerformance(
        id="measured", instructions=(3, 2), mileage_w=(10_000, 20_000), score=(80, 100), score_scale=2, **told
    )
    for one in (award, done):
        bench.door.execute(RecordMarketFact(one), command_id=one.id, actor="market")
    bench.project()


def _hours(start: datetime, count: int) -> Interval:
    return Interval(start, start + timedelta(hours=count))
