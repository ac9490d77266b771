"""Where demand is charged a plan states the peak to hold and keeps energy for it; where a unit trades, on
which markets, and why not on others."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from dispatch.forecasts.forecast import Forecast, MemberShare, Subject
from dispatch.forecasts.issued import IssueForecast
from dispatch.planning.peak_case import peak_storage
from dispatch.planning.peak_target import peak_target
from ledger.allocation.spot import SpotTerms
from ledger.exclusivity.published import PublishExclusivity
from ledger.interval import Month
from ledger.meter import Meter, RegisterMeter
from ledger.site import MarketPoint, RegisterSite, Site
from ledger.tariff import prices_of_month
from ledger.trading_unit import Member, RegisterTradingUnit, TradingUnit
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import market
from tests.adapters.planning.plan_book import (
    DAY,
    MIDNIGHT,
    NOON_BEFORE,
    TERMS,
    flat,
    forecast,
    furnished,
    planner,
    stated,
)
from tests.adapters.planning.test_site_cases import cases
from tests.adapters.test_settling import TARIFF, founded, record
from tests.dispatch.optimiser.test_rules import policy
from tests.ledger.test_unit_allocation import RESPONSE
from trading.published_market import PublishMarket

FIRST = datetime(2026, 7, 31, 16, tzinfo=UTC)
"""Where August begins, with the readings."""
NODE = "n1"
SPOT = SpotTerms(netting_benefit="pool", rounding_max="1")


def test_the_target_is_that_of_the_days_that_were_read(bench: Bench) -> None:
    """The load meter's 18 whole days and August's prices, twelve days and a day left, worked out apart."""
    furnished(bench)
    bench.now = MIDNIGHT
    found = cases(bench)
    (case,) = found.cases
    load = np.random.default_rng(7).integers(80_000, 300_000, 2976)
    days = load[: 19 * 96].reshape(19, 96) * 4
    day_micro = prices_of_month(TARIFF, Month(2026, 8), 900).mantissa[19 * 96 : 20 * 96]
    scale = prices_of_month(TARIFF, Month(2026, 8), 900).scale
    expected = peak_target(
        peak_storage(case), days, day_micro * 10**6 // 10**scale, days_left=12, peak_w=case.peak_w,
        peak_price_micro=44_800_000,
    )  # fmt: skip
    assert case.peak_w <= expected.target_w <= found.peak_w["S1"]
    (guarded,) = found.guarded
    assert guarded.peak_w == found.peak_w["S1"]
    assert (guarded.limits.floor_wh >= case.limits.floor_wh).all()
    assert (guarded.limits.load_w == case.limits.load_w).all(), "what is expected stays what was forecast"
    assert cases(bench).digest() == found.digest()


def test_the_plan_on_record_states_the_peak_and_a_lost_hour_of_reserve_breaks_nothing(bench: Bench) -> None:
    furnished(bench)
    forecast(bench, flat())
    with planner(bench) as (one, _):
        made = one.plan("S1", DAY)
        assert set(made.head.peak_w) == {"S1"}
        assert made.head.basis == "optimised"
        assert made.head.violations == ()
        empty = one.plan("S1", DAY, stored_wh={"S1": TERMS.floor_wh})
        assert empty.head.basis == "optimised", "a reserve that is not there yet is not a limit that gave way"


def test_without_readings_no_target_is_stated_and_the_plan_says_so(bench: Bench) -> None:
    """On 1 August nothing was read; a forecast tells the load."""
    furnished(bench)
    forecast(bench, flat(), start=FIRST, issued_at=FIRST - timedelta(hours=6))
    found = cases(bench, day=date(2026, 8, 1))
    assert found.peak_w == {}
    assert found.guarded == found.cases
    assert any(note.startswith("S1: no peak target") for note in found.notes)


def test_where_nothing_of_the_storage_was_read_the_loads_own_maximum_is_the_peak_so_far(bench: Bench) -> None:
    """18 days of the load alone, 474 kW at most; once the storage is read, the sum counts."""
    founded(bench)
    stated(bench, TERMS)
    load = np.full(19 * 96, 50_000)
    load[500] = 118_500
    record(bench, "S1-LOAD", "load", load, "load")
    bench.now = MIDNIGHT
    found = cases(bench)
    assert found.cases[0].peak_w == 474_000
    (note,) = [note for note in found.notes if "peak so far" in note]
    assert note == (
        "S1: nothing was read of S1-STORAGE in the billing period: the peak so far is that without it"
    )
    for register, wh in (("charge", 0), ("discharge", 20_000)):
        record(bench, "S1-STORAGE", register, np.full(19 * 96, wh), register)
    found = cases(bench)
    assert found.cases[0].peak_w == 394_000
    assert not [note for note in found.notes if "peak so far" in note]


def test_a_site_whose_load_no_meter_tells_has_none(bench: Bench) -> None:
    """S2 has a demand charge and a meter at its storage alone."""
    furnished(bench)
    site = structs.replace(_site(bench), id="S2")
    bench.door.execute(RegisterSite(sample.FROM_2026, site), command_id="s2", actor="ada")
    meter = Meter("S2-STORAGE", "S2", "storage", ("charge", "discharge"), 900, 250_000, "Asia/Shanghai")
    bench.door.execute(RegisterMeter(sample.FROM_2026, meter), command_id="m2", actor="ada")
    stated(bench, TERMS, "S2")
    forecast(bench, flat(), site="S2")
    found = cases(bench, "S2")
    assert found.peak_w == {}
    assert any("no meter tells what it uses" in note for note in found.notes)


def _site(bench: Bench) -> Site:
    state: Any = bench.door.state("site.S1")
    site: Site = state.latest.document
    return site


def _trading(bench: Bench, *terms: Any) -> None:
    """S1, priced at a node of the market, in a unit; the market's gate closes at 10:30 the day before."""
    furnished(bench)
    forecast(bench, flat())
    point = structs.replace(_site(bench), market_point=MarketPoint("shandong", NODE))
    members = (Member(site="S1", capability_w=100_000),)
    vpp = TradingUnit(
        id="vpp", name="VPP", market="shandong", unit_code="C", operator="operator", zone="Asia/Shanghai",
        members=members, terms=terms, rounding_max="1",
    )  # fmt: skip
    period = sample.FROM_2026
    commands = (
        RegisterSite(period, point),
        PublishMarket(period, market()),
        RegisterTradingUnit(period, vpp),
        PublishExclusivity(policy("rule_based")),
    )
    for number, command in enumerate(commands):
        bench.door.execute(command, command_id=f"trade-{number}", actor="ada")


