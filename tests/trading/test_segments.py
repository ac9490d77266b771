"""A bid's segments as columns: what a price takes of them, and what a clearing may ask for at most."""

from __future__ import annotations

from itertools import chain, combinations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.refusal import Refused
from tests.trading.market_samples import DAY, bid
from trading.bid import Bid, Block, Curve
from trading.product import WHOLE_MAX
from trading.segments import Table, Whole, energy_wh, offered_range_w

EMPTY: Curve = ()


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    """Any curve of energy: powers that rise through 0 W, prices that never fall."""
    powers = sorted(draw(st.sets(st.integers(-50, 50), min_size=2, max_size=11)) | {0})
    powers = powers[:11] if 0 in powers[:11] else powers[-11:]
    prices = sorted(draw(st.lists(st.integers(-9, 9), min_size=len(powers) - 1, max_size=len(powers) - 1)))
    return tuple(zip(powers, powers[1:], prices, strict=False))


def power_by_hand(curve: Curve, price: int) -> int:
    """W by W: each is at its own price; the storage begins at the curve's lowest power."""
    if not curve:
        return 0
    return curve[0][0] + sum(1 for low, high, at in curve for _ in range(low, high) if at <= price)


def power_at(table: Table, price_u: Whole) -> Whole:
    """The power at a clearing price of energy in each interval, segment by segment."""
    return np.array([up - down for up, down in _taken(table, price_u, energy=True)], dtype=np.int64)


def awarded_at(table: Table, price_u: Whole) -> tuple[Whole, Whole]:
    """The lowest and highest power at a clearing price of power in each interval."""
    found = _taken(table, price_u, energy=False)
    low, high = (np.array([pair[at] for pair in found], dtype=np.int64) for at in (1, 0))
    return -low, high


def _taken(table: Table, price_u: Whole, *, energy: bool) -> list[tuple[int, int]]:
    """W discharging and charging: of energy, what is charged is bought where it pays more than the price."""
    found: list[tuple[int, int]] = []
    at = 0
    for count, price in zip(table.counts.tolist(), price_u.tolist(), strict=True):
        up = down = 0
        for row in range(at, at + count):
            low, high, own = int(table.from_w[row]), int(table.to_w[row]), int(table.price_u[row])
            up += max(high, 0) - max(low, 0) if own <= price else 0
            down += min(high, 0) - min(low, 0) if (own > price) == energy else 0
        found.append((up, down))
        at += count
    return found


def test_charging_below_and_discharging_above_its_prices() -> None:
    """Buys 2 MW up to 200, 1 MW of them up to 250; sells 1 MW from 400, 3 MW from 500 on."""
    curve = ((-2000, -1000, 200), (-1000, 0, 250), (0, 1000, 400), (1000, 3000, 500))
    table = Table((curve,) * 8)
    prices = np.array([199, 200, 249, 250, 399, 400, 499, 500])
    assert power_at(table, prices).tolist() == [-2000, -1000, -1000, 0, 0, 1000, 1000, 3000]


def test_power_that_is_paid_for_is_taken_by_price_in_both_directions() -> None:
    curve = ((-2000, -1000, 8), (-1000, 1000, 5), (1000, 1500, 9))
    low, high = awarded_at(Table((curve,) * 4), np.array([4, 5, 8, 9]))
    assert (low.tolist(), high.tolist()) == ([0, -1000, -2000, -2000], [0, 1000, 1000, 1500])


@settings(derandomize=True, max_examples=200)
@given(day=st.lists(st.one_of(st.just(EMPTY), curves()), min_size=1, max_size=6), price=st.integers(-10, 10))
def test_power_at_a_price_is_a_count_of_watts(day: list[Curve], price: int) -> None:
    table = Table(tuple(day))
    found = power_at(table, np.full(len(day), price))
    assert found.tolist() == [power_by_hand(curve, price) for curve in day]
    higher = power_at(table, np.full(len(day), price + 1))
    assert (higher >= found).all(), "a higher price never asks for less"
    low, high = table.range_w
    assert (low <= found).all()
    assert (found <= high).all()
    extremes = [power_at(table, np.full(len(day), at)).tolist() for at in (-10, 10)]
    assert extremes == [low.tolist(), high.tolist()], "below all prices and above them, all is asked for"


def test_prices_are_of_each_interval() -> None:
    table = Table((EMPTY, ((0, 10, 5),), EMPTY, ((-10, 0, 5),), ((0, 7, 5), (7, 9, 6))))
    assert power_at(table, np.array([9, 4, 9, 4, 5])).tolist() == [0, 0, 0, -10, 7]
    assert table.interval.tolist() == [1, 3, 4, 4]
    assert table.position.tolist() == [0, 0, 0, 1]
    assert table.place(np.array([False, False, False, True])) == "curves[4][1]"
    assert [column.tolist() for column in table.range_w] == [[0, 0, 0, -10, 0], [0, 10, 0, 0, 9]]


def test_a_day_without_segments() -> None:
    table = Table((EMPTY,) * 3)
    zeros = [0, 0, 0]
    assert power_at(table, np.array([1, 2, 3])).tolist() == zeros
    assert [column.tolist() for column in awarded_at(table, np.array([1, 2, 3]))] == [zeros, zeros]
    assert [column.tolist() for column in table.range_w] == [zeros, zeros]


