"""A plan says which limit gave way, how much is demand charge, what was minimised, and whose load is 0."""

from __future__ import annotations

import re
from datetime import timedelta

import numpy as np
import pytest
from msgspec import structs

from adapters.planning.planner import OBJECTIVE, Planner
from dispatch.planning.aims import MONEY, aims_of
from dispatch.planning.imposed_limit import ImposedLimit, ImposeLimit
from ledger.effective import Period
from ledger.interval import Month
from ledger.refusal import Refused
from ledger.setting_record import StateSetting
from ledger.tariff import prices_of_month
from ledger.trading_unit import Member, RegisterTradingUnit, TradingUnit
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.planning.plan_book import DAY, MIDNIGHT, TERMS, flat, forecast, furnished, planner, stated
from tests.adapters.planning.storage_alone import merchant
from tests.adapters.planning.test_planner import on_record
from tests.adapters.test_settling import TARIFF
from tests.ledger.test_unit_allocation import RESPONSE


def two_sites(bench: Bench) -> None:
    merchant(bench, "S2", "load")
    stated(bench, TERMS, "S2")
    forecast(bench, flat(), site="S2")
    unit = TradingUnit(
        id="vpp", name="VPP", market="shandong", unit_code="C", operator="operator", zone="Asia/Shanghai",
        members=tuple(Member(site=site, capability_w=100_000) for site in ("S1", "S2")),
        terms=(RESPONSE,), rounding_max="1",
    )  # fmt: skip
    bench.door.execute(RegisterTradingUnit(sample.FROM_2026, unit), command_id="unit", actor="ada")


def test_a_limit_below_the_load_relaxes_one_site_and_leaves_the_other(bench: Bench) -> None:
    """599 kW from midnight to 06:00 where 600 are used: the empty storage cannot hold it, and stands by."""
    furnished(bench)
    forecast(bench, flat())
    two_sites(bench)
    with planner(bench) as (one, _):
        one.plan("vpp", DAY)
        before = {site.site: site for site in on_record(bench, "vpp").sites}
        period = Period(MIDNIGHT, MIDNIGHT + timedelta(hours=6))
        limit = ImposedLimit(reason="grid", import_w=599_000)
        bench.door.execute(ImposeLimit("S1", period, limit), command_id="limit", actor="ada")
        made = one.plan("vpp", DAY)
        after = {site.site: site for site in on_record(bench, "vpp").sites}
    head = made.head
    assert (head.basis, head.passed_over) == ("relaxed", ())
    assert head.reason == (
        "S1: import_kw_max[0] gives way by 1.000 kW, in 24 intervals by up to 1.000 kW ([0]),"
        " 6.000 kWh in all"
    )
    told = "import_limit at S1[0] by 1000 W, in 24 intervals by up to 1000 W ([0]), 6000 Wh in all"
    assert head.violations == (told,)
    assert any(one.startswith("S1: the peak to hold, ") and "down to 599.0 kW" in one for one in head.notes)
    assert after["S2"] == before["S2"], "planned as without the limit"
    assert max(after["S2"].setpoint_w) > 0
    assert max(after["S1"].setpoint_w) > 0, "it charges and discharges after 06:00"
    assert min(after["S1"].setpoint_w[:24]) == 0
    assert min(after["S1"].stored_wh) >= TERMS.floor_wh - 20


def test_a_storage_alone_has_no_load(bench: Bench) -> None:
    furnished(bench)
    merchant(bench, "S2")
    stated(bench, TERMS, "S2")
    bench.project()
    with planner(bench) as (one, _):
        made = one.plan("S2", DAY, stored_wh={"S2": 20_000})
        (site,) = on_record(bench, "S2").sites
    assert (made.head.basis, made.head.refused) == ("optimised", ())
    assert "S2: only its storage is metered and no demand is charged: its load is 0" in made.head.notes
    assert min(site.setpoint_w) < 0, "it charges back to its floor, and has nobody to discharge for"
    assert max(site.setpoint_w) == 0


def test_where_more_than_the_storage_may_be_the_refusal_says_what_to_do(bench: Bench) -> None:
    furnished(bench)
    merchant(bench, "S2", "pv")
    stated(bench, TERMS, "S2")
    bench.project()
    with planner(bench) as (one, _), pytest.raises(Refused) as refused:
        one.plan("S2", DAY)
    assert (refused.value.code, refused.value.place) == ("meter_layout", "site S2")
    assert "register one at its grid connection" in str(refused.value)
    assert "wattledger forecast load:S2 2026-08-20" in str(refused.value)


