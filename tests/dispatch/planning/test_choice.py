"""There is always a plan, the best that passes the check, and it says what was passed over and why."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import structs

from dispatch.optimiser.market_terms import Regulation
from dispatch.optimiser.optimise import optimise
from dispatch.optimiser.plan import Plan
from dispatch.optimiser.request import PlanRequest
from dispatch.plan_check import Markets, SiteLimits
from dispatch.planning.choice import Before, Chosen, choose
from dispatch.planning.following import follow
from dispatch.planning.site_case import SiteCase

START = datetime(2026, 7, 1, tzinfo=UTC)
CHEAP, DEAR = 300_000, 1_200_000


def case(site: str = "a", **given: object) -> SiteCase:
    count = 8
    limits = SiteLimits(
        id=site,
        interval_s=3600,
        load_w=np.full(count, 300_000),
        pv_w=np.zeros(count, dtype=np.int64),
        import_w_max=np.full(count, 10**6),
        export_w_max=np.zeros(count, dtype=np.int64),
        charge_w_max=np.full(count, 100_000),
        discharge_w_max=np.full(count, 100_000),
        floor_wh=np.zeros(count, dtype=np.int64),
        ceiling_wh=200_000,
        start_wh=0,
        charge_efficiency_ppm=900_000,
        discharge_efficiency_ppm=900_000,
    )
    price = np.array([CHEAP] * 4 + [DEAR] * 4)
    return SiteCase(
        limits=structs.replace(limits, **given),
        buy_micro=price,
        sell_micro=np.zeros(count, dtype=np.int64),
        end_wh=0,
    )


def solved(*cases: SiteCase) -> Plan:
    return optimise(PlanRequest(sites=tuple(one.to_optimise() for one in cases), interval_h=1.0))


def chosen(*cases: SiteCase, plan: Plan | None = None, why: str = "", before: Before | None = None) -> Chosen:
    return choose(cases, Markets(), plan, why, start=START, before=before)


def test_the_solvers_plan_is_taken_where_it_passes() -> None:
    one = case()
    found = chosen(one, plan=solved(one))
    assert found.basis in ("optimised", "incumbent")
    assert (found.passed_over, found.violations) == ((), ())
    # 200 kWh stored from 222.2 bought at 0.3 give 180 kWh at 1.2: the known saving of 149.3333.
    saved = (found.sites[0].setpoint_w * one.buy_micro).sum() / 1000 / 1e6
    assert saved == pytest.approx(149.3333, abs=0.01)


def test_a_plan_that_fails_the_check_is_passed_over_and_said() -> None:
    one = case()
    plan = solved(one)
    wrong = structs.replace(plan.sites[0], setpoint_w=plan.sites[0].setpoint_w + 150_000)
    found = chosen(one, plan=structs.replace(plan, sites=(wrong,)))
    assert found.basis == "rule"
    assert found.passed_over[0].startswith("optimised: power at a[0] by ")
    assert found.sites[0].setpoint_w.max() > 0


def test_without_a_solver_the_last_plan_goes_on_from_where_it_is() -> None:
    one = case()
    last = np.array([0, 0, -100_000, -90_000, 0, 0, 55_000, 44_000, 33_000])
    found = chosen(one, why="the solver was stopped after 2 s", before=Before({"a": last}, shift=1))
    assert (found.basis, found.reason) == ("last_plan", "the solver was stopped after 2 s")
    assert found.sites[0].setpoint_w.tolist()[:7] == [0, -100_000, -90_000, 0, 0, 55_000, 44_000]


def test_a_site_that_the_last_plan_did_not_have_makes_it_the_rule() -> None:
    found = chosen(
        case("a"), case("b"), why="died", before=Before({"a": np.zeros(8, dtype=np.int64)}, shift=0)
    )
    assert found.basis == "rule"


def test_a_limit_that_nobody_can_keep_leaves_a_relaxed_plan_that_helps() -> None:
    over = case(import_w_max=np.full(8, 250_000), start_wh=100_000)
    found = chosen(over, plan=solved(over))
    assert found.basis == "relaxed"
    assert "import_kw_max" in found.reason
    assert found.sites[0].setpoint_w.max() > 0
    assert {broken.rule for broken in found.violations} == {"import_limit"}


def test_a_limit_that_one_site_cannot_hold_leaves_the_others_as_they_are() -> None:
    """The limit is kept as nearly as it can be, and never below the floor or the day's cycles."""
    good = case("a")
    bad = case(
        "b", import_w_max=np.full(8, 220_000), start_wh=100_000, floor_wh=np.full(8, 40_000),
        discharge_wh_max=(50_000,),
    )  # fmt: skip
    found = chosen(good, bad, plan=solved(good, bad))
    assert (found.basis, found.passed_over) == ("relaxed", ())
    assert found.reason.startswith("b: import_kw_max[")
    assert found.sites[0].setpoint_w.tolist() == chosen(good, plan=solved(good)).sites[0].setpoint_w.tolist()
    assert {(broken.site, broken.rule) for broken in found.violations} == {("b", "import_limit")}
    over = (np.full(8, 80_000) - found.sites[1].setpoint_w).clip(0).sum()
    assert over == pytest.approx(8 * 80_000 - 45_000, abs=10), "what 50 kWh of the cells give at 90 %"


