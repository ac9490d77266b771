"""The form of a bid: good ones pass, each fault has its code, of two faults the first of the list tells."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.refusal import Refused
from tests.trading.market_samples import DAY, PRODUCT, berlin, bid, block, day_of, example, market, product
from trading.bid import Bid, Block, Curve, packed
from trading.bid_form import check_bid
from trading.product import WHOLE_MAX, Product

ROOT = Path(__file__).parents[2]
HOURLY = product(interval_s=3600)
LOT, TICK = PRODUCT.lot_w, PRODUCT.tick_u
LIST: Final = re.findall(
    r"^\| form \| `([a-z_]+)` \|", (ROOT / "docs/bid-refusals.md").read_text(encoding="utf-8"), re.MULTILINE
)
GOOD: Curve = (
    (-2_000_000, -1_000_000, 200_000),
    (-1_000_000, 0, 250_000),
    (0, 1_000_000, 400_000),
    (1_000_000, 3_000_000, 400_000),
)


def refused(one: Bid, offered: Product = PRODUCT, **terms: Any) -> tuple[str, str]:
    with pytest.raises(Refused) as caught:
        check_bid(one, market(offered, **terms), offered)
    with pytest.raises(Refused) as again:
        check_bid(packed(one), market(offered, **terms), offered)
    assert str(again.value) == str(caught.value)
    assert again.value.place == caught.value.place
    return caught.value.code, caught.value.place


def with_curve(curve: Curve) -> Bid:
    """Good curves all day, and `curve` in the interval 7."""
    return bid(tuple(curve if number == 7 else GOOD for number in range(96)))


@st.composite
def good_curves(draw: st.DrawFn) -> Curve:
    """Any curve that PRODUCT takes, of 1 to 10 segments."""
    lowest = draw(st.sampled_from([0, 10, 11, 5000, 20_000])) * -LOT
    highest = draw(st.sampled_from([0, 10, 13, 7000, 20_000])) * LOT
    if lowest == highest:
        return ()
    inner = draw(st.sets(st.integers(lowest // LOT + 1, highest // LOT - 1), max_size=9))
    powers = [lowest, *(LOT * power for power in sorted(inner)), highest]
    count = len(powers) - 1
    prices = sorted(draw(st.lists(st.integers(-800, 13_000), min_size=count, max_size=count)))
    return tuple((powers[n], powers[n + 1], TICK * prices[n]) for n in range(count))


@settings(derandomize=True, max_examples=50)
@given(
    curves=st.lists(good_curves(), min_size=24, max_size=24).filter(any),
    where=st.integers(0, 23),
    split=st.integers(1, 5),
)
def test_every_good_bid_passes_and_each_single_fault_has_its_code(
    curves: list[Curve], where: int, split: int
) -> None:
    check_bid(bid(tuple(curves)), market(HOURLY), HOURLY)
    check_bid(packed(bid(tuple(curves))), market(HOURLY), HOURLY)
    offered = [number for number, curve in enumerate(curves) if curve]
    number = offered[where % len(offered)]
    row = split % len(curves[number])
    for fault, (code, change) in FAULTS.items():
        curve = change(curves[number], row)
        if curve is None:
            continue
        changed = tuple(curve if at == number else held for at, held in enumerate(curves))
        found = refused(bid(changed), HOURLY)
        assert found[0] == code, fault
        assert found[1].startswith("curves" if code == "quantity_range" else f"curves[{number}]"), fault


def _replaced(curve: Curve, row: int, *, low: int = 0, high: int = 0, price: int = 0) -> Curve:
    old = curve[row]
    return (*curve[:row], (old[0] + low, old[1] + high, old[2] + price), *curve[row + 1 :])


def _overlap(curve: Curve, row: int) -> Curve | None:
    return _replaced(curve, row, low=-LOT) if row else None


def _gap(curve: Curve, row: int) -> Curve | None:
    return _replaced(curve, row, low=LOT) if row and curve[row][1] - curve[row][0] > LOT else None


def _backward(curve: Curve, row: int) -> Curve:
    return (*curve[:row], (curve[row][1], curve[row][0], curve[row][2]), *curve[row + 1 :])


def _falling(curve: Curve, row: int) -> Curve | None:
    if not row or curve[row - 1][2] == PRODUCT.floor_u:
        return None
    return _replaced(curve, row, price=curve[row - 1][2] - TICK - curve[row][2])


def _off_tick(curve: Curve, _: int) -> Curve:
    """At the curve's end, so that prices do not fall, or if it is at the cap, one below at its beginning."""
    last = len(curve) - 1
    if curve[last][2] < PRODUCT.cap_u:
        return _replaced(curve, last, price=1)
    return tuple((low, high, PRODUCT.cap_u - 1) for low, high, _ in curve)


