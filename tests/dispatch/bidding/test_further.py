"""What is offered beyond a plan can be delivered beside it, whichever of it is taken, and pays its legs."""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.bidding.curve import (
    CurveRules,
    Explained,
    PriceRange,
    StorageCost,
    beyond_plan_wh,
    curves_of,
)
from dispatch.bidding.further import StoredRoom, Way
from dispatch.bidding.one_side import OneSide, one_side
from dispatch.optimiser.perfect_foresight import perfect_foresight
from dispatch.optimiser.site import Storage

HOURS = 24
LOT_W = 1000
RULES = CurveRules(
    floor_u=-500_000, cap_u=4_000_000, tick_u=100, lot_w=LOT_W, quantity_min_w=LOT_W, quantity_max_w=None,
    segments_max=10, direction="both",
)  # fmt: skip
COST = StorageCost(charge_ppm=940_000, discharge_ppm=930_000, wear_u=4_000, deviation_u=5_000)
ROOM = StoredRoom(
    stored_wh=200_000, floor_wh=100_000, ceiling_wh=950_000, charge_ppm=940_000, discharge_ppm=930_000,
    interval_s=3600,
)  # fmt: skip
POWER_W = 500_000
WAYS: tuple[Way, Way] = (-1, 1)


def planned(prices_u: Sequence[int]) -> list[int]:
    """The best day at these prices, in whole lots and a little within the limits."""
    storage = Storage(
        charge_kw=500.0, discharge_kw=500.0, floor_kwh=104.0, ceiling_kwh=946.0, start_kwh=200.0,
        end_kwh=200.0, charge_efficiency=0.94, discharge_efficiency=0.93, availability=np.ones(HOURS),
        reserve_kwh=np.zeros(HOURS), wear_price=0.004,
    )  # fmt: skip
    found = perfect_foresight(storage, 1.0, np.array(prices_u) / 1e6).day_ahead_w
    return [int(power / LOT_W) * LOT_W for power in found.tolist()]


def offered(plan_w: Sequence[int], prices: PriceRange) -> tuple[tuple[Explained, ...], ...]:
    return curves_of(plan_w, prices, COST, RULES, low_w=-POWER_W, high_w=POWER_W, room=ROOM)


def awarded(curve: Sequence[Explained], price_u: int, taken: float = 1.0) -> tuple[int, int]:
    """W of the plan, and W beyond it, at a cleared price; of what is exactly at the price a part."""
    inside = beyond = 0
    for one in curve:
        low, high, at = one.step
        power = 0
        if low >= 0 and price_u >= at:
            power = int((high - low) * (taken if price_u == at else 1))
        elif high <= 0 and price_u <= at:
            power = int((low - high) * (taken if price_u == at else 1))
        if one.leg is None:
            inside += power
        else:
            beyond += power
    return inside, beyond


def leg_w(power_w: int, *, in_place: bool) -> Fraction:
    """What the other leg does for what is awarded beyond the plan, the other way."""
    if in_place:
        return -Fraction(power_w)
    return -power_w / COST.round_trip if power_w > 0 else -power_w * COST.round_trip


def delivered(
    plan_w: Sequence[int], beyond_w: Sequence[int], curves: Sequence[Sequence[Explained]]
) -> list[Fraction]:
    """The plan with what was awarded beyond it and the other legs of that."""
    found = [Fraction(one) for one in plan_w]
    for at, power in enumerate(beyond_w):
        for one in curves[at]:
            if one.leg is not None and power:
                found[at] += power
                found[one.leg] += leg_w(power, in_place=plan_w[one.leg] * power > 0)
    return found


def check_deliverable(path_w: Sequence[Fraction]) -> None:
    stored = Fraction(ROOM.stored_wh)
    for power in path_w:
        assert -POWER_W - 1 <= power <= POWER_W + 1
        rate = Fraction(ROOM.charge_ppm, 10**6) if power < 0 else Fraction(10**6, ROOM.discharge_ppm)
        stored -= power * rate
        assert ROOM.floor_wh - 2 <= stored <= ROOM.ceiling_wh + 2


prices = st.integers(-100_000, 400_000)
days = st.lists(st.tuples(prices, prices, prices), min_size=HOURS, max_size=HOURS)


