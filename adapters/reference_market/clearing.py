"""Uniform-price clearing of one day: net curves, linked blocks and exclusive groups; exact and pure.

Quantities are whole lots of net supply (below zero is demand), prices whole numbers of the market's price
tick. A curve starts at its most negative position and moves up step by step: at a price, every cheaper step
is taken, every dearer one is not. Taking a step below zero is giving up demand, so supply offers and demand
bids are one merit order, and supply equals demand where the positions of all add up to zero.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise, product
from math import prod
from typing import Final, Literal

import msgspec

from ledger.refusal import Refused
from ledger.split import largest_remainder

COMBINATIONS_MAX: Final = 4096
"""How many combinations of blocks are searched: twelve blocks, or more of them in exclusive groups."""

Outcome = Literal["accepted", "out_of_the_money", "paradoxically_rejected"]


class Step(msgspec.Struct, frozen=True):
    """`lots` more of net supply from `price` on; of steps at one price a higher `tier` comes last."""

    price: int
    lots: int
    tier: int = 0

    def __post_init__(self) -> None:
        assert self.lots > 0, "a step is of at least one lot"


class Curve(msgspec.Struct, frozen=True):
    """What `owner` supplies at each price: `start_lots` below the first step. Without steps it is fixed."""

    owner: str
    start_lots: int
    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        for before, after in pairwise(self.steps):
            assert before.price <= after.price, f"the curve of {self.owner} falls"


class Block(msgspec.Struct, frozen=True):
    """All or nothing: `lots` of net supply in each interval of the day, all of one sign.

    A supply block needs a mean price, weighted by its lots, of at least `limit_price`; a demand block one of
    at most that. At most one block of an owner's `group` is accepted; "" is no group.
    """

    owner: str
    name: str
    lots: tuple[int, ...]
    limit_price: int
    group: str = ""

    def __post_init__(self) -> None:
        assert any(self.lots), "a block has lots in some interval"
        assert min(self.lots) >= 0 or max(self.lots) <= 0, "a block supplies or demands"

    @property
    def key(self) -> tuple[str, str]:
        return self.owner, self.name

    def surplus(self, prices: Sequence[int]) -> int:
        """What it gains at these prices, in price ticks x lots; below zero it is out of the money."""
        return sum(lots * (price - self.limit_price) for lots, price in zip(self.lots, prices, strict=True))


class Clearing(msgspec.Struct, frozen=True):
    """One day's result: a price and every owner's position for each interval, and each block's outcome."""

    prices: tuple[int, ...]
    lots: Mapping[str, tuple[int, ...]]
    outcomes: Mapping[tuple[str, str], Outcome]
    cost: int
    """What the steps and blocks taken ask for, in price ticks x lots: least among all clearings in which no
    accepted block is out of the money. Welfare is a constant of the book less this."""


def combinations(blocks: Sequence[Block]) -> int:
    """How many choices of blocks there are, the groups respected."""
    return prod(len(choice) for choice in _choices(blocks))


def clear(curves: Sequence[Sequence[Curve]], blocks: Sequence[Block] = ()) -> Clearing:
    """The welfare-maximal uniform-price result; `curves` are those of each interval.

    The price is that of the last step taken, and where nothing is taken that of the cheapest step. Steps at
    the price are taken pro rata to their lots, whole lots by largest remainder, ties by owner. A block may be
    rejected though the prices would pay for it (a paradoxical rejection), never accepted at a loss. Of equal
    results the one with more blocks, then the one whose blocks come first by owner and name.

    Raises:
        Refused: `block_combinations` beyond `COMBINATIONS_MAX`, `market_unbalanced` when no price makes
            supply and demand of the curves alone equal, with the interval's index.
    """
    if (count := combinations(blocks)) > COMBINATIONS_MAX:
        raise Refused("block_combinations", f"{count} combinations of blocks; up to {COMBINATIONS_MAX}")
    stacks = [_Stack(of_interval) for of_interval in curves]
    alone = [stack.settled(0) for stack in stacks]
    for index, settled in enumerate(alone):
        if settled is None:
            raise Refused(
                "market_unbalanced", "no price makes supply and demand equal", place=f"intervals[{index}]"
            )
    chosen, prices, cost = min(
        _results(stacks, blocks),
        key=lambda result: (result[2], -len(result[0]), sorted(block.key for block in result[0])),
    )
    added = [sum(block.lots[index] for block in chosen) for index in range(len(stacks))]
    lots: dict[str, list[int]] = defaultdict(lambda: [0] * len(stacks))
    for index, stack in enumerate(stacks):
        for owner, position in stack.positions(added[index]).items():
            lots[owner][index] += position
    for block in blocks:
        for index, position in enumerate(block.lots):
            lots[block.owner][index] += position if block in chosen else 0
    assert all(sum(position[index] for position in lots.values()) == 0 for index in range(len(stacks)))
    outcomes: dict[tuple[str, str], Outcome] = {
        block.key: "accepted"
        if block in chosen
        else "paradoxically_rejected"
        if block.surplus(prices) > 0
        else "out_of_the_money"
        for block in blocks
    }
    return Clearing(prices, {owner: tuple(lots[owner]) for owner in sorted(lots)}, outcomes, cost)


