"""Curves are monotone, within the unit, taken by every market's form check, and explained by hand."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.bidding.curve import CurveRules, PriceRange, StorageCost, beyond_plan_wh, curves_of
from dispatch.bidding.further import StoredRoom
from ledger.refusal import Refused
from tests.trading.market_samples import example
from trading.bid import Bid
from trading.bid_form import check_bid
from trading.product import Market, Product

MARKETS = sorted(path.stem for path in (Path(__file__).parents[3] / "examples/markets").glob("*.toml"))
MWH = 1000
"""Millionths per kWh of one unit of money a MWh."""
RULES = CurveRules(
    floor_u=-80 * MWH, cap_u=1500 * MWH, tick_u=10, lot_w=1000, quantity_min_w=0, quantity_max_w=None,
    segments_max=10, direction="both",
)  # fmt: skip
NO_WEAR = StorageCost(charge_ppm=800_000, discharge_ppm=800_000)
LESS_LOSS = StorageCost(charge_ppm=900_000, discharge_ppm=900_000)
COST = StorageCost(charge_ppm=950_000, discharge_ppm=950_000, wear_u=20_000, deviation_u=5_000)


@lru_cache
def energy_products() -> list[tuple[Market, Product]]:
    found = [(market, product) for market in map(example, MARKETS) for product in market.products]
    return [(market, product) for market, product in found if product.kind == "energy"]


def rules_of(product: Product) -> CurveRules:
    return CurveRules(
        floor_u=product.floor_u,
        cap_u=product.cap_u,
        tick_u=product.tick_u,
        lot_w=product.lot_w,
        quantity_min_w=product.quantity_min_w,
        quantity_max_w=product.quantity_max_w,
        segments_max=product.segments_max,
        direction=product.direction,
    )


def room(**changes: int) -> StoredRoom:
    held = {
        "stored_wh": 0,
        "floor_wh": 0,
        "ceiling_wh": 5000,
        "charge_ppm": 950_000,
        "discharge_ppm": 950_000,
    }
    return StoredRoom(**(held | {"interval_s": 3600} | changes))


def test_a_planned_cycle_by_hand() -> None:
    """Bought at 100, sold at 500 a MWh: far outside the day has 80 to 700, and there both are awarded."""
    prices = PriceRange((90_000, 450_000), (100_000, 500_000), (120_000, 600_000))
    buys, sells = curves_of((-4000, 3000), prices, COST, RULES, low_w=-7000, high_w=5000, room=room())
    assert [one.step for one in buys] == [(-4000, 0, 700_000)]
    assert (buys[0].ground, buys[0].at_u) == ("whole_day", 700_000)
    # 3800 of 5000 Wh are stored: 1200 more give 1140, of which whole lots; 600 is 100 above what is expected.
    assert [one.step for one in sells] == [(0, 3000, 80_000), (3000, 4000, 700_010)]
    assert [(one.ground, one.at_u, one.leg) for one in sells] == [
        ("whole_day", 80_000, None),
        ("beyond_forecast", 700_000, 0),
    ]
    assert beyond_plan_wh((buys, sells), 3600) == (0, 1000)


def test_a_trade_that_loses_nothing_further_out_is_offered_to_there() -> None:
    """Of certain prices 100 and 500 with 95 % each way (0.9025) and a wear of 20 a MWh of throughput: a sale
    costs 100 / 0.9025 + 10 x 2.10803, which is more than 100; with nothing lost it is the limit."""
    certain = (100_000, 500_000)
    prices = PriceRange(certain, certain, certain)
    buys, sells = curves_of((-4000, 3000), prices, COST, RULES, low_w=-4000, high_w=3000, room=None)
    assert [(one.step[2], one.ground) for one in (*buys, *sells)] == [
        (500_000, "whole_day"),
        (100_000, "whole_day"),
    ]
    below = (-700_000, 500_000)
    prices = PriceRange(below, below, below)
    buys, sells = curves_of((-4000, 3000), prices, COST, RULES, low_w=-4000, high_w=3000, room=None)
    # -700 / 0.9025 + 10 x 2.10803 is below the floor of -80.
    assert [(one.step[2], one.ground) for one in sells] == [(-80_000, "limit")]
    low, high = (-60_000, 100_000), (-50_000, 100_000)
    prices = PriceRange(low, high, high)
    _, sells = curves_of((-4000, 3000), prices, NO_WEAR, RULES, low_w=-4000, high_w=3000, room=None)
    # Far outside -70; against a purchase at -60 / 0.64 nothing is lost down to -93.75: the floor.
    assert [(one.step[2], one.ground) for one in sells] == [(-80_000, "limit")]
    _, sells = curves_of((-4000, 3000), prices, LESS_LOSS, RULES, low_w=-4000, high_w=3000, room=None)
    assert [(one.step[2], one.ground, one.at_u) for one in sells] == [(-74_070, "break_even", -60_000)]


def test_an_interval_stands_in_for_a_planned_one() -> None:
    """What is sold at 300 in the second hour is sold in the first from 300 and the cost of deviating on."""
    certain = (100_000, 300_000)
    prices = PriceRange(certain, certain, certain)
    first, second = curves_of(
        (0, 3000), prices, COST, RULES, low_w=-5000, high_w=5000, room=room(stored_wh=4000)
    )
    assert [(one.step, one.ground, one.leg) for one in first] == [((0, 3000, 305_000), "in_place", 1)]
    assert [one.leg for one in second] == [None]


def test_a_further_cycle_costs_its_leg_losses_wear_and_deviation() -> None:
    """Nothing is planned; 105 / 0.9025 + 10 x 2.10803 = 137.4239 a MWh, of which 4.5 kWh are stored."""
    certain = (100_000, 120_000)
    prices = PriceRange(certain, certain, certain)
    first, second = curves_of((0, 0), prices, COST, RULES, low_w=-5000, high_w=5000, room=room())
    assert first == ()
    assert [(one.step, one.ground, one.at_u, one.leg) for one in second] == [
        ((0, 4000, 137_430), "further_cycle", 100_000, 0)
    ]


def test_nothing_is_offered_beyond_the_plan_where_no_price_would_pay_for_it() -> None:
    certain = (100_000, 120_000)
    dear = StorageCost(charge_ppm=950_000, discharge_ppm=950_000, wear_u=9_000_000)
    prices = PriceRange(certain, certain, certain)
    assert curves_of((0, 0), prices, dear, RULES, low_w=-5000, high_w=5000, room=room()) == ((), ())


def test_without_room_nothing_but_the_plan_is_offered() -> None:
    prices = PriceRange((0, 0), (100_000, 500_000), (900_000, 900_000))
    buys, sells = curves_of((-4000, 3900), prices, COST, RULES, low_w=-5000, high_w=5000, room=None)
    assert [one.step[:2] for one in (*buys, *sells)] == [(-4000, 0), (0, 3000)], "whole lots toward 0 W"


def test_intervals_are_those_of_the_prices() -> None:
    with pytest.raises(Refused) as found:
        curves_of((1000,), PriceRange((0, 0), (0, 0), (0, 0)), COST, RULES, low_w=0, high_w=1000, room=None)
    assert found.value.code == "plan_shape"


@settings(max_examples=150)
@given(st.data())
def test_every_market_takes_the_form(data: st.DataObject) -> None:
    market, product = data.draw(st.sampled_from(energy_products()))
    day = data.draw(st.sampled_from([date(2026, 3, 29), date(2026, 7, 1), date(2026, 10, 25)]))
    while not market.delivers(product, day):
        day += timedelta(days=1)
    count = market.intervals(product, day)
    power = st.integers(-30_000_000, 30_000_000)
    price = st.integers(min(product.floor_u, -(10**6)), product.cap_u + 10**6)
    seeds = data.draw(st.lists(st.tuples(power, price, price, price), min_size=4, max_size=4))
    rows = [seeds[number % 4] for number in range(count)]
    triples = [sorted(row[1:]) for row in rows]
    plan = [row[0] for row in rows]
    held = data.draw(st.sampled_from([None, room(stored_wh=40_000_000, ceiling_wh=90_000_000)]))
    found = curves_of(
        plan,
        PriceRange(*(tuple(row[k] for row in triples) for k in range(3))),
        COST,
        rules_of(product),
        low_w=-25_000_000,
        high_w=20_000_000,
        room=held,
    )
    curves = tuple(tuple(one.step for one in curve) for curve in found)
    if any(curves):
        bid = Bid(id="b", unit="u", market=market.id, product=product.id, day=day, curves=curves)
        check_bid(bid, market, product)
    for curve, power_w in zip(curves, plan, strict=True):
        assert all(-25_000_000 <= low < high <= 20_000_000 for low, high, _ in curve)
        if held is None:
            assert all(min(power_w, 0) <= low < high <= max(power_w, 0) for low, high, _ in curve)