@settings(max_examples=60, deadline=None)
@given(
    days,
    st.lists(st.integers(-500_000, 4_000_000), min_size=HOURS, max_size=HOURS),
    st.randoms(use_true_random=False),
)
def test_whatever_clears_the_plan_with_it_can_be_delivered_within_one_cycle(
    day: list[tuple[int, int, int]], cleared: list[int], dice: random.Random
) -> None:
    low, expected, high = (tuple(row) for row in zip(*map(sorted, day), strict=True))
    plan = planned(expected)
    curves = offered(plan, PriceRange(low, expected, high))
    charged, discharged = beyond_plan_wh(curves, 3600)
    cell = ROOM.ceiling_wh - ROOM.floor_wh
    assert discharged <= cell * 93 // 100
    assert charged * 94 // 100 <= cell
    beyond = [awarded(curve, price, dice.random())[1] for curve, price in zip(curves, cleared, strict=True)]
    some = [int(power * dice.choice((0, 0.4, 1))) for power in beyond]
    every = [sum(o.step[1] - o.step[0] if o.step[0] >= 0 else o.step[0] - o.step[1]
                 for o in curve if o.leg is not None) for curve in curves]  # fmt: skip
    for taken in (beyond, some, every):
        assert sum(max(one, 0) for one in taken) <= discharged
        assert -sum(min(one, 0) for one in taken) <= charged
        check_deliverable(delivered(plan, taken, curves))