def _beyond_cap(curve: Curve, _: int) -> Curve:
    return _replaced(curve, len(curve) - 1, price=PRODUCT.cap_u + TICK - curve[-1][2])


def _beyond_floor(curve: Curve, _: int) -> Curve:
    return _replaced(curve, 0, price=PRODUCT.floor_u - TICK - curve[0][2])


def _off_lot(curve: Curve, _: int) -> Curve:
    last = len(curve) - 1
    return _replaced(curve, last, high=1) if curve[last][1] > 0 else _replaced(curve, 0, low=-1)


def _too_much(curve: Curve, _: int) -> Curve | None:
    most = PRODUCT.quantity_max_w
    assert most is not None
    return _replaced(curve, len(curve) - 1, high=most + LOT - curve[-1][1]) if curve[-1][1] > 0 else None


def _too_little(_: Curve, __: int) -> Curve:
    return ((0, PRODUCT.quantity_min_w - LOT, 0),)


def _too_many(_: Curve, __: int) -> Curve:
    return tuple((LOT * 10 * n, LOT * 10 * (n + 1), 0) for n in range(11))


def _huge(curve: Curve, row: int) -> Curve:
    return _replaced(curve, row, price=10**30)


FAULTS: Final[dict[str, tuple[str, Callable[[Curve, int], Curve | None]]]] = {
    "overlap": ("segment_overlap", _overlap),
    "backward": ("segment_overlap", _backward),
    "gap": ("segment_gap", _gap),
    "falling price": ("segment_price_order", _falling),
    "off tick": ("price_tick", _off_tick),
    "beyond cap": ("price_limit", _beyond_cap),
    "beyond floor": ("price_limit", _beyond_floor),
    "off lot": ("lot", _off_lot),
    "too much": ("quantity_max", _too_much),
    "too little": ("quantity_min", _too_little),
    "too many": ("segment_count", _too_many),
    "huge": ("quantity_range", _huge),
}

ONE_SIDED = product(direction="discharge")
PAIRS: Final[dict[str, Callable[[dict[str, Any]], None]]] = {}
"""By code: the change to a bid's fields that makes it refused so, each in an interval of its own."""


def fault(code: str) -> Callable[[Callable[[dict[str, Any]], None]], None]:
    def keep(change: Callable[[dict[str, Any]], None]) -> None:
        PAIRS[code] = change

    return keep


def put(fields: dict[str, Any], at: int, curve: Curve) -> None:
    held = list(fields["curves"])
    if at < len(held):
        held[at] = curve
    fields["curves"] = tuple(held)


@fault("calendar_year")
def _(fields: dict[str, Any]) -> None:
    fields["day"] = date(2035, 9, 3)


@fault("delivery_day")
def _(fields: dict[str, Any]) -> None:
    fields["day"] = date(2026, 9, 5)


@fault("bid_intervals")
def _(fields: dict[str, Any]) -> None:
    fields["curves"] = fields["curves"][:-1]


@fault("quantity_range")
def _(fields: dict[str, Any]) -> None:
    put(fields, 90, ((0, 2**70, 0),))


@fault("segment_count")
def _(fields: dict[str, Any]) -> None:
    put(fields, 89, _too_many((), 0))


@fault("block")
def _(fields: dict[str, Any]) -> None:
    fields["blocks"] = (*fields["blocks"], block("late", first=95))


@fault("segment_overlap")
def _(fields: dict[str, Any]) -> None:
    put(fields, 88, ((0, 50_000, 0), (40_000, 60_000, 0)))


@fault("segment_gap")
def _(fields: dict[str, Any]) -> None:
    put(fields, 87, ((0, 50_000, 0), (60_000, 70_000, 0)))


@fault("segment_price_order")
def _(fields: dict[str, Any]) -> None:
    put(fields, 86, ((0, 50_000, TICK), (50_000, 60_000, 0)))


@fault("bid_direction")
def _(fields: dict[str, Any]) -> None:
    put(fields, 85, ((-50_000, 0, 0),))


@fault("price_limit")
def _(fields: dict[str, Any]) -> None:
    put(fields, 84, ((0, 50_000, PRODUCT.cap_u + TICK),))


