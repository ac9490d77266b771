"""Clearing against a brute-force welfare maximiser, and worked examples by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from adapters.reference_market.clearing import Block, Clearing, Curve, Step, clear
from ledger.refusal import Refused

Day = list[list[Curve]]


def test_supply_meets_demand_at_the_marginal_offer() -> None:
    """20 lots wanted up to 500; 12 offered at 100 and 15 at 300: the second sets the price, 8 of it run."""
    cheap, dear = Curve("a", 0, (Step(100, 12),)), Curve("b", 0, (Step(300, 15),))
    cleared = clear([[cheap, dear, Curve("load", -20, (Step(500, 20),))]])
    assert cleared.prices == (300,)
    assert cleared.lots == {"a": (12,), "b": (8,), "load": (-20,)}
    assert cleared.cost == 12 * 100 + 8 * 300


def test_a_storage_charges_cheap_and_discharges_dear_on_one_curve() -> None:
    """10 lots in below 200, 10 out from 400, idle between."""
    storage = Curve("s", -10, (Step(200, 10), Step(400, 10)))
    at = {price: Curve("grid", -50, (Step(price, 100),)) for price in (150, 300, 450)}
    cleared = clear([[storage, at[150]], [storage, at[300]], [storage, at[450]]])
    assert cleared.prices == (150, 300, 450)
    assert cleared.lots["s"] == (-10, 0, 10)


def test_ties_at_the_margin_are_shared_pro_rata_in_whole_lots() -> None:
    """7 lots for 6 + 6 + 2 offered at one price: 3, 3 and 1; one lot more goes to the first by name."""
    offers = [Curve(owner, 0, (Step(250, lots),)) for owner, lots in (("c", 2), ("b", 6), ("a", 6))]
    assert clear([[*offers, Curve("load", -7)]]).lots == {"a": (3,), "b": (3,), "c": (1,), "load": (-7,)}
    assert clear([[*offers, Curve("load", -8)]]).lots == {"a": (4,), "b": (3,), "c": (1,), "load": (-8,)}


def test_of_one_price_the_last_resort_comes_last() -> None:
    backstop = Curve("grid", 0, (Step(500, 1000, tier=1),))
    assert clear([[Curve("a", 0, (Step(500, 4),)), backstop, Curve("load", -5)]]).lots["a"] == (4,)


def test_a_block_is_taken_whole_or_not_at_all() -> None:
    """2 lots at 100 and 3 at 400 earn 280 on average: a limit of 280 is just met, one of 281 is not."""
    grid = [
        [Curve("grid", -5, (Step(100, 50),))],
        [Curve("grid", -5, (Step(400, 50),))],
    ]
    taken = clear(grid, [Block("p", "b1", (2, 3), 280)])
    assert taken.outcomes == {("p", "b1"): "accepted"}
    assert taken.lots["p"] == (2, 3)
    refused = clear(grid, [Block("p", "b1", (2, 3), 281)])
    assert refused.outcomes == {("p", "b1"): "out_of_the_money"}
    assert refused.lots["p"] == (0, 0)


def test_a_block_that_would_spoil_its_own_price_is_rejected_paradoxically() -> None:
    """4 lots are missing at 400. The block of 6 at 300 would push the price to 100, where it loses."""
    grid = [[Curve("cheap", 0, (Step(100, 10),)), Curve("dear", 0, (Step(400, 10),)), Curve("load", -14)]]
    cleared = clear(grid, [Block("p", "b1", (6,), 300)])
    assert cleared.prices == (400,)
    assert cleared.outcomes == {("p", "b1"): "paradoxically_rejected"}


def test_at_most_one_block_of_a_group_is_taken() -> None:
    grid = [[Curve("grid", -50, (Step(300, 100),))]]
    blocks = [Block("p", name, (5,), limit, "night") for name, limit in (("b1", 200), ("b2", 100))]
    cleared = clear(grid, blocks)
    assert cleared.outcomes == {("p", "b1"): "paradoxically_rejected", ("p", "b2"): "accepted"}
    other = Block("q", "b1", (5,), 200, "night")
    assert clear(grid, [*blocks, other]).outcomes["q", "b1"] == "accepted", "a group is its owner's"


def test_what_cannot_balance_or_be_searched_is_refused() -> None:
    with pytest.raises(Refused) as unbalanced:
        clear([[Curve("a", 0, (Step(1, 1),)), Curve("load", -1)], [Curve("load", -1)]])
    assert (unbalanced.value.code, unbalanced.value.place) == ("market_unbalanced", "intervals[1]")
    grid = [[Curve("grid", -50, (Step(300, 100),))]]
    twelve = [Block("p", f"b{number}", (1,), 200) for number in range(12)]
    assert sum(clear(grid, twelve).lots["p"]) == 12
    with pytest.raises(Refused) as many:
        clear(grid, [*twelve, Block("q", "b", (1,), 200)])
    assert many.value.code == "block_combinations"


def test_a_falling_curve_cannot_be_made() -> None:
    with pytest.raises(AssertionError):
        Curve("a", 0, (Step(2, 1), Step(1, 1)))


# The brute force: every way of taking whole lots, and every set of blocks, priced from the definition.


def takings(curves: Sequence[Curve], added: int) -> Iterator[tuple[tuple[int, ...], int]]:
    """How many lots of each step may be taken so that all adds up to zero, and what that costs."""
    steps = [step for curve in curves for step in curve.steps]
    start = sum(curve.start_lots for curve in curves) + added
    for taken in product(*(range(step.lots + 1) for step in steps)):
        if start + sum(taken) == 0:
            yield taken, sum(lots * step.price for lots, step in zip(taken, steps, strict=True))


def price_of(curves: Sequence[Curve], taken: Sequence[int]) -> int:
    """The dearest step of which anything was taken, or the cheapest there is."""
    steps = [step for curve in curves for step in curve.steps]
    used = [step.price for step, lots in zip(steps, taken, strict=True) if lots]
    return max(used, default=min(step.price for step in steps))


def brute_force(day: Day, blocks: Sequence[Block]) -> tuple[int, tuple[int, ...]] | None:
    """Least cost over all sets of blocks none of which loses, and the prices there."""
    found: list[tuple[int, int, list[tuple[str, str]], tuple[int, ...]]] = []
    for chosen in (some for size in range(len(blocks) + 1) for some in combinations(blocks, size)):
        groups = [(block.owner, block.group) for block in chosen if block.group]
        if len(groups) != len(set(groups)):
            continue
        best = []
        for index, curves in enumerate(day):
            ways = list(takings(curves, sum(block.lots[index] for block in chosen)))
            best.append(min(ways, key=lambda way: way[1]) if ways else None)
        if None in best:
            continue
        prices = tuple(price_of(curves, way[0]) for curves, way in zip(day, best, strict=True) if way)
        worth = [
            sum(lots * (price - block.limit_price) for lots, price in zip(block.lots, prices, strict=True))
            for block in chosen
        ]
        if min(worth, default=0) < 0:
            continue
        cost = sum(way[1] for way in best if way)
        cost += sum(block.limit_price * sum(block.lots) for block in chosen)
        found.append((cost, -len(chosen), sorted(block.key for block in chosen), prices))
    return (min(found)[0], min(found)[3]) if found else None


prices = st.integers(-5, 5)


@st.composite
def curve(draw: st.DrawFn, owner: str) -> Curve:
    """A small curve that holds the position zero."""
    asked = sorted(draw(st.lists(prices, min_size=1, max_size=2)))
    steps = tuple(Step(price, draw(st.integers(1, 3))) for price in asked)
    return Curve(owner, -draw(st.integers(0, sum(step.lots for step in steps))), steps)


@st.composite
def day(draw: st.DrawFn) -> Day:
    return [[draw(curve(owner)) for owner in "abc"] for _ in range(draw(st.integers(1, 2)))]


@st.composite
def block(draw: st.DrawFn, name: str, intervals: int) -> Block:
    sign = draw(st.sampled_from([1, -1]))
    lots = draw(st.lists(st.integers(0, 3), min_size=intervals, max_size=intervals).filter(any))
    owner, group = draw(st.sampled_from("pq")), draw(st.sampled_from(["", "g"]))
    return Block(owner, name, tuple(sign * one for one in lots), draw(prices), group)


def check_fair(day: Day, cleared: Clearing) -> None:
    """No accepted step is out of the money and no rejected one in it, owner by owner."""
    for index, curves in enumerate(day):
        price = cleared.prices[index]
        for of in curves:
            least = of.start_lots + sum(step.lots for step in of.steps if step.price < price)
            most = of.start_lots + sum(step.lots for step in of.steps if step.price <= price)
            assert least <= cleared.lots[of.owner][index] <= most


@given(day())
@settings(max_examples=100)
def test_curves_clear_as_a_brute_force_welfare_maximiser_does(day: Day) -> None:
    cleared = clear(day)
    assert (cleared.cost, cleared.prices) == brute_force(day, ())
    for index in range(len(day)):
        assert sum(lots[index] for lots in cleared.lots.values()) == 0
    check_fair(day, cleared)


@given(st.data())
@settings(max_examples=100)
def test_blocks_clear_as_the_brute_force_does(data: st.DataObject) -> None:
    book = data.draw(day())
    blocks = [
        data.draw(block(name, len(book))) for name in data.draw(st.sampled_from(["", "x", "xy", "xyz"]))
    ]
    cleared = clear(book, blocks)
    assert (cleared.cost, cleared.prices) == brute_force(book, blocks)
    for one in blocks:
        worth = one.surplus(cleared.prices)
        outcome = cleared.outcomes[one.key]
        fits = {"accepted": worth >= 0, "out_of_the_money": worth <= 0, "paradoxically_rejected": worth > 0}
        assert fits[outcome]
    taken = [one for one in blocks if cleared.outcomes[one.key] == "accepted"]
    for index in range(len(book)):
        assert sum(lots[index] for lots in cleared.lots.values()) == 0
        for owner in "pq":
            added = sum(one.lots[index] for one in taken if one.owner == owner)
            assert cleared.lots.get(owner, (0,) * len(book))[index] == added
    check_fair(book, cleared)


@given(day(), curve("d"))
@settings(max_examples=100)
def test_more_supply_never_raises_a_price_and_more_demand_never_lowers_one(day: Day, more: Curve) -> None:
    before = clear(day).prices
    supply = Curve(more.owner, 0, more.steps)
    demand = Curve(more.owner, -sum(step.lots for step in more.steps), more.steps)
    needs = [-sum(curve.start_lots for curve in curves) for curves in day]
    assume(all(needs))
    assert all(
        now <= then for now, then in zip(clear([[*c, supply] for c in day]).prices, before, strict=True)
    )
    assert all(
        now >= then for now, then in zip(clear([[*c, demand] for c in day]).prices, before, strict=True)
    )


@given(day(), st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_the_order_of_offers_does_not_matter(day: Day, random: st.DataObject) -> None:
    shuffled = [random.sample(curves, len(curves)) for curves in day]  # type: ignore[attr-defined]
    assert clear(shuffled) == clear(day)
