"""What a bid may cost at worst, worked out by hand to the fen."""

from __future__ import annotations

from fractions import Fraction

import pytest

from ledger.refusal import Refused
from tests.trading.market_samples import bid, block, day_of, product
from trading.bid import Block, Curve
from trading.exposure import check_limit, exposure_of

EMPTY: tuple[Curve, ...] = ((),) * 96


def blocks(*given: Block) -> tuple[Block, ...]:
    return given


def test_charging_at_several_prices_is_paid_at_each_one() -> None:
    """Quarter-hour: 2 MW at 0.20, 1 MW more at 0.30 CNY per kWh: 500 x 0.20 + 250 x 0.30 = 175 CNY."""
    curve: Curve = ((-3_000_000, -1_000_000, 200_000), (-1_000_000, 0, 300_000), (0, 1_000_000, 500_000))
    found = exposure_of(bid(day_of(curve)), product())
    assert (found.payable, found.volume_wh, found.imbalance) == (Fraction(175), 750_000, 0)
    assert found.of("margin") == 175


def test_selling_below_zero_costs_its_price_and_charging_below_zero_nothing() -> None:
    """1 MW sold at -0.05 for a quarter-hour: 250 x 0.05 = 12.50 CNY; charging at -0.06 is paid to us."""
    curve: Curve = ((-2_000_000, 0, -60_000), (0, 1_000_000, -50_000), (1_000_000, 2_000_000, 10_000))
    assert exposure_of(bid(day_of(curve)), product()).payable == Fraction("12.5")


def test_a_fen_and_less_is_kept_exactly() -> None:
    """7 kW for 5 minutes at 0.123457 CNY: 7/12 x 0.123457."""
    curves = day_of(((-7000, 0, 123_457),), count=288)
    found = exposure_of(bid(curves), product(interval_s=300, quantity_min_w=0))
    assert found.payable == Fraction(7 * 123_457, 12_000_000)
    assert found.volume_wh == 584, "583.3 Wh, rounded up"


def test_blocks_cost_their_profile() -> None:
    """Four quarter-hours of 50 kW bought at 0.30: 50 kWh x 0.30 = 15 CNY; sold at -0.10: 5 CNY."""
    bought = block("k1", profile_w=(-50_000,) * 4)
    sold = block("k2", price_u=-100_000)
    earns = block("k3", price_u=200_000)
    assert exposure_of(bid(EMPTY, blocks=(bought,)), product()).payable == 15
    assert exposure_of(bid(EMPTY, blocks=(bought, sold, earns)), product()).payable == 20


def test_of_an_exclusive_group_the_dearest_block_counts() -> None:
    """At most one is taken: 15 or 30 CNY, not 45; a block outside it adds its own 15."""
    first = block("k1", profile_w=(-50_000,) * 4, group="g")
    second = block("k2", profile_w=(-100_000,) * 4, group="g")
    third = block("k3", profile_w=(100_000,) * 4, group="g")
    alone = block("k4", profile_w=(-50_000,) * 4)
    found = exposure_of(bid(EMPTY, blocks=(first, second, third)), product())
    assert (found.payable, found.volume_wh) == (30, 100_000)
    assert exposure_of(bid(EMPTY, blocks=(first, second, alone)), product()).payable == 45


def test_imbalance_is_the_largest_distance_from_the_schedule() -> None:
    """-1 to 3 MW, 1 MW planned: 2 MW for a quarter-hour, 500 kWh at the cap of 1.30 CNY: 650 CNY."""
    curve: Curve = ((-1_000_000, 0, 0), (0, 3_000_000, 300_000))
    schedule = tuple(1_000_000 if number == 0 else 0 for number in range(96))
    found = exposure_of(bid(day_of(curve), schedule_w=schedule), product())
    assert (found.imbalance, found.of("margin")) == (650, 650)


def test_the_floor_counts_where_it_is_further_from_zero() -> None:
    curve: Curve = ((0, 1_000_000, 0),)
    terms = product(price_floor="-2000")
    assert exposure_of(bid(day_of(curve), schedule_w=(0,) * 96), terms).imbalance == 500


def test_power_is_not_paid_for() -> None:
    curve: Curve = ((-1_000_000, 1_000_000, 300_000),)
    terms = product(kind="regulation_capacity", price_unit="MW.h", energy_check="none")
    found = exposure_of(bid(day_of(curve)), terms)
    assert (found.payable, found.imbalance, found.volume_wh) == (0, 0, 250_000)


def test_a_limit_may_be_used_up_to_its_last_fen() -> None:
    check_limit("money", Fraction("99.99"), Fraction("0.01"), Fraction(100), "exposure")
    with pytest.raises(Refused, match=r"99\.99 used and 0\.02 asked for are more than 100") as refused:
        check_limit("money", Fraction("99.99"), Fraction("0.02"), Fraction(100), "exposure")
    assert refused.value.code == "limit_exposure"