@settings(max_examples=60, deadline=None)
@given(days, st.data())
def test_within_the_forecast_the_plan_alone_is_awarded(
    day: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    low, expected, high = (tuple(row) for row in zip(*map(sorted, day), strict=True))
    plan = planned(expected)
    curves = offered(plan, PriceRange(low, expected, high))
    for at, curve in enumerate(curves):
        price = data.draw(st.integers(low[at], high[at]))
        inside, beyond = awarded(curve, price)
        assert beyond == 0
        assert inside == plan[at], "the plan is awarded whole"


@settings(max_examples=60, deadline=None)
@given(days, st.data())
def test_no_price_of_the_day_parts_a_purchase_from_its_sale(
    day: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    """Flat or not: as long as prices keep between the day's lowest and highest far outside the forecast."""
    low, expected, high = (tuple(row) for row in zip(*map(sorted, day), strict=True))
    plan = planned(expected)
    found = PriceRange(low, expected, high)
    curves, far = offered(plan, found), found.outside()
    least = max(-(-min(far.low_u) // RULES.tick_u) * RULES.tick_u, RULES.floor_u)
    most = min(max(far.high_u) // RULES.tick_u * RULES.tick_u, RULES.cap_u)
    for at, curve in enumerate(curves):
        price = data.draw(st.integers(least, most))
        assert awarded(curve, price)[0] == plan[at]


@settings(max_examples=60, deadline=None)
@given(days)
def test_nothing_beyond_the_plan_is_a_crumb(day: list[tuple[int, int, int]]) -> None:
    """At least a twentieth of the power: a segment of 1 kW of 500 is not worth its reason."""
    low, expected, high = (tuple(row) for row in zip(*map(sorted, day), strict=True))
    curves = offered(planned(expected), PriceRange(low, expected, high))
    sizes = [one.step[1] - one.step[0] for curve in curves for one in curve if one.leg is not None]
    assert all(size >= POWER_W // 20 for size in sizes)


@settings(max_examples=100, deadline=None)
@given(days, st.lists(st.integers(-500_000, 4_000_000), min_size=HOURS, max_size=HOURS))
def test_no_path_of_prices_is_worse_than_one_side_alone(
    day: list[tuple[int, int, int]], cleared: list[int]
) -> None:
    low, expected, high = (tuple(row) for row in zip(*map(sorted, day), strict=True))
    curves = offered(planned(expected), PriceRange(low, expected, high))
    bought, sold = (one_side(curves, way, ROOM, RULES, COST.deviation_u) for way in WAYS)
    stored = least = most = Fraction(ROOM.stored_wh)
    for curve, price in zip(curves, cleared, strict=True):
        power = sum(awarded(curve, price))
        stored -= power * (Fraction(94, 100) if power < 0 else Fraction(100, 93))
        least, most = min(least, stored), max(most, stored)
    assert most <= ROOM.ceiling_wh + (bought.over_wh + 1) * Fraction(94, 100)
    assert least >= ROOM.floor_wh - (sold.over_wh + 1) * Fraction(100, 93)


def test_one_side_alone_by_hand() -> None:
    """Room for 750 kWh takes 797,872 Wh at the meter of 1,000 kWh bought; 100 kWh stored give 93. Too much is
    bought at 300 and given back at -500, or sold at 120 and bought back at 4,000; deviating costs 5."""
    steps = ((-500_000, 0, 300_000),), ((-500_000, 0, 250_000),), ((0, 200_000, 120_000),)
    curves = [[Explained(step, "whole_day", 0) for step in one] for one in steps]
    bought, sold = (one_side(curves, way, ROOM, RULES, COST.deviation_u) for way in WAYS)
    assert (bought.awarded_wh, bought.over_wh) == (1_000_000, 202_128)
    assert bought.cost_u == 202_128 * 805_000 // 1000
    assert (sold.awarded_wh, sold.over_wh, sold.cost_u) == (200_000, 107_000, 107_000 * 3_885_000 // 1000)
    assert one_side([], 1, ROOM, RULES, 0) == OneSide(0, 0, 0)


def gained(
    plan_w: Sequence[int], curves: Sequence[Sequence[Explained]], cleared: Sequence[int]
) -> tuple[Fraction, int]:
    """Millionths that the awards beyond the plan bring, their legs made at the cleared price and the cost of
    deviating, or bought back at once where that costs less; and the Wh of them."""
    money, energy = Fraction(0), 0
    for at, curve in enumerate(curves):
        _, power = awarded(curve, cleared[at])
        for one in curve:
            if one.leg is None or not power:
                continue
            in_place = plan_w[one.leg] * power > 0
            leg = leg_w(power, in_place=in_place)
            kwh, leg_kwh = Fraction(power, 1000), leg / 1000
            through = 0 if in_place else Fraction(COST.wear_u, 2) * (abs(kwh) + abs(leg_kwh))
            made = kwh * cleared[at] + leg_kwh * cleared[one.leg] - abs(leg_kwh) * COST.deviation_u - through
            money += max(made, -abs(kwh) * COST.deviation_u)
            energy += abs(power)
    return money, energy


@settings(max_examples=100, deadline=None)
@given(days, st.data())
def test_what_deviates_costs_less_than_the_offers_beyond_the_plan_bring(
    day: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    """Where the other legs' prices come as forecast; where they do not, no more is lost than the cost of
    leaving what was awarded."""
    low, expected, high = (tuple(row) for row in zip(*map(sorted, day), strict=True))
    plan = planned(expected)
    curves = offered(plan, PriceRange(low, expected, high))
    legs = {one.leg for curve in curves for one in curve if one.leg is not None}
    cleared = [
        data.draw(st.integers(low[at], high[at]) if at in legs else st.integers(-500_000, 4_000_000))
        for at in range(HOURS)
    ]
    money, _ = gained(plan, curves, cleared)
    assert money >= 0
    wild = data.draw(st.lists(st.integers(-500_000, 4_000_000), min_size=HOURS, max_size=HOURS))
    money, energy = gained(plan, curves, wild)
    assert money >= -Fraction(energy * COST.deviation_u, 1000)


def test_three_weeks_of_a_spot_market_lose_nothing_beyond_the_plan() -> None:
    """Day-ahead prices of Shandong, each day forecast by the seven before; legs at the day's own prices."""
    file = Path(__file__).parents[3] / "examples/prices/shandong_spot_2026.csv"
    with file.open(encoding="utf-8") as rows:
        told = [round(float(row["day_ahead_cny_per_kwh"]) * 1e6) for row in csv.DictReader(rows)]
    table = np.array(told).reshape(-1, HOURS)
    money, energy, most = Fraction(0), 0, 0
    for day in range(7, len(table)):
        week = np.sort(table[day - 7 : day], axis=0)
        expected = tuple(week.mean(axis=0).astype(int).tolist())
        plan = planned(expected)
        curves = offered(plan, PriceRange(tuple(week[0].tolist()), expected, tuple(week[-1].tolist())))
        cleared = table[day].tolist()
        beyond = [awarded(curve, price)[1] for curve, price in zip(curves, cleared, strict=True)]
        check_deliverable(delivered(plan, beyond, curves))
        charged, discharged = beyond_plan_wh(curves, 3600)
        assert sum(map(abs, beyond)) <= charged + discharged
        made, taken = gained(plan, curves, cleared)
        money, energy, most = money + made, energy + taken, most + charged + discharged
    assert most > 0, "something is offered"
    assert money >= 0
    assert energy <= most // 10, "what is far outside the forecast comes seldom"
