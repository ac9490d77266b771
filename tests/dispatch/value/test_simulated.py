"""Simulated ways keep to the storage's physics, and see nothing that came later."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.optimiser.plan import Plan
from dispatch.optimiser.request import PlanRequest
from dispatch.optimiser.solve import solve
from dispatch.plan_check import Markets, check_site
from dispatch.planning.following import follow
from dispatch.planning.storage_terms import StorageTerms
from dispatch.value import simulated
from dispatch.value.simulated import (
    Expected,
    by_rule_w,
    known_prices,
    perfect_w,
    planned,
    trailing_mean,
    whole_wh,
)
from dispatch.value.site_month import SiteMonth, table_of
from tests.dispatch.value.months import TERMS, month

CHEAP, DEAR = 300_000, 1_200_000
DAY = [CHEAP] * 12 + [DEAR] * 12


def money(site: SiteMonth, setpoint_w: np.ndarray) -> float:
    return float((setpoint_w * site.buy_micro).sum()) / 1e9


def test_perfect_foresight_by_hand() -> None:
    """Two prices 0.3 and 1.2, 100 kW / 200 kWh, 0.9 each way: 180 kWh sold for 216.00, 222.22 kWh bought for
    66.67 leave 149.33."""
    site = month(DAY)
    setpoint = perfect_w(site)
    charge, discharge = whole_wh(setpoint, 3600)
    assert (charge.sum(), discharge.sum()) == (222_222, 179_999), "setpoints are whole W, cut off"
    assert round(money(site, setpoint), 2) == 149.33


def below_zero(days: int, terms: StorageTerms = TERMS) -> SiteMonth:
    """Hours at spot, all of them below 0."""
    draw = np.random.default_rng(4)
    wave = 100_000 * np.sin(np.arange(24 * days) / 12 * 2 * np.pi)
    price = (-300_000 + wave + 50_000 * draw.standard_normal(24 * days)).astype(np.int64)
    able = msgspec.structs.replace(terms, export_w=10_000_000)
    site = month([0] * 24, 0, days=days, terms=able)
    return msgspec.structs.replace(site, buy_micro=price, sell_micro=price, at_spot=True)


@pytest.mark.parametrize(("limit_wh", "plans"), [(None, 1), (100_000, 5)])
def test_a_month_below_zero_is_planned_without_a_search(
    monkeypatch: pytest.MonkeyPatch, limit_wh: int | None, plans: int
) -> None:
    """A choice in each of a month's intervals has no end; two days' are searched through for comparison."""
    asked: list[PlanRequest] = []

    def watched(request: PlanRequest) -> Plan:
        asked.append(request)
        return solve(request)

    monkeypatch.setattr(simulated, "solve", watched)
    site = below_zero(2, msgspec.structs.replace(TERMS, day_discharge_wh=limit_wh))
    found = money(site, perfect_w(site))
    assert len(asked) == plans
    for request in asked:
        stored = request.sites[0].storage
        assert not (stored.availability * stored.discharging).any(), "one direction in every interval"
    monkeypatch.setattr(simulated, "SEARCHED_MAX", 48)
    best = money(site, perfect_w(site))
    assert best > 0
    assert 0.999 * best <= found <= 1.0001 * best


def test_a_few_intervals_below_zero_are_searched_through(monkeypatch: pytest.MonkeyPatch) -> None:
    site = below_zero(1)
    price = site.buy_micro.copy()
    price[12:] += 1_000_000
    site = msgspec.structs.replace(site, buy_micro=price, sell_micro=price)
    monkeypatch.setattr(simulated, "directed", None)
    assert money(site, perfect_w(site)) > 0


@pytest.mark.parametrize("dear", [[DEAR, 2 * DEAR, DEAR], [2 * DEAR, DEAR, DEAR]])
def test_no_way_takes_more_out_of_the_cells_on_a_day_than_it_may(dear: list[int]) -> None:
    """100 kWh a day of the cells give 90: of three days none gives what another did not, by any way."""
    site = month(DAY, days=3, known_days=7, terms=msgspec.structs.replace(TERMS, day_discharge_wh=100_000))
    price = np.concatenate([[CHEAP] * 12 + [price] * 12 for price in dear])
    site = msgspec.structs.replace(site, buy_micro=price)
    done = planned(site, known_prices(site))
    for setpoint in (perfect_w(site), done.plan_w, done.delivered_w, by_rule_w(site, site.buy_micro)):
        given = np.maximum(setpoint, 0).reshape(3, 24).sum(axis=1)
        assert given.max() <= 90_000
        assert given.min() >= 89_000


def test_a_plan_with_perfect_forecasts_loses_nothing() -> None:
    """Where the horizon is the month and everything in it is known, the plan is the perfect one."""
    rng = np.random.default_rng(3)
    site = month(rng.integers(100_000, 1_500_000, 24).tolist(), days=3)
    best = perfect_w(site)
    found = planned(site, known_prices(site), horizon_days=3, load_known=True)
    assert not found.unknown
    assert abs(money(site, best) - money(site, found.plan_w)) < 0.01
    assert abs(money(site, best) - money(site, found.delivered_w)) < 0.01


@settings(derandomize=True, max_examples=20)
@given(st.integers(0, 2**31), st.sampled_from((0, 40_000_000)))
def test_every_way_obeys_the_storage(seed: int, peak_price: int) -> None:
    rng = np.random.default_rng(seed)
    site = month(rng.integers(100_000, 1_500_000, 24).tolist(), days=2, known_days=7)
    load = rng.integers(0, 300_000, 48)
    site = msgspec.structs.replace(site, load_w=load, peak_price_micro=peak_price)
    done = planned(site, known_prices(site))
    limits = site.limits(slice(0, 48), site.load_w, site.start_wh)
    for setpoint in (perfect_w(site), done.delivered_w, by_rule_w(site, site.buy_micro)):
        assert not check_site(limits, Markets(), follow(limits, setpoint))
        assert np.array_equal(follow(limits, setpoint).setpoint_w, setpoint)
        assert (site.load_w - setpoint >= 0).all(), "nothing is sent to the grid"


def test_a_plan_knows_nothing_of_its_day_or_later() -> None:
    """Other loads and prices from a day on change no plan up to that day."""
    rng = np.random.default_rng(5)
    site = month(DAY, days=4, known_days=7)
    site = msgspec.structs.replace(site, load_w=rng.integers(20_000, 300_000, 96), at_spot=True)
    seen = site.buy_micro + rng.integers(0, 200_000, 96)

    def prices(number: int, part: slice) -> Expected:
        """Those of the day before: the only ones told by then."""
        row = seen[max(0, number - 1) * 24 :][:24]
        again = np.resize(row, part.stop - part.start)
        return Expected(again, again)

    before = planned(site, prices)
    later = site.load_w.copy()
    later[48:] = 5_000
    after = planned(msgspec.structs.replace(site, load_w=later), prices)
    assert np.array_equal(before.plan_w[:72], after.plan_w[:72]), "up to the day that saw the other load"
    assert not np.array_equal(before.delivered_w[48:], after.delivered_w[48:])


def test_a_day_of_which_nothing_is_known_stands_still() -> None:
    site = month(DAY, days=2, known_days=7)
    found = planned(site, lambda number, part: None if number == 0 else known_prices(site)(number, part))
    assert found.unknown == (0,)
    assert not found.plan_w[:24].any()
    assert found.delivered_w[24:].any()
    fresh = month(DAY, days=2)
    assert planned(fresh, known_prices(fresh)).unknown == (0,), "the load of no day is known before the first"


def test_the_rule_buys_cheap_and_sells_dear() -> None:
    site = month(DAY)
    setpoint = by_rule_w(site, site.buy_micro)
    assert (setpoint[:12] <= 0).all()
    assert (setpoint[12:] >= 0).all()
    assert round(money(site, setpoint), 2) == 149.33


def at_spot(price: list[int], days: int, **given: int) -> SiteMonth:
    """No load, and every day the same prices, bought and sold at."""
    site = month(price, 0, days=days, terms=msgspec.structs.replace(TERMS, export_w=10_000_000, **given))
    return msgspec.structs.replace(site, sell_micro=site.buy_micro, at_spot=True)


def test_usual_prices_are_the_mean_of_the_days_before() -> None:
    """28 of them at most; of the day itself, or a later one, nothing."""
    site = at_spot(DAY, 3)
    before = np.stack([np.full(24, 9 * DEAR), *[np.full(24, DEAR)] * 28])
    usual = trailing_mean(site, before)
    assert (usual[:24] == DEAR).all(), "the 29th day before is forgotten"
    assert usual[24:48].tolist() == [(27 * DEAR + price) // 28 for price in DAY]
    assert trailing_mean(site, before[:0])[:24].tolist() == [0] * 24, "nothing is known"
    assert trailing_mean(site, before[:0])[24:48].tolist() == DAY
    other = site.buy_micro.copy()
    other[48:] = 1
    assert np.array_equal(trailing_mean(msgspec.structs.replace(site, buy_micro=other), before), usual)


def test_at_spot_the_rule_keeps_fixed_hours() -> None:
    """200 kWh at 100 kW and 90 %: three hours to fill, two to empty, whatever comes that day."""
    usual = [500_000] * 24
    usual[3], usual[4], usual[5], usual[12] = 100_000, 120_000, 110_000, 300_000
    usual[18], usual[19], usual[7] = 900_000, 950_000, 800_000
    site = at_spot(usual[::-1], 1)
    setpoint = by_rule_w(site, np.array(usual))
    assert np.flatnonzero(setpoint < 0).tolist() == [3, 4, 5]
    assert np.flatnonzero(setpoint > 0).tolist() == [18, 19]
    assert setpoint[18:20].tolist() == [100_000, 80_000 - 1]


def test_at_spot_the_rule_stands_still_where_the_spread_does_not_pay() -> None:
    """At 0.9 each way what is bought at 0.40 has to sell above 0.4938, with a wear of 0.05 above 0.55."""
    price = [400_000] * 12 + [0] * 12
    for sold, wear, runs in ((490_000, 0, False), (500_000, 0, True), (540_000, 50_000, False),
                             (560_000, 50_000, True)):  # fmt: skip
        price[12:] = [sold] * 12
        site = at_spot(price, 1, wear_micro=wear)
        assert by_rule_w(site, site.buy_micro).any() == runs, (sold, wear)
    flat = at_spot([-50_000] * 24, 1)
    assert not by_rule_w(flat, flat.buy_micro).any(), "one price all day, though burning would pay"
    partly = [400_000, 480_000, 480_000] + [450_000] * 18 + [700_000, 520_000, 520_000]
    site = at_spot(partly, 1)
    assert np.flatnonzero(by_rule_w(site, site.buy_micro)).tolist() == [0, 3, 21], "what the one hour takes"


def test_at_spot_a_day_ends_as_it_began() -> None:
    """A top at 08:00 before the dip at noon is no part of the cycle: what is bought is sold the same day."""
    usual = [450_000] * 24
    usual[8], usual[12:15], usual[18], usual[20] = 950_000, [100_000] * 3, 800_000, 700_000
    site = at_spot(usual, 2)
    setpoint = by_rule_w(site, site.buy_micro)
    assert np.flatnonzero(setpoint > 0).tolist() == [18, 20, 42, 44]
    assert np.flatnonzero(setpoint < 0).tolist() == [12, 13, 14, 36, 37, 38]


def test_the_rule_counts_what_is_borne_beside_the_price() -> None:
    """0.2 on what is drawn and nothing given back: 0.40 costs 0.60, for which 0.70 is too little."""
    price = [400_000] * 12 + [700_000] * 12
    site = at_spot(price, 1)
    assert by_rule_w(site, site.buy_micro).any()
    site = msgspec.structs.replace(site, buy_micro=site.sell_micro + 200_000)
    assert not by_rule_w(site, site.buy_micro).any()


def test_a_day_of_25_hours_has_its_fixed_hours() -> None:
    slot = np.array(sorted([*range(24), 2]))
    price = np.where(slot < 12, 100_000, 900_000)
    site = at_spot([0] * 24, 1)
    site = msgspec.structs.replace(
        site, load_w=np.zeros(25, dtype=np.int64), buy_micro=price, sell_micro=price,
        day=np.zeros(25, dtype=np.int64), slot=slot,
    )  # fmt: skip
    setpoint = by_rule_w(site, price)
    assert np.flatnonzero(setpoint).tolist() == [0, 1, 2, 13, 14]


def test_the_guard_holds_the_peak_that_the_plan_did_not_see() -> None:
    """A spike of one hour: the plan charges into it, for the energy is worth it; the guard does not."""
    dear_first = [CHEAP] * 3 + [DEAR] * 21
    site = month(dear_first, days=2, known_days=14, load_kw=200, peak_price_micro=1_000_000)
    load = site.load_w.copy()
    load[25] = 260_000
    site = msgspec.structs.replace(site, load_w=load)
    found = planned(site, known_prices(site))
    planned_net, net = site.load_w - found.plan_w, site.load_w - found.delivered_w
    assert planned_net[25] > net[25]
    assert net.max() < planned_net.max()


def test_days_of_23_and_25_hours() -> None:
    values = np.arange(48, dtype=np.int64)
    short = [hour for hour in range(24) if hour != 2]
    slot = np.array(short + sorted([*range(24), 2]))
    day = np.array([0] * 23 + [1] * 25)
    table = table_of(values, day, slot, 24)
    assert table[0].tolist() == [0, 1, 1, *range(2, 23)], "what was before stands in for the missing hour"
    assert table[1, 2] == (25 + 26) // 2, "of the repeated hour the mean"
    site = msgspec.structs.replace(
        month([CHEAP] * 24, days=2, known_days=7), day=day, slot=slot, load_w=values * 1000
    )
    assert (site.of_day(0), site.of_day(1)) == (slice(0, 23), slice(23, 48))
    found = planned(site, known_prices(site))
    assert len(found.plan_w) == 48
    assert TERMS.end_wh == 0