def test_a_plan_that_needs_less_than_it_breaks_is_not_excused() -> None:
    """Emptying the storage below its floor for an import limit is worse than standing still."""
    one = case(import_w_max=np.full(8, 220_000), start_wh=100_000, floor_wh=np.full(8, 100_000))
    deep = np.array([80_000, 0, 0, 0, 0, 0, 0, 0])
    plan = solved(one)
    wrong = follow(structs.replace(one.limits, floor_wh=np.zeros(8, dtype=np.int64)), deep)
    site = structs.replace(plan.sites[0], setpoint_w=wrong.setpoint_w, stored_wh=wrong.stored_wh)
    found = chosen(one, plan=structs.replace(plan, sites=(site,)))
    assert found.passed_over[0].startswith("relaxed: stored_energy at a")
    assert found.sites[0].stored_wh.min() >= 100_000


def test_one_site_that_fails_the_check_is_planned_by_the_rule_and_no_other_is() -> None:
    good, bad = case("a"), case("b")
    plan = solved(good, bad)
    wrong = structs.replace(plan.sites[1], setpoint_w=plan.sites[1].setpoint_w + 150_000)
    found = chosen(good, bad, plan=structs.replace(plan, sites=(plan.sites[0], wrong)))
    assert found.basis == "optimised"
    assert found.reason == "b: the time-of-use rule's plan stands in for the optimised one"
    assert found.apart == ("b",)
    assert found.passed_over[0].startswith("optimised: power at b[0] by ")
    assert found.sites[0].setpoint_w.tolist() == plan.sites[0].setpoint_w.tolist()
    assert (found.sites[1].setpoint_w.max(), found.violations) == (100_000, ())


def test_a_limit_that_nobody_can_hold_takes_no_fallback_away_from_the_others() -> None:
    good, bad = case("a"), case("b", import_w_max=np.full(8, 250_000))
    found = chosen(good, bad, why="died")
    assert (found.basis, found.reason) == ("rule", "died")
    assert found.sites[0].setpoint_w.max() > 0
    assert {broken.rule for broken in found.violations} == {"import_limit"}


def test_a_fallback_says_why_the_solvers_plan_is_not_it() -> None:
    one = case()
    plan = solved(one)
    wrong = structs.replace(plan.sites[0], stored_wh=plan.sites[0].stored_wh + 5_000)
    found = chosen(one, plan=structs.replace(plan, sites=(wrong,)))
    assert found.basis == "rule"
    assert found.reason == (
        "the solver's plan does not pass the check: optimised: stored_path at a[0] by 5000 Wh,"
        " in 8 intervals by up to 5000 Wh ([0])"
    )


def test_a_storage_outside_its_limits_is_planned_back_into_them() -> None:
    low = case(floor_wh=np.full(8, 50_000), start_wh=10_000)
    found = chosen(low, plan=solved(low))
    assert found.basis in ("optimised", "relaxed")
    assert found.sites[0].stored_wh[0] >= 50_000
    high = case(start_wh=230_000)
    assert chosen(high, plan=solved(high)).sites[0].setpoint_w.min() <= 0


def test_no_power_left_is_a_plan_that_stands_still() -> None:
    dead = case(charge_w_max=np.zeros(8, dtype=np.int64), discharge_w_max=np.zeros(8, dtype=np.int64))
    found = chosen(dead, why="nothing runs at a")
    assert found.sites[0].setpoint_w.tolist() == [0] * 8


@pytest.mark.parametrize(("charge_w", "discharge_w", "does"), [(0, 100_000, {0, 90_000}), (100_000, 0, {0})])
def test_a_direction_without_power_leaves_the_other_one(
    charge_w: int, discharge_w: int, does: set[int]
) -> None:
    """When it is too cold to be charged, what it holds is still sold, and not a watt bought."""
    one = case(charge_w_max=np.full(8, charge_w), discharge_w_max=np.full(8, discharge_w), start_wh=100_000)
    found = chosen(one, plan=solved(one))
    assert (found.basis, found.violations) == ("optimised", ())
    setpoint = found.sites[0].setpoint_w
    assert setpoint.sum() == max(does)
    assert setpoint.min() >= 0
    assert setpoint[:4].tolist() == [0] * 4


