"""The system's stair: alone it clears at the published price, small participants do not move it, large do."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.reference_market.clearing import Curve, Step, clear
from adapters.reference_market.parameters import System
from adapters.reference_market.system_supply import SYSTEM, system_supply
from tests.adapters.reference_market.markets import PARAMETERS

CAP, FLOOR = PARAMETERS.price_max_micro_per_kwh, PARAMETERS.price_min_micro_per_kwh
LOTS_PER_MW = 1000


def price_with(published: int, *others: Curve) -> int:
    return clear([[system_supply(PARAMETERS, published), *others]]).prices[0]


@given(st.integers(FLOOR, CAP), st.integers(-9_999, 9_999), st.integers(1, 50), st.integers(0, 3))
@settings(max_examples=150)
def test_alone_or_beside_little_it_clears_at_the_published_price(
    published: int, lots: int, step_mw: int, slope: int
) -> None:
    """Any position below half of the middle step leaves the price alone."""
    depth_w = 11 * step_mw * 1_000_000
    rules = msgspec.structs.replace(PARAMETERS, system=System(depth_w, 11, slope * 1000))
    small = lots * step_mw // 20
    for others in ([], [Curve("a", small)]):
        assert clear([[system_supply(rules, published), *others]]).prices == (published,)


def test_a_large_participant_climbs_or_descends_the_stair() -> None:
    """Steps of 20 MW: 10 at the price, then 10 CNY per MWh for each 20 MW more."""
    published = 300_000
    expected = {5: 300_000, 10: 300_000, 11: 310_000, 30: 310_000, 31: 320_000, 110: 350_000, 111: CAP}
    for mw, price in expected.items():
        assert price_with(published, Curve("buyer", -mw * LOTS_PER_MW)) == price
    sold = {9: 300_000, 10: 290_000, 29: 290_000, 30: 280_000, 109: 250_000, 110: FLOOR, 200: FLOOR}
    for mw, price in sold.items():
        assert price_with(published, Curve("seller", mw * LOTS_PER_MW)) == price


def test_the_stair_stays_within_the_limits() -> None:
    for published in (CAP, FLOOR):
        assert {step.price for step in system_supply(PARAMETERS, published).steps} <= set(
            range(FLOOR, CAP + 1)
        )
        assert price_with(published) == published


def test_beyond_the_system_a_participant_is_paid_its_own_price() -> None:
    """110 MW are the system's; the last 5 of 115 come from the offer at 900, none from shedding."""
    cleared = clear(
        [
            [
                system_supply(PARAMETERS, 300_000),
                Curve("a", 0, (Step(900_000, 10_000),)),
                Curve("buyer", -115_000),
            ]
        ]
    )
    assert cleared.prices == (900_000,)
    assert cleared.lots["a"] == (5_000,)


def test_at_the_cap_offers_come_before_shedding_and_at_the_floor_bids_before_spilling() -> None:
    system = system_supply(PARAMETERS, 300_000)
    offered = Curve("a", 0, (Step(CAP, 3_000),))
    assert clear([[system, offered, Curve("buyer", -120_000)]]).lots["a"] == (3_000,)
    bid = Curve("a", -3_000, (Step(FLOOR, 3_000),))
    assert clear([[system, bid, Curve("seller", 120_000)]]).lots["a"] == (-3_000,)


@given(st.integers(FLOOR, CAP), st.integers(-300, 300), st.integers(0, 300))
@settings(max_examples=150)
def test_the_price_never_rises_with_supply(published: int, mw: int, more: int) -> None:
    before = price_with(published, Curve("a", mw * LOTS_PER_MW))
    after = price_with(published, Curve("a", (mw + more) * LOTS_PER_MW))
    assert after <= before


def test_the_system_comes_after_every_participant_by_name() -> None:
    assert max("zzz", "ZZZ", "_", "9", SYSTEM) == SYSTEM