@fault("price_tick")
def _(fields: dict[str, Any]) -> None:
    put(fields, 83, ((0, 50_000, 1),))


@fault("lot")
def _(fields: dict[str, Any]) -> None:
    put(fields, 82, ((0, 50_001, 0),))


@fault("quantity_min")
def _(fields: dict[str, Any]) -> None:
    put(fields, 81, ((0, 5000, 0),))


@fault("quantity_max")
def _(fields: dict[str, Any]) -> None:
    put(fields, 80, ((0, 20_001_000, 0),))


@fault("bid_schedule")
def _(fields: dict[str, Any]) -> None:
    fields["schedule_w"] = (-1, *fields["schedule_w"][1:])


def faulty(*codes: str) -> tuple[Bid, Product]:
    fields: dict[str, Any] = {
        "curves": (((0, 1_000_000, 300_000),),) * 96,
        "blocks": (block(),),
        "schedule_w": (0,) * 96,
        "day": DAY,
    }
    for code in codes:
        PAIRS[code](fields)
    return bid(**fields), product(direction="discharge", delivery_days="working")


def test_each_code_of_the_list_has_its_fault() -> None:
    assert set(PAIRS) == set(LIST) - {"bid_empty"}, "an empty bid has no second fault in a curve"
    check_bid(faulty()[0], market(ONE_SIDED), ONE_SIDED)
    for code in PAIRS:
        assert refused(*faulty(code))[0] == code


def test_of_two_faults_the_earlier_code_of_the_list_tells() -> None:
    """Of `calendar_year` and `delivery_day` a day can have but one."""
    assert LIST[:2] == ["calendar_year", "delivery_day"]
    for first, second in list(combinations([code for code in LIST if code != "bid_empty"], 2))[1:]:
        assert refused(*faulty(first, second))[0] == first, second
        assert refused(*faulty(second, first))[0] == first, second


def test_an_empty_bid_comes_after_the_count_and_before_the_rest() -> None:
    nothing = ((),) * 96
    assert refused(bid(nothing)) == ("bid_empty", "curves")
    assert refused(bid(nothing[1:])) == ("bid_intervals", "curves")
    assert refused(bid(nothing, schedule_w=(2**70,))) == ("bid_empty", "curves")
    with pytest.raises(Refused) as caught:
        _ = bid(nothing).first
    assert caught.value.code == "bid_empty"


def test_a_fault_of_a_block_comes_before_a_later_code_in_a_curve() -> None:
    """The list is of codes: a block's price limit before a curve's lot."""
    curves = day_of(((0, 50_001, 0),))
    assert refused(bid(curves, blocks=(block(price_u=PRODUCT.cap_u + TICK),))) == (
        "price_limit",
        "blocks[0].price_u",
    )


@pytest.mark.parametrize(
    ("zone_day", "count"), [(date(2026, 3, 29), 92), (date(2026, 10, 25), 100), (date(2026, 9, 1), 96)]
)
def test_the_day_of_the_clock_change_has_its_own_count(zone_day: date, count: int) -> None:
    curve: Curve = ((0, 1_000_000, 300_000),)
    check_bid(bid((curve,) * count, day=zone_day), berlin(), PRODUCT)
    for wrong in {92, 96, 100} - {count}:
        with pytest.raises(Refused) as caught:
            check_bid(bid((curve,) * wrong, day=zone_day), berlin(), PRODUCT)
        assert (caught.value.code, caught.value.place) == ("bid_intervals", "curves")
        assert f"{count} intervals" in caught.value.reason
        assert ("because the clocks change" in caught.value.reason) == (count != 96)


def test_a_delivery_day_that_the_product_has_not() -> None:
    working = product(delivery_days="working")
    one = bid(day_of(GOOD), day=date(2026, 2, 18))
    assert refused(one, working) == ("delivery_day", "day"), "a Wednesday of the Spring Festival"
    check_bid(msgspec.structs.replace(one, day=date(2026, 2, 14)), market(working), working)