HALF = np.array([100_000] * 4 + [0] * 4)


def test_what_one_direction_lacks_for_a_time_does_not_hold_the_other_back() -> None:
    """Not to be charged while energy is dear, nor discharged while it is cheap: what is earned stays."""
    whole = case()
    best = solved(whole).objective_micro
    for one in (case(charge_w_max=HALF), case(discharge_w_max=HALF[::-1].copy())):
        found = chosen(one, plan=solved(one))
        assert (found.basis, found.violations) == ("optimised", ())
        assert solved(one).objective_micro == best
    both = case(charge_w_max=HALF, discharge_w_max=HALF[::-1].copy())
    assert solved(both).objective_micro == best


def test_each_direction_is_limited_by_itself_in_each_interval() -> None:
    """70 kW in and 40 kW out in one interval each; elsewhere all of it."""
    into, out = np.full(8, 100_000), np.full(8, 100_000)
    into[1], out[1], out[6], into[6] = 70_000, 0, 40_000, 0
    one = case(charge_w_max=into, discharge_w_max=out, ceiling_wh=400_000)
    found = chosen(one, plan=solved(one))
    assert (found.basis, found.violations) == ("optimised", ())
    setpoint = found.sites[0].setpoint_w
    assert setpoint[:4].tolist() == [-100_000, -70_000, -100_000, -100_000]
    assert (setpoint[6], sorted(setpoint[[4, 5, 7]].tolist())) == (40_000, [59_700, 100_000, 100_000])


def test_the_rule_too_keeps_each_direction_by_itself() -> None:
    into = np.full(8, 20_000)
    found = chosen(case(charge_w_max=into), why="died")
    assert (found.basis, found.violations) == ("rule", ())
    assert found.sites[0].setpoint_w[:4].tolist() == [-20_000] * 4
    assert found.sites[0].setpoint_w.max() > 60_000, "what was charged in hours is given in one"
    none = chosen(case(charge_w_max=np.zeros(8, dtype=np.int64), start_wh=100_000), why="died")
    assert none.sites[0].setpoint_w.sum() == pytest.approx(90_000, abs=200)


def test_what_discharges_may_regulate_more_than_it_can_be_charged_with() -> None:
    """20 kW in and 100 out: 60 are free both ways while it discharges 40."""
    one = structs.replace(case(charge_w_max=np.full(8, 20_000), start_wh=150_000), regulation_w_max=60_000)
    block = np.arange(8) // 4
    terms = Regulation(block=block, price=np.array([0.0, 5.0]), sustain_h=0.1, call_kwh=0.0, kw_min=0.0)
    plan = optimise(PlanRequest(sites=(one.to_optimise(),), interval_h=1.0, regulation=terms))
    found = choose((one,), Markets(block=block, sustain_s=360), plan, "", start=START, before=None)
    assert (found.basis, found.violations) == ("optimised", ())
    assert found.offers.regulation_w[1] > 50_000


@given(seed=st.integers(0, 10_000), streams=st.sampled_from(["", "r"]))
@example(seed=15, streams="r")
@example(seed=84, streams="r")
@example(seed=9311, streams="r")
@settings(derandomize=True, max_examples=25, deadline=None, database=None)
def test_what_is_left_of_two_directions_is_kept_by_every_way(seed: int, streams: str) -> None:
    """Any limits of the two directions, and prices below 0 at which burning energy would pay: what the solver
    plans passes the check, which counts for itself."""
    draw = np.random.default_rng(seed)
    into, out = (draw.choice([0, 30_000, 100_000], 8) for _ in range(2))
    one = structs.replace(
        case(charge_w_max=into, discharge_w_max=out, start_wh=int(draw.integers(0, 200_000))),
        buy_micro=draw.choice([-200_000, 100_000, CHEAP, DEAR], 8),
        regulation_w_max=60_000 if streams else 0,
    )
    block = np.arange(8) // 2
    terms = Regulation(block=block, price=np.full(4, 0.5), sustain_h=0.25, call_kwh=0.1, kw_min=0.0)
    plan = optimise(
        PlanRequest(sites=(one.to_optimise(),), interval_h=1.0, regulation=terms if streams else None)
    )
    markets = Markets(block=block, sustain_s=900, call_wh_per_kw=100) if streams else Markets()
    found = choose((one,), markets, plan, "", start=START, before=None)
    assert found.basis in ("optimised", "incumbent")
    assert (found.passed_over, found.violations) == ((), ())