@pytest.mark.parametrize(
    "number", [WHOLE_MAX + 1, -WHOLE_MAX - 1, 2**63 - 1, 2**63, -(2**63), 10**40, -(10**40)]
)
@pytest.mark.parametrize("column", [0, 1, 2])
def test_numbers_that_do_not_fit_are_refused(number: int, column: int) -> None:
    segment = tuple(number if at == column else 0 for at in range(3))
    with pytest.raises(Refused) as caught:
        Table((EMPTY, (segment,)))  # type: ignore[arg-type]
    assert (caught.value.code, caught.value.place) == ("quantity_range", "curves")


def test_the_largest_numbers_stay_exact() -> None:
    table = Table((((-WHOLE_MAX, WHOLE_MAX, WHOLE_MAX),),))
    assert power_at(table, np.array([WHOLE_MAX])).tolist() == [WHOLE_MAX]
    assert energy_wh(np.array([WHOLE_MAX]), 3600).tolist() == [WHOLE_MAX]
    assert energy_wh(np.array([-1]), 900).tolist() == [-1], "cut off toward below"


def outcomes(blocks: tuple[Block, ...]) -> list[tuple[Block, ...]]:
    """Every set of blocks that a clearing may take: one of a group, a child only with its parent."""
    found = []
    for taken in chain.from_iterable(combinations(blocks, n) for n in range(len(blocks) + 1)):
        groups = [block.group for block in taken if block.group]
        names = {block.id for block in taken}
        linked = all(block.parent is None or block.parent in names for block in taken)
        if len(groups) == len(set(groups)) and linked:
            found.append(taken)
    return found


@st.composite
def block_bids(draw: st.DrawFn) -> Bid:
    count = 4
    blocks: list[Block] = []
    for number in range(draw(st.integers(1, 4))):
        first = draw(st.integers(0, count - 1))
        sign = draw(st.sampled_from([-1, 1]))
        profile = draw(st.lists(st.integers(0, 9), min_size=1, max_size=count - first))
        parents = [None, *(block.id for block in blocks)]
        blocks.append(
            Block(
                id=f"k{number}",
                first=first,
                profile_w=tuple(sign * power for power in profile),
                price_u=0,
                group=draw(st.sampled_from([None, "g", "h"])),
                parent=draw(st.sampled_from(parents)),
            )
        )
    day = draw(st.lists(st.one_of(st.just(EMPTY), curves()), min_size=count, max_size=count))
    return bid(tuple(day), day=DAY, blocks=tuple(blocks))


@settings(derandomize=True, max_examples=150)
@given(one=block_bids(), price=st.integers(-10, 10))
def test_no_clearing_asks_for_more_than_the_offered_range(one: Bid, price: int) -> None:
    low, high = offered_range_w(one)
    table = Table(one.curves)
    for taken in outcomes(one.blocks):
        asked = power_at(table, np.full(4, price))
        for block in taken:
            asked[block.first : block.first + len(block.profile_w)] += block.profile_w
        assert (low <= asked).all()
        assert (asked <= high).all()


@settings(derandomize=True, max_examples=100)
@given(one=block_bids())
def test_the_offered_range_is_reached_where_nothing_is_linked(one: Bid) -> None:
    """Not wider than needed: with no links each interval's ends are some clearing's."""
    free = tuple(
        Block(id=block.id, first=block.first, profile_w=block.profile_w, price_u=0, group=block.group)
        for block in one.blocks
    )
    loose = bid(one.curves, blocks=free)
    low, high = offered_range_w(loose)
    table = Table(one.curves)
    reached = [
        [
            power + sum(_power_of(block, interval) for block in taken)
            for price in (-10, 10)
            for power in [int(power_at(table, np.full(4, price))[interval])]
            for taken in outcomes(free)
        ]
        for interval in range(4)
    ]
    assert low.tolist() == [min(powers) for powers in reached]
    assert high.tolist() == [max(powers) for powers in reached]


def _power_of(block: Block, interval: int) -> int:
    at = interval - block.first
    return block.profile_w[at] if 0 <= at < len(block.profile_w) else 0


def test_a_group_named_like_a_block_is_another_thing() -> None:
    blocks = (
        Block(id="a", first=0, profile_w=(5,), price_u=0),
        Block(id="b", first=0, profile_w=(7,), price_u=0, group="a"),
    )
    low, high = offered_range_w(bid((EMPTY,), blocks=blocks))
    assert (low.tolist(), high.tolist()) == ([0], [12])


def test_what_blocks_add_does_not_change_the_table_that_is_kept() -> None:
    block = Block(id="k", first=0, profile_w=(5,), price_u=1)
    one = bid((((0, 10, 5),),), blocks=(block,))
    for _ in range(2):
        assert [column.tolist() for column in offered_range_w(one)] == [[0], [15]]
    assert one.table is one.table
    assert msgspec.structs.replace(one, curves=(((0, 20, 5),),)).table.to_w.tolist() == [20]
    with pytest.raises(ValueError, match="read-only"):
        one.table.range_w[1][0] = 7