@pytest.mark.parametrize(
    ("curve", "code", "place"),
    [
        (((0, 0, 0),), "segment_overlap", "curves[7][0]"),
        (((10_000, 20_000, 0),), "segment_gap", "curves[7][0]"),
        (((-20_000, -10_000, 0),), "segment_gap", "curves[7][0]"),
        (((0, 20_000, 0), (10_000, 30_000, 0)), "segment_overlap", "curves[7][1]"),
        (((0, 20_000, 0), (30_000, 40_000, 0)), "segment_gap", "curves[7][1]"),
        (((0, 20_000, 0), (20_000, 40_000, -TICK)), "segment_price_order", "curves[7][1]"),
        (((-5000, 20_000, 0),), "quantity_min", "curves[7]"),
        (((-20_001_000, 20_000, 0),), "quantity_max", "curves[7]"),
    ],
)
def test_where_a_segment_is_wrong(curve: Curve, code: str, place: str) -> None:
    assert refused(with_curve(curve)) == (code, place)


def test_each_curve_begins_anew() -> None:
    """Neither gap nor falling price from one interval's last segment to the next one's first."""
    check_bid(bid((((0, 50_000, 900_000),), ((-50_000, 0, -80_000),)) * 48), market(), PRODUCT)


@pytest.mark.parametrize(
    ("direction", "good", "bad"),
    [("discharge", (0, 50_000, 0), (-50_000, 50_000, 0)), ("charge", (-50_000, 0, 0), (-50_000, 50_000, 0))],
)
def test_one_direction(direction: str, good: tuple[int, int, int], bad: tuple[int, int, int]) -> None:
    one_way = product(direction=direction)
    check_bid(bid(day_of((good,))), market(one_way), one_way)
    assert refused(bid(day_of((bad,))), one_way) == ("bid_direction", "curves[0][0]")
    sign = 1 if direction == "discharge" else -1
    right, left = block(profile_w=(sign * 50_000, 0)), block(profile_w=(-sign * 50_000, 0))
    check_bid(bid(day_of((good,)), blocks=(right,)), market(one_way), one_way)
    assert refused(bid(day_of((good,)), blocks=(left,)), one_way) == ("bid_direction", "blocks[0].profile_w")


REGULATION = product(
    kind="regulation_mileage", price_unit="MW", price_floor="4", price_cap="15", energy_check="none"
)


@pytest.mark.parametrize(
    ("prices", "place"),
    [
        ((8000, 5000, 5000, 9000), None),
        ((5000, 5000, 15_000, 15_000), None),
        ((15_000, 4000, 8000, 9000), None),
        ((5000, 8000, 8000, 9000), "curves[0][1]"),
        ((8000, 5000, 9000, 8000), "curves[0][3]"),
    ],
)
def test_where_power_is_paid_for_prices_do_not_fall_away_from_zero(
    prices: tuple[int, ...], place: str | None
) -> None:
    powers = (-20_000_000, -10_000_000, 0, 10_000_000, 20_000_000)
    curve = tuple((powers[n], powers[n + 1], prices[n]) for n in range(4))
    one = bid(day_of(curve))
    if place is None:
        check_bid(one, market(REGULATION), REGULATION)
    else:
        assert refused(one, REGULATION) == ("segment_price_order", place)


