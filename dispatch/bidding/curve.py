"""A plan as price-quantity curves: near-vertical around what is planned, protective outside.

A storage earns by its plan being taken as a whole, not by guessing each interval's price: of two settlements
a curve that speculates on their difference earned 4.7 % of what the plan with re-dispatch did. So a planned
sale is offered down to the price at which the energy costs more to put back than it brings, a planned
purchase up to the price at which it brings less than it costs, and what is not planned only at prices at
which a further cycle pays whatever the other intervals bring.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final, Literal

import msgspec

from ledger.refusal import Refused

Step = tuple[int, int, int]
"""From W, to W (above 0 discharging), price in millionths of the currency per kWh."""

Ground = Literal["break_even", "limit", "further_cycle"]
"""Why a step has its price: below (a purchase: above) it the planned trade loses money; the market's own
limit; beyond it one more cycle pays at the prices that are all but certain."""

_PPM: Final = 1_000_000


class CurveRules(msgspec.Struct, frozen=True, kw_only=True):
    """What a market allows: prices in millionths per kWh, powers in W, as its product states them."""

    floor_u: int
    cap_u: int
    tick_u: int
    lot_w: int
    quantity_min_w: int
    quantity_max_w: int | None
    segments_max: int
    direction: Literal["charge", "discharge", "both"]


class StorageCost(msgspec.Struct, frozen=True, kw_only=True):
    """What a cycle costs: one-way efficiencies in millionths, wear in millionths of money per kWh of
    throughput (half on each direction), and what a kWh of deviation from an award costs (millionths)."""

    charge_ppm: int
    discharge_ppm: int
    wear_u: int = 0
    deviation_u: int = 0

    @property
    def round_trip(self) -> Fraction:
        """kWh that come out for each that went in."""
        return Fraction(self.charge_ppm * self.discharge_ppm, _PPM * _PPM)

    def cost_of_sale(self, bought_u: int) -> Fraction:
        """What a kWh given costs when it was, or will be, bought at a price."""
        return bought_u / self.round_trip + Fraction(self.wear_u, 2) * (1 + 1 / self.round_trip)

    def worth_of_purchase(self, sold_u: int) -> Fraction:
        """What a kWh taken is worth when it comes out again at a price."""
        return sold_u * self.round_trip - Fraction(self.wear_u, 2) * (1 + self.round_trip)


class PriceRange(msgspec.Struct, frozen=True):
    """Of each interval the prices below and above which all but few outcomes lie, and what is expected."""

    low_u: tuple[int, ...]
    expected_u: tuple[int, ...]
    high_u: tuple[int, ...]


class Explained(msgspec.Struct, frozen=True):
    """A curve's step and why it stands there."""

    step: Step
    ground: Ground
    at_u: int
    """The price of the other leg that the ground rests on; the limit itself for `limit`."""


def curves_of(
    plan_w: Sequence[int],
    prices: PriceRange,
    cost: StorageCost,
    rules: CurveRules,
    *,
    low_w: int,
    high_w: int,
    outer: bool,
) -> tuple[tuple[Explained, ...], ...]:
    """A curve an interval from `low_w` (charging, at most 0) to `high_w`; without `outer` from the plan to 0
    W.

    `outer` is for products that check the planned schedule alone: elsewhere every power offered must be one
    that the storage can give together with all others. A plan below the least quantity is not offered.

    Raises:
        Refused: `plan_shape` when plan and prices have different intervals.
    """
    count = len(plan_w)
    if any(len(row) != count for row in (prices.low_u, prices.expected_u, prices.high_u)):
        raise Refused("plan_shape", f"{count} prices, one for each interval", place="prices")
    grounds = _grounds(plan_w, prices, cost)
    lowest, highest = _reach(low_w, high_w, rules)
    return tuple(_curve(power, grounds, cost, rules, lowest, highest, outer=outer) for power in plan_w)


class _Grounds(msgspec.Struct, frozen=True):
    """The other legs: the dearest planned purchase, the cheapest planned sale, and the extremes expected."""

    bought_u: int
    sold_u: int
    surely_low_u: int
    surely_high_u: int


