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
    day_before,
    known_prices,
    perfect_w,
    planned,
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
    later = day_before(month(DAY, days=2), np.full(24, DEAR))
    assert (later[:24] == DEAR).all(), "on the first day those that are given"
    assert later[24:].tolist() == DAY


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
