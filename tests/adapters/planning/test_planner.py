"""From a book to a plan on record: what it rests on, what it is when the solver dies, and once for all."""

from __future__ import annotations

import os
import signal
import threading
import time
from datetime import timedelta

import numpy as np
import pytest
from msgspec import structs

from adapters.planning.planner import Planner
from adapters.planning.solver_process import SolverProcess
from adapters.queries.recorded_plans import RecordedPlan, plan_of_day
from adapters.settling import lowest_position, wait_until
from dispatch.planning.aims import aims_of
from dispatch.planning.imposed_limit import ImposedLimit, ImposeLimit
from ledger.refusal import Refused
from ledger.trading_unit import Member, RegisterTradingUnit, TradingUnit
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.planning.plan_book import (
    DAY,
    MIDNIGHT,
    NOON_BEFORE,
    TERMS,
    flat,
    forecast,
    furnished,
    planner,
)
from tests.ledger.test_unit_allocation import RESPONSE
from trading.commitment import Narrow
from trading.feasibility import Commitment


def on_record(bench: Bench, portfolio: str = "S1") -> RecordedPlan:
    wait_until(bench.database, bench.book, bench.recorder.max_notification_id() or 0, 10)
    with bench.database.reading(bench.book) as connection:
        found = plan_of_day(connection, lowest_position(connection), portfolio, DAY)
    assert found is not None
    return found


def killed_twice(solver: SolverProcess, pid: int) -> None:
    """The process while it solves, and the one that takes its place."""
    time.sleep(1.5)
    os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + 30
    while solver.pid in (None, pid) and time.monotonic() < until:
        time.sleep(0.002)
    assert solver.pid is not None
    os.kill(solver.pid, signal.SIGKILL)


def test_a_site_is_planned_from_the_book_and_its_plan_is_on_record(bench: Bench) -> None:
    furnished(bench)
    forecast(bench, flat())
    with planner(bench) as (one, _):
        made = one.plan("S1", DAY)
        again = one.plan("S1", DAY)
        recorded = on_record(bench)
    assert (made.number, made.repeated) == (1, False)
    assert (again.number, again.sequence, again.repeated) == (1, made.sequence, True)
    head = recorded.head
    assert head == made.head
    assert (head.basis, head.count, head.interval_s, head.trigger) == ("optimised", 96, 900, "asked")
    assert "forecast.load_S1 v1" in head.rests_on
    assert "storage.S1 v1" in head.rests_on
    assert "start of S1: its terms' end_wh, 50000 Wh; no plan leads up to it" in head.rests_on
    (site,) = recorded.sites
    setpoint = np.array(site.setpoint_w)
    assert setpoint.min() == -TERMS.charge_w, "it charges in the valley"
    assert setpoint.max() > 0
    assert max(site.stored_wh) <= TERMS.ceiling_wh + 20
    assert site.stored_wh[-1] >= TERMS.end_wh - 20
    assert head.refused == head.violations == ()


def test_a_solver_that_is_killed_leaves_the_last_plan_going_on(bench: Bench) -> None:
    """Its pid is killed while it solves; the plan before goes on, and the reason is on record."""
    furnished(bench)
    forecast(bench, flat())
    with planner(bench) as (one, solver):
        first = one.plan("S1", DAY)
        before = on_record(bench)
        assert solver.pid is not None
        os.kill(solver.pid, signal.SIGSTOP)
        threading.Thread(target=killed_twice, args=(solver, solver.pid)).start()
        later = MIDNIGHT + timedelta(hours=3)
        support = aims_of("grid_support>cost", "17:00-21:00")
        asked = Planner(bench.door, bench.database, solver, lambda: bench.now, support)
        made = asked.plan("S1", later, trigger="rolling")
        after = on_record(bench)
        assert (first.head.basis, made.head.basis, made.number) == ("optimised", "last_plan", 2)
        assert made.head.objective == first.head.objective == "cost", "what the plan before was made for"
        assert "ended with -9" in made.head.reason
        assert made.head.objective_micro is None
        shifted = np.array(before.sites[0].setpoint_w[12:])
        assert np.abs(np.array(after.sites[0].setpoint_w[:84]) - shifted).max() <= 5, "by three hours"
        assert len(after.sites[0].setpoint_w) == 96
        again = one.plan("S1", later + timedelta(minutes=15), trigger="rolling")
        assert again.head.basis == "optimised", "another process solves"
        assert f"start of S1: plan.S1_2026-08-20 v2, {after.sites[0].stored_wh[0]} Wh" in again.head.rests_on