def _choices(blocks: Sequence[Block]) -> list[list[Block | None]]:
    """What may be taken independently: a block or none, or one of a group or none."""
    choices: dict[tuple[str, ...], list[Block | None]] = defaultdict(lambda: [None])
    for block in sorted(blocks, key=lambda block: block.key):
        at = ("group", block.owner, block.group) if block.group else ("block", *block.key)
        choices[at].append(block)
    return list(choices.values())


def _results(
    stacks: Sequence[_Stack], blocks: Sequence[Block]
) -> Iterator[tuple[tuple[Block, ...], tuple[int, ...], int]]:
    """Every choice of blocks that balances and accepts none at a loss: the blocks, prices and cost."""
    for choice in product(*_choices(blocks)):
        chosen = tuple(block for block in choice if block is not None)
        added = [sum(block.lots[index] for block in chosen) for index in range(len(stacks))]
        settled = [stack.settled(lots) for stack, lots in zip(stacks, added, strict=True)]
        balanced = [one for one in settled if one is not None]
        if len(balanced) < len(stacks):
            continue
        prices = tuple(price for price, _ in balanced)
        if all(block.surplus(prices) >= 0 for block in chosen):
            asked = sum(block.limit_price * sum(block.lots) for block in chosen)
            yield chosen, prices, asked + sum(cost for _, cost in balanced)


class _Stack:
    """The merit order of one interval: its steps by price, with the lots and cost up to each."""

    def __init__(self, curves: Sequence[Curve]) -> None:
        self._curves = curves
        self._start = sum(curve.start_lots for curve in curves)
        at: dict[tuple[int, int], int] = defaultdict(int)
        for curve in curves:
            for step in curve.steps:
                at[step.price, step.tier] += step.lots
        self._levels = sorted(at)
        self._lots, self._cost = [0], [0]
        for level in self._levels:
            self._lots.append(self._lots[-1] + at[level])
            self._cost.append(self._cost[-1] + level[0] * at[level])

    def settled(self, added: int) -> tuple[int, int] | None:
        """Price and cost when `added` lots are supplied beside the curves; None when nothing balances."""
        needed = -self._start - added
        if not self._levels or not 0 <= needed <= self._lots[-1]:
            return None
        at = max(bisect_left(self._lots, needed), 1)
        price = self._levels[at - 1][0]
        return price, self._cost[at - 1] + price * (needed - self._lots[at - 1])

    def positions(self, added: int) -> dict[str, int]:
        """Every owner's position in lots; `added` as in `settled`, which it must balance."""
        needed = -self._start - added
        at = max(bisect_left(self._lots, needed), 1)
        margin = self._levels[at - 1]
        lots: dict[str, int] = defaultdict(int)
        weights: dict[str, Fraction] = defaultdict(Fraction)
        for curve in self._curves:
            lots[curve.owner] += curve.start_lots
            for step in curve.steps:
                level = step.price, step.tier
                if level < margin:
                    lots[curve.owner] += step.lots
                elif level == margin:
                    weights[curve.owner] += step.lots
        for owner, part in largest_remainder(needed - self._lots[at - 1], weights).items():
            lots[owner] += part
        return lots
