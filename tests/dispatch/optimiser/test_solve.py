"""What the optimiser answers, against optima found elsewhere and plans worked by hand."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from dispatch.optimiser.fleet import Fleet
from dispatch.optimiser.market_terms import Regulation, Response, Spot
from dispatch.optimiser.objective import Objective
from dispatch.optimiser.optimise import optimise
from dispatch.optimiser.plan import Plan
from dispatch.optimiser.rules import Rules
from dispatch.optimiser.solve import chunks, merged, solve, solve_in_chunks
from ledger.refusal import Refused
from tests.dispatch.optimiser.shared_instance import optima, request_of
from tests.dispatch.optimiser.small_site import request, site, storage
from tests.dispatch.optimiser.synthetic import portfolio

QUICK = [x for x in optima() if x["instance"] != "N5T96s0"]


def money(plan: Plan) -> float:
    return plan.objective_micro / 1e6


@pytest.mark.skipif(not QUICK, reason="optima.json is not in ../shared/optimiser")
def test_the_shared_optima_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """They value what stays stored at the tariff, at spot as well."""

    def at_the_tariff(fleet: Fleet) -> None:
        fleet.end_value = np.maximum(fleet.buy.min(axis=1), 0.0) * fleet.discharge_efficiency
        fleet.spot_end_value = fleet.end_value

    monkeypatch.setattr(Fleet, "_value_stored", at_the_tariff)
    for known in QUICK:
        asked = request_of(str(known["instance"]), str(known["streams"]), integer=bool(known["integer"]))
        plan = solve(asked)
        assert money(plan) == pytest.approx(float(str(known["objective_cny"])), rel=1e-7), known
        assert plan.gap_ppm <= 1
        if known["integer"] or not known["streams"]:
            worth = (plan.cost_micro - plan.revenue_micro) / 1e6
            count = len(plan.sites)
            assert worth == pytest.approx(money(plan), abs=0.1 * count), "rounding to W costs no more"


def saving(stored: Any) -> float:
    idle = 300.0 * 0.3 * 4 + 300.0 * 1.2 * 4
    return idle - money(solve(request(site(8, stored))))


def test_two_prices_by_hand() -> None:
    """200 / 0.9 kWh bought at 0.3, 180 kWh not bought at 1.2: 149.3333; with wear 0.06: 137.2667."""
    assert saving(storage(8)) == pytest.approx(149.3333, abs=1e-4)
    assert saving(storage(8, wear_price=0.06)) == pytest.approx(137.2667, abs=1e-4)


def test_a_peak_by_hand() -> None:
    """700 kW for an hour over a peak of 550 so far; 100 kWh held without losses take 100 kW off: 4000."""
    stored = storage(
        4, discharge_kw=200.0, charge_kw=200.0, ceiling_kwh=100.0, start_kwh=100.0,
        charge_efficiency=1.0, discharge_efficiency=1.0,
    )  # fmt: skip
    load = np.array([500.0, 700.0, 500.0, 500.0])
    asked = site(4, stored, load_kw=load, buy_price=np.zeros(4), peak_kw=550.0, peak_price=40.0)
    plan = solve(request(asked))
    assert (700.0 - 550.0) * 40 - money(plan) == pytest.approx(4000.0, abs=1e-6)
    assert plan.sites[0].setpoint_w.tolist()[1] == 100_000
    assert plan.sites[0].demand_micro == 2_000_000_000


def test_chunks_are_the_whole() -> None:
    asked = portfolio(5, 7, "", count=48)
    whole, cut = solve(asked), solve_in_chunks(asked, size=3)
    assert cut.objective_micro == pytest.approx(whole.objective_micro, rel=1e-9)
    assert [s.id for s in cut.sites] == [s.id for s in asked.sites]
    assert cut.cost_micro == pytest.approx(whole.cost_micro, rel=1e-5)
    with pytest.raises(Refused) as refused:
        chunks(portfolio(5, 2, "s", count=24))
    assert refused.value.code == "plan_coupled"


def test_a_site_without_a_plan_is_named_and_spoils_no_other() -> None:
    good = site(8)
    bad = site(8, id="S2", import_kw_max=np.full(8, 250.0))
    both, alone = solve(request(good, bad)), solve(request(good))
    assert both.status == "relaxed"
    assert both.of("S2").reason.startswith("import_kw_max[")
    assert both.of("S1").reason == ""
    assert both.of("S1").energy_micro == pytest.approx(alone.of("S1").energy_micro, abs=1000)
    assert both.reason == f"S2: {both.of('S2').reason}"


def test_the_meters_limit_gives_way_before_the_storages() -> None:
    """300 kW behind 250: 100 kWh above the floor of 50 give 90 kWh, and of 8 x 50 kWh 310 are missed."""
    stored = storage(8, floor_kwh=50.0, start_kwh=150.0, end_kwh=50.0, discharge_kwh_max=(120.0,))
    plan = solve(request(site(8, stored, import_kw_max=np.full(8, 250.0))))
    assert plan.status == "relaxed"
    assert plan.sites[0].stored_wh.min() >= 50_000 - 1
    import_w = 300_000 - plan.sites[0].setpoint_w
    assert np.maximum(import_w - 250_000, 0).sum() == pytest.approx(310_000, abs=50)
    assert plan.reason.startswith("S1: import_kw_max[")
    assert "reserve_kwh" not in plan.reason
    assert "discharge_kwh_max" not in plan.reason


def test_what_is_only_wished_to_stay_stored_gives_way_before_the_meters_limit() -> None:
    wished = np.full(4, 100.0)
    stored = storage(4, start_kwh=100.0, reserve_kwh=wished, wish_kwh=wished)
    plan = solve(request(site(4, stored, import_kw_max=np.full(4, 280.0))))
    assert (plan.status, plan.reason) == ("optimal", "")
    assert (300_000 - plan.sites[0].setpoint_w).max() <= 280_002


def test_what_gives_way_costs_nobody_else_anything() -> None:
    """Sites that share a market: the others trade as they do alone, and the objective holds no penalty."""
    asked = portfolio(3, 3, "rds", count=24)
    bad = msgspec.structs.replace(asked.sites[2], import_kw_max=np.full(24, 1.0))
    plan, others = (
        optimise(msgspec.structs.replace(asked, sites=sites))
        for sites in ((*asked.sites[:2], bad), asked.sites[:2])
    )
    assert plan.status == "relaxed"
    assert plan.of(bad.id).reason.startswith("import_kw_max[")
    alone = sum(site.energy_micro + site.demand_micro for site in others.sites)
    together = sum(site.energy_micro + site.demand_micro for site in plan.sites[:2])
    assert together == pytest.approx(alone, rel=0.02)
    assert abs(plan.objective_micro) < 1e6 * 1e6


def test_a_day_has_its_own_limit_of_discharge() -> None:
    """50 kWh a day: what one day does not use another may not."""
    price = np.array([0.3, 0.3, 0.9, 0.9, 0.3, 0.3, 1.2, 1.2])
    stored = storage(8, discharge_kwh_max=(50.0, 20.0), day=np.array([0] * 4 + [1] * 4))
    plan = solve(request(site(8, stored, buy_price=price))).sites[0]
    assert plan.setpoint_w[:4].clip(0).sum() == 45_000
    assert plan.setpoint_w[4:].clip(0).sum() == 18_000
    with pytest.raises(Refused) as refused:
        solve(request(site(8, storage(8, discharge_kwh_max=(50.0, 20.0)))))
    assert (refused.value.code, refused.value.place) == ("series_shape", "sites.S1.storage.day")


def test_the_target_at_the_end_is_soft() -> None:
    stored = storage(4, end_kwh=200.0, availability=np.array([1.0, 0.0, 0.0, 0.0]))
    plan = solve(request(site(4, stored)))
    assert plan.status == "optimal"
    assert plan.sites[0].stored_wh.tolist() == [90_000] * 4, "an hour at 100 kW and 90 %"
    assert plan.sites[0].reason == "end_kwh is missed by 110.000"


def test_reserve_lease_availability_and_ramp_hold() -> None:
    reserve = np.array([0, 0, 0, 0, 0, 60.0, 0, 0])
    stored = storage(
        8,
        reserve_kwh=reserve,
        leased_kw=40.0,
        availability=np.array([1, 1, 1, 1, 1, 1, 0.5, 1.0]),
        ramp_kw=30.0,
    )
    plan = solve(request(site(8, stored))).sites[0]
    assert plan.stored_wh[5] >= 59_999
    assert np.abs(plan.setpoint_w).max() <= 60_000
    assert abs(plan.setpoint_w[6]) <= 10_000, "half of 100 kW less 40 kW leased"
    assert np.abs(np.diff(plan.setpoint_w, prepend=0)).max() <= 30_001


def test_cycles_bound_what_the_cells_discharge() -> None:
    plan = solve(request(site(8, storage(8, discharge_kwh_max=(50.0,))))).sites[0]
    assert plan.setpoint_w.clip(0).sum() == 45_000, "50 kWh of the cells at 90 %"


def test_pv_is_stored_not_curtailed_where_it_is_worth_more_later() -> None:
    pv = np.array([350.0, 300.0, 300.0, 300.0, 0, 0, 0, 0])
    plan = solve(request(site(8, pv_kw=pv, buy_price=np.full(8, 0.5)))).sites[0]
    assert plan.setpoint_w[0] == -50_000, "the surplus that may not be exported"
    assert plan.curtailed_w.sum() == 0
    full = storage(8, start_kwh=200.0, end_kwh=200.0)
    plan = solve(request(site(8, full, pv_kw=pv, buy_price=np.full(8, 0.5)))).sites[0]
    assert plan.curtailed_w.sum() > 0


@pytest.mark.parametrize("count", [92, 100])
def test_days_on_which_the_clocks_change(count: int) -> None:
    plan = solve(msgspec.structs.replace(portfolio(2, 2, "r", count=count)))
    assert len(plan.sites[0].setpoint_w) == count
    assert len(plan.regulation_w) == count // 4


def test_negative_prices_burn_no_energy() -> None:
    """At -2 a kWh the relaxed storage would charge and discharge at once; a real one cannot."""
    price = np.array([-2.0, -2.0, -2.0, 0.5])
    stored = storage(4, wear_price=0.06)
    plan = solve(request(site(4, stored, buy_price=price, load_kw=np.zeros(4)))).sites[0]
    assert sorted(plan.setpoint_w.tolist()) == [-100_000, -100_000, -22_222, 0], "filled once, 200 / 0.9"
    relaxed = solve(request(site(4, stored, buy_price=price, load_kw=np.zeros(4)), integer=False))
    assert money(relaxed) < plan.energy_micro / 1e6 + plan.wear_micro / 1e6 - 1


def test_a_full_store_burns_nothing_to_make_room_for_regulation() -> None:
    """Nothing can leave a full store without load or export, so no room can be offered downward."""
    stored = storage(4, start_kwh=200.0)
    idle = site(4, stored, load_kw=np.zeros(4), buy_price=np.full(4, 0.01), regulation_kw_max=50.0)
    terms = Regulation(block=np.arange(4), price=np.full(4, 5.0), sustain_h=0.5, call_kwh=0.0)
    plan = solve(request(idle, regulation=terms))
    assert plan.sites[0].setpoint_w.tolist() == [0] * 4
    assert plan.regulation_w.tolist() == [0] * 4
    relaxed = solve(request(idle, regulation=terms, integer=False))
    assert relaxed.revenue_micro > 0, "the relaxed storage burns its way free"


def test_selling_dearer_than_buying_does_not_run_in_circles() -> None:
    asked = site(
        4, storage(4, availability=np.zeros(4)), sell_price=np.full(4, 2.0), export_kw_max=np.full(4, 500.0)
    )
    assert money(solve(request(asked))) == pytest.approx(300 * (0.3 * 2 + 1.2 * 2))
    assert money(solve(request(asked, integer=False))) < 0


def response(count: int, kw_max: float = 60.0) -> Response:
    slot = np.array([count - 1])
    return Response(
        slot=slot, price=np.array([3.0]), shortfall_price=np.array([4.5]), kw_min=10.0, kw_max=kw_max
    )


def test_a_response_is_measured_below_its_baseline() -> None:
    """300 kW baseline, 100 kW of storage: 60 kW committed, never more than is delivered."""
    plan = solve(request(site(8, baseline_kw=np.array([300.0])), response=response(8)))
    assert plan.response_w.tolist() == [60_000]
    assert plan.sites[0].setpoint_w[7] >= 60_000
    low = solve(request(site(8, baseline_kw=np.array([150.0])), response=response(8)))
    assert low.response_w.tolist() == [0], "its load is above the baseline by more than the storage gives"


def test_a_market_awards_at_least_its_minimum_or_nothing() -> None:
    terms = Regulation(block=np.arange(8), price=np.full(8, 0.1), sustain_h=0.0, call_kwh=0.0, kw_min=40.0)
    small = solve(request(site(8, regulation_kw_max=30.0), regulation=terms))
    assert small.regulation_w.tolist() == [0] * 8
    large = solve(request(site(8, regulation_kw_max=50.0), regulation=terms))
    assert set(large.regulation_w.tolist()) <= {0, *range(40_000, 50_001)}
    assert large.regulation_w.max() == 50_000


def spot(count: int) -> Spot:
    price = np.full(count, 0.4)
    price[0], price[1], price[-1] = 0.01, 0.01, 3.0
    return Spot(price=price, kw_max=80.0)


def trader(**given: Any) -> Any:
    return site(8, spot=True, export_kw_max=np.full(8, 500.0), **given)


def test_a_storage_is_at_spot_or_behind_the_meter() -> None:
    plan = solve(request(trader(), spot=spot(8))).sites[0]
    assert np.array_equal(plan.spot_w, plan.setpoint_w), "all of it is traded"
    assert plan.spot_w.max() == 80_000, "the market takes no more"
    barred = solve(request(trader(spot_mode="barred"), spot=spot(8))).sites[0]
    assert not barred.spot_w.any()
    assert barred.setpoint_w.any()
    held = solve(request(trader(spot_mode="held"), spot=Spot(price=np.full(8, 0.4), kw_max=80.0))).sites[0]
    assert not held.setpoint_w.any(), "a flat spot price earns nothing, and the tariff is not open to it"


def test_by_interval_a_storage_may_buy_at_spot_and_lower_the_bill_later() -> None:
    month = solve(request(trader(), spot=spot(8)))
    interval = solve(request(trader(), spot=spot(8), rules=Rules(spot_scope="interval")))
    assert interval.objective_micro < month.objective_micro
    plan = interval.sites[0]
    apart = (plan.spot_w == 0) | (plan.spot_w == plan.setpoint_w)
    assert apart.all(), "never both in one interval"


def test_a_site_that_responds_does_not_trade() -> None:
    asked = request(trader(baseline_kw=np.array([300.0])), spot=spot(8), response=response(8))
    plan = solve(asked)
    assert not (plan.response_w.any() and plan.spot_w.any())


def test_regulation_alone_keeps_the_setpoint_still() -> None:
    terms = Regulation(block=np.arange(8), price=np.full(8, 0.3), sustain_h=0.2, call_kwh=0.0)
    stored = storage(8, start_kwh=100.0)
    plan = solve(
        request(site(8, stored, regulation_kw_max=50.0), regulation=terms, rules=Rules(regulation_alone=True))
    ).sites[0]
    assert plan.regulation_w.any()
    assert plan.setpoint_w.any()
    assert not (plan.setpoint_w * plan.regulation_w).any()


def test_contracts_bar_and_weigh_streams() -> None:
    terms = Regulation(block=np.arange(8), price=np.full(8, 0.3), sustain_h=0.2, call_kwh=0.0)
    stored = storage(8, start_kwh=100.0)

    def offered(**given: Any) -> int:
        asked = site(8, stored, regulation_kw_max=100.0, **given)
        return int(solve(request(asked, regulation=terms)).regulation_w.sum())

    plain = offered()
    assert offered(barred=frozenset(["ancillary"])) == 0
    assert offered(weights={"ancillary": 0.0}) < plain < offered(weights={"ancillary": 10.0})
    peaky = site(8, peak_kw=300.0, peak_price=40.0)
    assert solve(request(peaky)).sites[0].demand_micro == 0
    unweighed = msgspec.structs.replace(peaky, barred=frozenset(["demand_charge"]))
    assert solve(request(unweighed)).sites[0].setpoint_w.min() == -100_000


def test_aims_in_order() -> None:
    """Support of the grid in an hour in which discharging earns nothing, at no cost, and before cost."""
    support = np.zeros(8)
    support[0] = 1.0
    stored = storage(8, start_kwh=100.0)

    def plan(objective: Objective) -> Plan:
        return solve(request(site(8, stored), objective=objective))

    cheapest = plan(Objective())
    cost_first = plan(Objective(order=("cost", "grid_support"), support=support))
    support_first = plan(Objective(order=("grid_support", "cost"), support=support))
    weighted = plan(Objective(weights={"cost": 1.0, "grid_support": 0.5}, support=support))
    assert cost_first.cost_micro == pytest.approx(cheapest.cost_micro, abs=1000)
    assert support_first.support_wh == 90_000, "100 kWh of the cells at 90 %"
    assert support_first.cost_micro > cheapest.cost_micro
    assert cost_first.support_wh <= weighted.support_wh <= support_first.support_wh


def test_merged_plans_add_up() -> None:
    parts = tuple(solve(part) for part in chunks(portfolio(8, 4, "", count=24), 2))
    plan = merged(parts)
    assert plan.objective_micro == parts[0].objective_micro + parts[1].objective_micro
    assert plan.of("S4").setpoint_w.tolist() == parts[1].sites[1].setpoint_w.tolist()
    with pytest.raises(KeyError):
        plan.of("S9")


def test_regulation_and_response_are_asked_where_no_site_regulates() -> None:
    terms = Regulation(block=np.arange(8), price=np.full(8, 0.1), sustain_h=0.5, call_kwh=0.1)
    asked = request(site(8, baseline_kw=np.array([300.0])), regulation=terms, response=response(8))
    for plan in (optimise(asked), solve(asked)):
        assert plan.response_w.tolist() == [60_000]
        assert plan.regulation_w.tolist() == [0] * 8


@pytest.mark.parametrize("way", [optimise, solve])
def test_a_response_counts_pv_as_well(way: Any) -> None:
    """Baseline 300 kW, load 300, PV 1,000, storage 100: the meter can show 1,100 kW below its baseline."""
    pv = np.zeros(8)
    pv[7] = 1000.0
    full = storage(8, start_kwh=200.0)
    sunny = site(8, full, pv_kw=pv, baseline_kw=np.array([300.0]), export_kw_max=np.full(8, 2000.0))
    plan = way(request(sunny, response=response(8, kw_max=5000.0)))
    assert plan.response_w.tolist() == [1_100_000]


def test_what_gives_way_is_told_first_and_worst_and_in_all() -> None:
    """300 and 400 kW behind 250 by an empty storage: 50 in two hours, then 150 in one."""
    load = np.array([300.0, 300.0, 400.0, 200.0])
    never = storage(4, availability=np.zeros(4))
    plan = solve(request(site(4, never, load_kw=load, import_kw_max=np.full(4, 250.0))))
    assert plan.reason == (
        "S1: import_kw_max[0] gives way by 50.000 kW, in 3 intervals by up to 150.000 kW ([2]),"
        " 250.000 kWh in all"
    )
    one = solve(request(site(4, never, load_kw=load, import_kw_max=np.full(4, 390.0))))
    assert one.reason == "S1: import_kw_max[2] gives way by 10.000 kW, 10.000 kWh in all"


def test_days_and_stored_energy_that_give_way_are_told_as_such() -> None:
    """Below its floor of 50 kWh with nothing to charge by: 20 kWh missed in each of four hours."""
    low = storage(4, floor_kwh=0.0, start_kwh=30.0, reserve_kwh=np.full(4, 50.0), availability=np.zeros(4))
    plan = solve(request(site(4, low)))
    told = "S1: reserve_kwh[0] gives way by 20.000 kWh, in 4 intervals by up to 20.000 kWh ([0])"
    assert plan.reason == told