def _prices(bench: Bench, evening: int = 3_000_000) -> None:
    """0.10 per kWh until 18:00, then dear, from the day's midnight on."""
    expected = (100_000,) * 18 + (evening,) * 4 + (100_000,) * 2
    made = Forecast(
        subject=Subject("price", f"shandong:{NODE}:day_ahead"), unit="micro_per_kwh", currency="CNY",
        model="by hand", members=(MemberShare("by_hand", 1000, None),), features="", trained_through=1,
        issued_at=NOON_BEFORE - timedelta(hours=3), zone="Asia/Shanghai", interval_s=3600, start=MIDNIGHT,
        expected=expected, quantiles=(), scores=None, drift=None, cold_start="",
    )  # fmt: skip
    bench.door.execute(IssueForecast(made), command_id=f"price-{evening}", actor="model")


def test_spot_is_traded_before_the_gate_and_not_after(bench: Bench) -> None:
    """At 3.00 per kWh in the evening the storage is sold at spot; half an hour later the gate is closed."""
    _trading(bench, SPOT, RESPONSE)
    _prices(bench)
    bench.now = NOON_BEFORE - timedelta(hours=2)
    with planner(bench) as (one, _):
        made = one.plan("vpp", DAY, trigger="day_ahead")
        assert made.head.objective == "cost less revenue"
        assert made.head.streams == (
            "spot: 1 of 1 sites, at the prices of forecast.price_shandong_n1_day_ahead v1",
        )
        assert [one.partition(":")[0] for one in made.head.streams_left_out] == ["demand_response"]
        assert made.head.objective_micro is not None
        assert made.head.violations == ()
        bench.now = NOON_BEFORE - timedelta(hours=1)
        later = one.plan("vpp", DAY, trigger="day_ahead")
    assert not later.repeated
    assert later.head.streams == ()
    assert later.head.objective == "cost"
    assert "(gate_closed)" in later.head.streams_left_out[0]
    assert later.head.objective_micro is not None
    assert made.head.objective_micro < later.head.objective_micro - 100_000_000, "some hundred in the evening"


@pytest.mark.parametrize("missing", ["forecast", "point"])
def test_why_spot_is_left_out(bench: Bench, missing: str) -> None:
    _trading(bench, SPOT)
    if missing == "point":
        bare = structs.replace(_site(bench), market_point=None)
        bench.door.execute(RegisterSite(sample.FROM_2026, bare), command_id="bare", actor="ada")
    bench.now = NOON_BEFORE - timedelta(hours=2)
    with planner(bench) as (one, _):
        head = one.plan("vpp", DAY, trigger="day_ahead").head
    assert head.streams == ()
    (why,) = head.streams_left_out
    assert why.endswith("(forecast_missing)" if missing == "forecast" else "(market_point)")
