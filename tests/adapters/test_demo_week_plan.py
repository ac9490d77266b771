"""How the demo's desk plans and offers a day, and what its storages then do."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.demo.trading_book import FIRST, MARKET, PRODUCT, charge_on_losses_u, envelope, market
from adapters.demo.week_plan import Metered, Shared, best_schedule_w, curves, metered
from trading.bid import Bid
from trading.bid_form import check_bid
from trading.envelope import PPM, UnitEnvelope

ONE_MW = UnitEnvelope(
    discharge_w=1_000_000,
    charge_w=1_000_000,
    stored_wh=20_000,
    floor_wh=0,
    ceiling_wh=2_040_000,
    charge_ppm=800_000,
    discharge_ppm=PPM,
)
"""2 MWh between the margins, a fifth of what is charged is lost."""

HOURS = st.lists(st.integers(-80_000, 1_300_000), min_size=24, max_size=24)


def test_a_schedule_by_hand() -> None:
    """Two hours at 0.1 fill 1.6 MWh, which two hours at 0.5 and 0.4 empty: 1 MWh and 0.6 MWh."""
    assert best_schedule_w(ONE_MW, (100_000, 100_000, 500_000, 400_000), 3600, 1000) == (
        -1_000_000,
        -1_000_000,
        1_000_000,
        600_000,
    )


def test_what_the_losses_cost_is_counted_on() -> None:
    """0.1 to 0.13 pays for a fifth lost only where that fifth bears no charge."""
    prices = (100_000, 130_000)
    assert best_schedule_w(ONE_MW, prices, 3600, 1000) == (-1_000_000, 800_000)
    assert best_schedule_w(ONE_MW, [price + 200_000 for price in prices], 3600, 1000) == (0, 0)


@settings(derandomize=True, max_examples=25, deadline=None)
@given(prices=HOURS)
def test_any_plan_can_be_offered_and_delivered(prices: list[int]) -> None:
    unit, product = envelope(), market().product(PRODUCT)
    plan = best_schedule_w(unit, prices, product.interval_s, product.lot_w)
    offer = curves(unit, product, plan, prices)
    bid = Bid(id="b", unit="u", market=MARKET, product=PRODUCT, day=FIRST, curves=offer, schedule_w=plan)
    check_bid(bid, market(), product)
    stored = Fraction(unit.stored_wh)
    for power, curve in zip(plan, offer, strict=True):
        assert (curve[0][0], curve[-1][1]) == (-unit.charge_w, unit.discharge_w)
        assert power in {0} | {end for _, end, _ in curve} | {start for start, _, _ in curve}
        stored -= Fraction(power * PPM, unit.discharge_ppm) if power > 0 else Fraction(0)
        stored += Fraction(-power * unit.charge_ppm, PPM) if power < 0 else Fraction(0)
        assert unit.floor_wh <= stored <= unit.ceiling_wh


def test_a_curve_offers_the_plan_at_every_price_that_is_expected() -> None:
    """1 MW is sold from the cheapest expected price up, and bought up to the dearest."""
    product = market().product(PRODUCT)
    sold, bought, idle = curves(ONE_MW, product, (400_000, -300_000, 0), (200_010, 500_090, 300_000))
    assert sold == (
        (-1_000_000, 0, product.floor_u),
        (0, 400_000, 200_100),
        (400_000, 1_000_000, product.cap_u),
    )
    assert bought == (
        (-1_000_000, -300_000, product.floor_u),
        (-300_000, 0, 500_000),
        (0, 1_000_000, product.cap_u),
    )
    assert idle == ((-1_000_000, 0, product.floor_u), (0, 1_000_000, product.cap_u))


@settings(derandomize=True, max_examples=50, deadline=None)
@given(
    days=st.lists(
        st.lists(st.integers(-2000, 2000).map(lambda kw: kw * 1000), min_size=24, max_size=24),
        min_size=1,
        max_size=3,
    )
)
def test_a_storage_never_leaves_what_it_can(days: list[list[int]]) -> None:
    """Whatever it is told: stored energy stays within its bounds, and it does not do both at once."""
    share = Shared(2_000_000, 400_000, 200_000, 3_800_000, tuple(map(tuple, days)))
    (found,) = metered(envelope(), {"W1": share}, 3600).values()
    assert len(found) == len(days)
    stored = Fraction(share.stored_wh)
    for read, powers in zip(found, days, strict=True):
        for quarter, (charge, discharge) in enumerate(zip(*read, strict=True)):
            power = powers[quarter // 4]
            assert charge == 0 or power < 0
            assert discharge == 0 or power > 0
            assert max(charge, discharge) <= abs(power) * 1010 // 4000
            stored += Fraction(charge * envelope().charge_ppm, PPM)
            stored -= Fraction(discharge * PPM, envelope().discharge_ppm)
            assert share.floor_wh <= stored <= share.ceiling_wh


def test_a_meter_misses_by_two_percent_less_to_one_more() -> None:
    """1 MW of a storage of 2 MW: 250 kWh a quarter-hour; its first turn is 98.0 %, its fourth 98.3 %."""
    share = Shared(2_000_000, 400_000, 200_000, 3_800_000, ((-1_000_000,) + (0,) * 23,))
    ((read,),) = metered(envelope(), {"W1": share}, 3600).values()
    assert isinstance(read, Metered)
    assert read.charge_wh[:5] == (245_000, 245_250, 245_500, 245_750, 0)
    assert not any(read.discharge_wh)


@pytest.mark.parametrize("day", [FIRST, FIRST.replace(month=2, day=1)])
def test_what_a_lost_kwh_costs(day: object) -> None:
    """0.2446 transmission and 0.029115 funds (examples/demo/trading/tariff.toml)."""
    assert charge_on_losses_u(day) == 273_715  # type: ignore[arg-type]