def test_ten_megawatts_of_regulation_in_hunan() -> None:
    hunan = example("hunan_regulation")
    mileage = hunan.product("mileage")
    offer = bid((((-10_000_000, 10_000_000, 6000),),) * 24, market=hunan.id, product="mileage")
    check_bid(offer, hunan, mileage)
    for curve, code in (
        (((-10_000_000, 10_000_000, 3900),), "price_limit"),
        (((-10_000_000, 10_000_000, 15_100),), "price_limit"),
        (((-10_000_000, 10_000_000, 6050),), "price_tick"),
        (((-9_900_000, 10_000_000, 6000),), "quantity_min"),
        (((-10_000_000, 10_050_000, 6000),), "lot"),
        (((-10_000_000, 0, 6000), (0, 10_000_000, 6000)), "segment_count"),
    ):
        with pytest.raises(Refused) as caught:
            check_bid(msgspec.structs.replace(offer, curves=(curve,) * 24), hunan, mileage)
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("blocks", "code", "place"),
    [
        ((block("a"), block("b"), block("c"), block("d"), block("e")), "block", "blocks"),
        ((block("a"), block("a")), "block", "blocks"),
        ((block(first=-1),), "block", "blocks[0]"),
        ((block(first=93),), "block", "blocks[0]"),
        ((block(first=10**30),), "block", "blocks[0]"),
        ((block(profile_w=()),), "block", "blocks[0]"),
        ((block(profile_w=(0, 0)),), "block", "blocks[0].profile_w"),
        ((block("a"), block("b", parent="c")), "block", "blocks[1].parent"),
        ((block("a", parent="a"),), "block", "blocks[0].parent"),
        ((block("a", parent="b"), block("b", parent="a")), "block", "blocks[0].parent"),
        (
            (block("c", parent="a"), block("a", parent="b"), block("b", parent="a")),
            "block",
            "blocks[0].parent",
        ),
        ((block("a", group="g"), block("b", group="g", parent="a")), "block", "blocks[1].parent"),
        ((block(profile_w=(50_000, -50_000)),), "bid_direction", "blocks[0].profile_w"),
        ((block(), block("b", price_u=PRODUCT.floor_u - TICK)), "price_limit", "blocks[1].price_u"),
        ((block(price_u=1),), "price_tick", "blocks[0].price_u"),
        ((block(profile_w=(50_000, 1)),), "lot", "blocks[0].profile_w"),
        ((block(profile_w=(9000, 0)),), "quantity_min", "blocks[0].profile_w"),
        ((block(profile_w=(50_000, 20_001_000)),), "quantity_max", "blocks[0].profile_w"),
        ((block(profile_w=(2**70,)),), "quantity_range", "blocks[0]"),
        ((block(price_u=-(2**70)),), "quantity_range", "blocks[0]"),
        ((block(price_u=WHOLE_MAX + 1),), "quantity_range", "blocks[0]"),
    ],
)
def test_blocks_that_are_refused(blocks: tuple[Block, ...], code: str, place: str) -> None:
    assert refused(bid(((),) * 96, blocks=blocks)) == (code, place)


def test_blocks_in_groups_and_chains_are_taken() -> None:
    """A storage's charging block, exclusive alternatives, and a discharging child of one that is taken."""
    blocks = (
        block("charge", first=8, profile_w=(-1_000_000,) * 8, price_u=200_000, group="night"),
        block("later", first=12, profile_w=(-1_000_000,) * 8, price_u=190_000, group="night"),
        block("evening", first=72, profile_w=(1_000_000,) * 6, parent="charge"),
        block("more", first=78, profile_w=(500_000, 0, 500_000), parent="evening"),
    )
    one = bid(((),) * 96, blocks=blocks)
    check_bid(one, market(), PRODUCT)
    assert one.first == 8


@pytest.mark.parametrize(
    ("changes", "linked", "place"),
    [
        ({"exclusive_groups": False}, block(group="g"), "blocks[1].group"),
        ({"linked_blocks": False}, block(parent="p"), "blocks[1].parent"),
        ({"blocks_max": 0, "exclusive_groups": False, "linked_blocks": False}, block(), "blocks"),
    ],
)
def test_what_the_product_does_not_take(changes: dict[str, Any], linked: Block, place: str) -> None:
    assert refused(bid(((),) * 96, blocks=(block("p"), linked)), product(**changes)) == ("block", place)


def test_a_schedule_stays_within_curves_and_blocks() -> None:
    curves = day_of(((-50_000, 50_000, 0),))
    blocks = (block("a", first=0, profile_w=(30_000,)), block("b", first=0, profile_w=(70_000,), group="g"))
    check = {power: (power,) + (0,) * 95 for power in (-50_000, 150_000, -50_001, 150_001)}
    for power in (-50_000, 150_000):
        check_bid(bid(curves, blocks=blocks, schedule_w=check[power]), market(), PRODUCT)
    for power in (-50_001, 150_001):
        found = refused(bid(curves, blocks=blocks, schedule_w=check[power]))
        assert found == ("bid_schedule", "schedule_w[0]")
    assert refused(bid(curves, schedule_w=(0,) * 95)) == ("bid_schedule", "schedule_w")
    assert refused(bid(curves, schedule_w=(0,) * 95 + (1,))) == ("bid_schedule", "schedule_w[95]")
    assert refused(bid(curves, schedule_w=(2**70,) * 96)) == ("quantity_range", "schedule_w")


@pytest.mark.parametrize("place", ["id", "unit", "market", "product"])
def test_names_of_a_bid_and_a_block(place: str) -> None:
    with pytest.raises(Refused) as caught:
        bid(((),) * 96, **{place: "a b"})
    assert (caught.value.code, caught.value.place) == ("id", place)
    for name in ("id", "group", "parent"):
        with pytest.raises(Refused) as caught:
            msgspec.structs.replace(block(), **{name: ""})
        assert (caught.value.code, caught.value.place) == ("id", name)