def test_the_demand_charge_in_the_objective_is_told(bench: Bench) -> None:
    """2 MW for an hour, where 1.3 MW were the highest so far."""
    furnished(bench)
    load = np.full(96, 600_000)
    load[70:74] = 2_000_000
    forecast(bench, load.tolist())
    with planner(bench) as (one, _):
        made = one.plan("S1", DAY)
    head = made.head
    (note,) = [one for one in head.notes if "demand charge" in one]
    assert note.startswith("S1: of the objective ")
    assert "its load alone would bring " in note


def test_what_the_objective_counts_beside_money_is_told(bench: Bench) -> None:
    """The setpoints' own money, worked out apart, and the parts that are on no bill make up the objective."""
    furnished(bench, structs.replace(TERMS, wear_micro=60_000))
    forecast(bench, flat())
    with planner(bench) as (one, _):
        made = one.plan("S1", DAY)
        (site,) = on_record(bench).sites
    price = prices_of_month(TARIFF, Month(2026, 8), 900)
    today = price.mantissa[19 * 96 :][:96] / 10**price.scale
    bill = float(((600_000 - np.array(site.setpoint_w)) * today).sum()) / 4000
    (note,) = [one for one in made.head.notes if "on no bill" in one]
    assert note.startswith("S1: counted as cost, but on no bill: ")
    assert "later hours" in note
    assert " wear" in note
    counted = [float(one) for one in re.findall(r"-?\d+\.\d\d", note)]
    assert counted[0] > 1.0
    assert made.head.objective_micro is not None
    assert made.head.objective_micro / 1e6 == pytest.approx(bill + sum(counted), abs=0.05)


def test_the_objective_is_what_was_asked_and_the_plan_states_it(bench: Bench) -> None:
    """Support from 02:00 to 03:00: the storage keeps what it has for then, and gives it."""
    furnished(bench)
    forecast(bench, flat())
    with planner(bench) as (money, solver):
        plain = money.plan("S1", DAY, stored_wh={"S1": 300_000})
        aims = aims_of("grid_support>cost", "02:00-03:00")
        asked = Planner(bench.door, bench.database, solver, lambda: bench.now, aims)
        made = asked.plan("S1", DAY, stored_wh={"S1": 300_000})
        (site,) = on_record(bench).sites
    assert plain.head.objective == "cost"
    assert made.head.objective == "grid_support, then cost (grid support from 02:00 to 03:00)"
    assert not made.repeated
    given = sum(site.setpoint_w[8:12]) / 4
    assert given >= 249_000, "its power for an hour: it charges before"


def test_what_the_book_states_holds_for_every_plan_that_is_asked_no_other(bench: Bench) -> None:
    """From the next plan on, and for the role's planner, which goes on running."""
    furnished(bench)
    forecast(bench, flat())
    stored = {"S1": 300_000}
    with planner(bench) as (one, solver):
        assert one.plan("S1", DAY, stored_wh=stored).head.objective == "cost"
        stated = aims_of("grid_support>cost", "02:00-03:00").stated()
        bench.door.record(StateSetting(OBJECTIVE, stated), actor="ada")
        made = one.plan("S1", DAY, stored_wh=stored)
        again = one.plan("S1", DAY, stored_wh=stored)
        (site,) = on_record(bench).sites
        asked = Planner(bench.door, bench.database, solver, lambda: bench.now, MONEY)
        money = asked.plan("S1", DAY, stored_wh=stored)
    assert made.head.objective == "grid_support, then cost (grid support from 02:00 to 03:00)"
    assert (made.number, made.repeated, again.repeated) == (2, False, True)
    assert sum(site.setpoint_w[8:12]) / 4 >= 249_000
    assert money.head.objective == "cost", "asked for with the plan"


def test_aims_on_record_that_are_none_are_refused(bench: Bench) -> None:
    furnished(bench)
    bench.door.record(StateSetting(OBJECTIVE, "profit"), actor="ada")
    with planner(bench) as (one, _), pytest.raises(Refused) as refused:
        one.plan("S1", DAY)
    assert refused.value.code == "objective"


def test_what_a_stream_counts_for_is_stated_with_the_storage(bench: Bench) -> None:
    furnished(bench, structs.replace(TERMS, stream_permille={"demand_charge": 500}))
    forecast(bench, flat())
    with planner(bench) as (one, _):
        made = one.plan("S1", DAY)
    assert "S1: demand_charge counts 500 permille of its money" in made.head.notes
    for wrong in ({"energy": 500}, {"spot": -1}):
        with pytest.raises(Refused) as refused:
            structs.replace(TERMS, stream_permille=wrong)
        assert refused.value.code == "storage_terms"