def _grounds(plan_w: Sequence[int], prices: PriceRange, cost: StorageCost) -> _Grounds:
    bought = [price for power, price in zip(plan_w, prices.expected_u, strict=True) if power < 0]
    sold = [price for power, price in zip(plan_w, prices.expected_u, strict=True) if power > 0]
    cheapest, dearest = min(prices.expected_u), max(prices.expected_u)
    return _Grounds(
        bought_u=max(bought, default=cheapest),
        sold_u=min(sold, default=dearest),
        surely_low_u=min(prices.high_u) + cost.deviation_u,
        surely_high_u=max(prices.low_u) - cost.deviation_u,
    )


def _curve(
    power: int,
    grounds: _Grounds,
    cost: StorageCost,
    rules: CurveRules,
    lowest: int,
    highest: int,
    *,
    outer: bool,
) -> tuple[Explained, ...]:
    planned = _offered(power, rules, lowest, highest)
    bought, sold = min(planned, 0), max(planned, 0)
    low, high = (lowest, highest) if outer else (bought, sold)
    sale = _at_least(cost.cost_of_sale(grounds.bought_u), rules)
    purchase = _at_most(cost.worth_of_purchase(grounds.sold_u), rules)
    more_sale = max(_at_least(cost.cost_of_sale(grounds.surely_low_u), rules), sale)
    more_purchase = min(_at_most(cost.worth_of_purchase(grounds.surely_high_u), rules), purchase)
    if planned > 0:
        more_purchase = min(more_purchase, sale)
    if planned < 0:
        more_sale = max(more_sale, purchase)
    if more_purchase > more_sale:
        # Nothing is planned here although a cycle would pay: what is offered stays clear of both legs.
        more_purchase, more_sale = rules.floor_u, rules.cap_u
    wanted = (
        Explained((low, bought, more_purchase), _ground(more_purchase, rules), grounds.surely_high_u),
        Explained((bought, 0, purchase), _ground(purchase, rules, "break_even"), grounds.sold_u),
        Explained((0, sold, sale), _ground(sale, rules, "break_even"), grounds.bought_u),
        Explained((sold, high, more_sale), _ground(more_sale, rules), grounds.surely_low_u),
    )
    found = tuple(one for one in wanted if one.step[0] < one.step[1])
    while len(found) > rules.segments_max:
        found = found[1:] if abs(found[0].step[0]) > abs(found[-1].step[1]) else found[:-1]
    return found


def _ground(price_u: int, rules: CurveRules, inside: Ground = "further_cycle") -> Ground:
    return "limit" if price_u in (rules.floor_u, rules.cap_u) else inside


def _reach(low_w: int, high_w: int, rules: CurveRules) -> tuple[int, int]:
    """The lowest and highest power that may be offered, in whole lots."""
    most = rules.quantity_max_w
    low = -(min(-low_w, -low_w if most is None else most) // rules.lot_w * rules.lot_w)
    high = min(high_w, high_w if most is None else most) // rules.lot_w * rules.lot_w
    low = 0 if rules.direction == "discharge" or -low < rules.quantity_min_w else low
    high = 0 if rules.direction == "charge" or high < rules.quantity_min_w else high
    return low, high


def _offered(power: int, rules: CurveRules, lowest: int, highest: int) -> int:
    """The planned power in whole lots toward 0 W; nothing where that is less than may be offered."""
    lots = abs(power) // rules.lot_w * rules.lot_w
    size = min(lots, highest if power > 0 else -lowest)
    if size < rules.quantity_min_w:
        return 0
    return size if power > 0 else -size


def _at_least(price: Fraction, rules: CurveRules) -> int:
    ticks = -(-price // rules.tick_u)
    return min(max(int(ticks) * rules.tick_u, rules.floor_u), rules.cap_u)


def _at_most(price: Fraction, rules: CurveRules) -> int:
    return min(max(int(price // rules.tick_u) * rules.tick_u, rules.floor_u), rules.cap_u)
