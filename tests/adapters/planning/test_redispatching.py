"""What is sold, dispatched anew on a real book: a lost site's part by the others, a spot position in real
time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from adapters.planning.planning_role import PlanningRole
from adapters.settling import wait_until
from dispatch.planning.imposed_limit import ImposedLimit, ImposeLimit
from ledger import market_rule_file
from ledger.effective import Period
from ledger.market_fact import PublishMarketRule
from ledger.recorded_price import PricesRecorded, RecordPrices
from ledger.site import MarketPoint, RegisterSite, Site
from ledger.streams.spot import SpotRule
from ledger.streams.spot.rule import ExecutionPenalty
from ledger.trading_unit import Member, RegisterTradingUnit, TradingUnit
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import DAY_AHEAD, ROOT, market
from tests.adapters.planning.plan_book import (
    DAY,
    MIDNIGHT,
    TERMS,
    flat,
    forecast,
    furnished,
    planner,
    stated,
)
from tests.adapters.planning.test_planner import on_record
from tests.ledger.test_unit_allocation import RESPONSE
from trading.commitment import Narrow
from trading.feasibility import Commitment
from trading.published_market import PublishMarket
from trading.settles_as import SettlesAs

NODE = "n1"
SOLD_W = 80_000
EVENING = slice(72, 76)
TEN = MIDNIGHT + timedelta(hours=10)
TWO = structs.replace(
    market_rule_file.parse((ROOT / "examples/market_rules/spot_two_settlement_pjm.toml").read_bytes()),
    id="spot", currency="CNY", zone="Asia/Shanghai",
)  # fmt: skip


def sold(bench: Bench, *sites: str, rule: Any = TWO) -> None:
    """80 kW from 18:00 to 19:00, of sites of the same capability that are priced at a node."""
    furnished(bench)
    state: Any = bench.door.state("site.S1")
    site: Site = state.latest.document
    commands: list[Any] = []
    for name in sites:
        one = structs.replace(site, id=name, market_point=MarketPoint("shandong", NODE))
        commands.append(RegisterSite(sample.FROM_2026, one))
    unit = TradingUnit(
        id="vpp", name="VPP", market="shandong", unit_code="C", operator="operator", zone="Asia/Shanghai",
        members=tuple(Member(site=name, capability_w=100_000) for name in sites), terms=(RESPONSE,),
        rounding_max="1",
    )  # fmt: skip
    path = tuple([0] * 72 + [SOLD_W] * 4 + [0] * 20)
    bound = Commitment(
        bid="b1", product="day_ahead", stream="spot", up_w=path, down_w=(0,) * 96, path_w=path, awarded=False
    )
    product = structs.replace(DAY_AHEAD, settles_as=SettlesAs(rule="spot", stream="spot"))
    commands += [
        PublishMarketRule(sample.FROM_2026, rule), PublishMarket(sample.FROM_2026, market(product)),
        RegisterTradingUnit(sample.FROM_2026, unit), Narrow("vpp", DAY, (bound,)),
    ]  # fmt: skip
    for number, command in enumerate(commands):
        bench.door.execute(command, command_id=f"sold-{number}", actor="desk")
    for name in sites:
        if name != "S1":
            stated(bench, TERMS, name)
        forecast(bench, flat(192), site=name)


def lose(bench: Bench, name: str, at: datetime) -> None:
    limit = ImposedLimit(reason="the inverter is off", charge_w=0, discharge_w=0)
    bench.door.execute(ImposeLimit(name, Period(at), limit), command_id=f"lost-{name}", actor="ada")


def tell(bench: Bench, product: Any, hourly: list[int]) -> None:
    """Hundredths of a yuan per kWh, by the hour from midnight on."""
    made = PricesRecorded(
        market="shandong", node=NODE, product=product, interval_s=3600, currency="CNY", source="made up",
        start=MIDNIGHT, scale=6, mantissas=tuple(price * 10_000 for price in hourly),
    )  # fmt: skip
    bench.door.execute(RecordPrices(made), command_id=f"{product}-{len(hourly)}", actor="market")


def by_site(bench: Bench) -> dict[str, list[int]]:
    return {one.site: list(one.setpoint_w) for one in on_record(bench, "vpp").sites}


def assert_near(found: Sequence[int], power: int) -> None:
    """As the check lets it be: whole Wh and W are off by some W."""
    assert np.abs(np.array(found) - power).max() <= 20


def test_a_lost_site_s_part_is_given_by_the_other(bench: Bench) -> None:
    """40 kW each are sold; the other gives all 80 in the evening, and charges for it before."""
    sold(bench, "S1", "S2")
    with planner(bench) as (one, _):
        one.plan("vpp", DAY, trigger="day_ahead")
        assert [by_site(bench)[name][72] for name in ("S1", "S2")] == [40_000, 40_000]
        lose(bench, "S1", MIDNIGHT)
        made = one.plan("vpp", DAY, trigger="site_lost")
        now = by_site(bench)
    assert set(now["S1"]) == {0}
    assert_near(now["S2"][EVENING], SOLD_W)
    assert made.head.reason == "S1 lost: S2 give in for it what they can"
    assert made.head.violations == ()
    recorded = next(site for site in on_record(bench, "vpp").sites if site.site == "S2")
    assert_near(recorded.spot_w[EVENING], SOLD_W)


def test_what_nobody_can_give_is_said(bench: Bench) -> None:
    sold(bench, "S1", "S2")
    stated(bench, structs.replace(TERMS, discharge_w=60_000), "S2")
    lose(bench, "S1", MIDNIGHT)
    with planner(bench) as (one, _):
        made = one.plan("vpp", DAY, trigger="site_lost")
    assert_near(by_site(bench)["S2"][EVENING], 60_000)
    assert made.head.reason == "S1 lost: S2 give in for it what they can, up to 20000 W are missing"


def test_the_role_plans_a_lost_site_s_part_at_once(bench: Bench) -> None:
    sold(bench, "S1", "S2")
    bench.now = TEN
    with planner(bench) as (one, _):
        role = PlanningRole(one, bench.database, bench.book, lambda: bench.now, lambda _: None)
        wait_until(bench.database, bench.book, bench.recorder.max_notification_id() or 0, 10)
        on_record_now = [made.head.trigger for made in role.turn() if made.head.portfolio == "vpp"]
        lose(bench, "S1", TEN)
        wait_until(bench.database, bench.book, bench.recorder.max_notification_id() or 0, 10)
        (made,) = (made for made in role.turn() if made.head.portfolio == "vpp")
    assert on_record_now[0] == "rolling"
    assert (made.head.trigger, made.head.start) == ("site_lost", TEN)
    assert made.head.reason.startswith("S1 lost: S2 give in")


def test_a_sold_evening_is_left_where_real_time_pays_now(bench: Bench) -> None:
    """At 9:00 real time was 2.70 above day-ahead; 200 kWh are stored. What is expected at 10:00 is 2.60 and
    in the evening 1.22, so that it sells now with all its power, and as much again in the evening as pays."""
    sold(bench, "S1")
    tell(bench, "day_ahead", [30] * 18 + [60] + [30] * 5)
    bench.now = TEN
    with planner(bench) as (one, _):
        kept = one.plan("vpp", TEN, trigger="rolling", stored_wh={"S1": 200_000})
        assert by_site(bench)["S1"][32:36] == [SOLD_W] * 4
        assert any("is kept as it is" in note and "(price_missing)" in note for note in kept.head.notes)
        tell(bench, "real_time", [30] * 9 + [300])
        made = one.plan("vpp", TEN, trigger="rolling", stored_wh={"S1": 200_000})
        now = by_site(bench)["S1"]
    assert made.head.reason.startswith("S1 re-dispatched at real-time prices up to 2026-08-20T02:00Z: ")
    assert "prices of shandong n1: day-ahead, real-time to 02:00Z" in made.head.rests_on
    assert now[0] == TERMS.discharge_w
    assert made.head.violations == ()
    (site,) = on_record(bench, "vpp").sites
    assert site.spot_w[:56] == site.setpoint_w[:56], "all of the day is at spot, nothing at the tariff"
    left = site.stored_wh[55]
    assert abs(left - (200_000 - SOLD_W * 100 // 95)) < 2_000, "the day ends as it would have"


@pytest.mark.parametrize("fined", [True, False])
def test_where_a_deviation_is_fined_or_no_price_differs_what_is_sold_is_kept(
    bench: Bench, fined: bool
) -> None:
    assert isinstance(TWO, SpotRule)
    penalty = ExecutionPenalty(tolerance="2%", threshold_wh=1000, factor="1")
    sold(bench, "S1", rule=structs.replace(TWO, items=(penalty,)) if fined else TWO)
    tell(bench, "day_ahead", [30] * 24)
    tell(bench, "real_time", [30] * 9 + [300] if fined else [30] * 10)
    bench.now = TEN
    with planner(bench) as (one, _):
        made = one.plan("vpp", TEN, trigger="rolling", stored_wh={"S1": 200_000})
    assert np.array(by_site(bench)["S1"])[32:36].tolist() == [SOLD_W] * 4
    assert made.head.reason == ""
    assert any("(market_rule)" in note for note in made.head.notes) == fined