def test_without_a_plan_before_the_rule_stands_in(bench: Bench) -> None:
    furnished(bench)
    forecast(bench, flat())
    with planner(bench) as (one, solver):
        one.plan("S1", DAY)
        assert solver.pid is not None
        os.kill(solver.pid, signal.SIGSTOP)
        threading.Thread(target=killed_twice, args=(solver, solver.pid)).start()
        made = one.plan("S1", DAY + timedelta(days=1))
    assert made.head.basis == "rule"
    assert made.head.objective == "none: the time-of-use rule's"
    assert made.head.day == DAY + timedelta(days=1)


def test_a_lost_site_stands_still_and_says_what_it_does_not_reach(bench: Bench) -> None:
    """No power left in either direction: a usable plan, short of its target."""
    furnished(bench, structs.replace(TERMS, end_wh=400_000))
    forecast(bench, flat())
    limit = ImposedLimit(reason="the inverter is off", charge_w=0, discharge_w=0)
    bench.door.execute(ImposeLimit("S1", sample.FROM_2026, limit), command_id="lost", actor="ada")
    with planner(bench) as (one, _):
        made = one.plan("S1", DAY, stored_wh={"S1": 300_000})
        recorded = on_record(bench)
    assert set(recorded.sites[0].setpoint_w) == {0}
    assert made.head.notes[-1] == "S1: holds 300000 Wh of 400000 at the end, 2026-08-20T16:00Z"


def test_a_storage_outside_its_limits_is_led_back(bench: Bench) -> None:
    furnished(bench)
    forecast(bench, flat())
    with planner(bench) as (one, _):
        for stored, basis in ((10_000, "optimised"), (500_000, "relaxed")):
            made = one.plan("S1", DAY, stored_wh={"S1": stored})
            (site,) = on_record(bench).sites
            assert made.head.basis == basis
            assert bool(made.head.violations) == (basis == "relaxed"), "what is above cannot be undone"
            above = np.array(site.stored_wh) > TERMS.ceiling_wh + 20
            assert (np.array(site.setpoint_w)[above] >= 0).all(), "above its ceiling it does not charge"
            assert TERMS.floor_wh - 20 <= site.stored_wh[-1] <= TERMS.ceiling_wh + 20


def test_inputs_that_change_and_change_back_are_planned_again(bench: Bench) -> None:
    """The newest plan is what holds: the same inputs as an older one's are a new plan."""
    furnished(bench)
    forecast(bench, flat())
    with planner(bench) as (one, _):
        numbers = [
            one.plan("S1", DAY, stored_wh={"S1": stored}).number for stored in (100_000, 90_000, 100_000)
        ]
        assert numbers == [1, 2, 3]
        assert one.plan("S1", DAY, stored_wh={"S1": 100_000}).repeated


def test_what_is_committed_is_in_the_plan_on_record(bench: Bench) -> None:
    """80 kW at spot from 18:00 to 19:00: the plan charges for it before, and does nothing else then."""
    furnished(bench)
    forecast(bench, flat())
    member = Member(site="S1", capability_w=100_000)
    vpp = TradingUnit(
        id="vpp", name="VPP", market="shandong", unit_code="C", operator="operator", zone="Asia/Shanghai",
        members=(member,), terms=(RESPONSE,), rounding_max="1",
    )  # fmt: skip
    bench.door.execute(RegisterTradingUnit(sample.FROM_2026, vpp), command_id="unit", actor="ada")
    path = tuple([0] * 72 + [80_000] * 4 + [0] * 20)
    bound = Commitment(
        bid="b1", product="da", stream="spot", up_w=path, down_w=(0,) * 96, path_w=path, awarded=False
    )
    bench.door.execute(Narrow("vpp", DAY, (bound,)), command_id="bind", actor="desk")
    with planner(bench) as (one, _):
        made = one.plan("vpp", DAY, trigger="day_ahead")
        recorded = on_record(bench, "vpp")
    (site,) = recorded.sites
    assert made.head.violations == ()
    assert site.setpoint_w[72:76] == (80_000,) * 4
    assert site.spot_w == path
    assert min(site.stored_wh) >= TERMS.floor_wh - 20
    assert site.stored_wh[71] >= TERMS.floor_wh + 84_000


def test_a_day_that_is_over_or_too_many_days_are_refused(bench: Bench) -> None:
    furnished(bench)
    with planner(bench) as (one, _):
        for day, days in ((DAY - timedelta(days=2), 1), (DAY, 8), (DAY, 0)):
            with pytest.raises(Refused) as refused:
                one.plan("S1", day, days=days)
            assert refused.value.code == "plan_horizon"
        begun = one.plan("S1", DAY - timedelta(days=1))
    assert (begun.head.start, begun.head.count) == (NOON_BEFORE, 48)
