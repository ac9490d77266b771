"""A plan as price-quantity curves: near-vertical around what is planned, protective outside.

A storage earns by its plan being taken as a whole, not by guessing each interval's price: of two settlements
a curve that speculates on their difference earned 4.7 % of what the plan with re-dispatch did. So a planned
sale is offered down to the lowest price that any interval of the day may have far outside its forecast, and
a planned purchase up to the highest: whichever way a day goes between the two, its plan is awarded whole, and
no purchase without its sale. Where the trade loses nothing at a price further out, whatever its other leg
comes at within the forecast, it is offered to there. Far outside is as far again outside the forecast's
quantiles as these lie from what is expected, as a day's surprises come together: beyond the plan something is
offered only there, and no more than the storage can deliver beside the plan (`dispatch.bidding.further`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import ceil, floor
from typing import Final, Literal

import msgspec

from dispatch.bidding.further import Further, Side, Steps, StoredRoom, further_cycles
from ledger.refusal import Refused

Step = tuple[int, int, int]
"""From W, to W (above 0 discharging), price in millionths of the currency per kWh."""

Ground = Literal["whole_day", "break_even", "limit", "further_cycle", "in_place", "beyond_forecast"]
"""Why a step has its price: no interval's price lies below (a purchase: above) it even far outside its
forecast; below (above) it the planned trade loses money whatever the other leg comes at within the forecast;
the market's own limit; beyond it one more cycle pays at prices far outside the forecast; or pays more than a
planned trade that would be left for it; or it is itself so far outside."""

_PPM: Final = 1_000_000
_S_PER_HOUR: Final = 3600


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

    def outside(self) -> PriceRange:
        """As far again outside: twice as far from what is expected.

        >>> PriceRange((20,), (30,), (50,)).outside()
        PriceRange(low_u=(10,), expected_u=(30,), high_u=(70,))
        """
        low = tuple(2 * low - mid for low, mid in zip(self.low_u, self.expected_u, strict=True))
        high = tuple(2 * high - mid for high, mid in zip(self.high_u, self.expected_u, strict=True))
        return PriceRange(low, self.expected_u, high)


class Explained(msgspec.Struct, frozen=True):
    """A curve's step and why it stands there."""

    step: Step
    ground: Ground
    at_u: int
    """The price that the ground rests on: the day's lowest or highest far outside its forecast, that of the
    other leg, or the interval's own that is all but ruled out; the first for `limit`."""
    leg: int | None = None
    """The interval of the other leg, of what is offered beyond the plan."""


def curves_of(
    plan_w: Sequence[int],
    prices: PriceRange,
    cost: StorageCost,
    rules: CurveRules,
    *,
    low_w: int,
    high_w: int,
    room: StoredRoom | None,
) -> tuple[tuple[Explained, ...], ...]:
    """A curve an interval, from the planned power to 0 W; with `room` also beyond it, as far as `low_w`
    (charging, at most 0) and `high_w`.

    `room` is for products that check the planned schedule alone: elsewhere all that is offered must be
    deliverable at once. A plan below the least quantity is not offered.

    Raises:
        Refused: `plan_shape` when plan and prices have different intervals.
    """
    count = len(plan_w)
    if any(len(row) != count for row in (prices.low_u, prices.expected_u, prices.high_u)):
        raise Refused("plan_shape", f"{count} prices, one for each interval", place="prices")
    steps = _steps(low_w, high_w, rules)
    planned = [_offered(power, rules, steps) for power in plan_w]
    far = prices.outside()
    inner = _Inner.of(plan_w, prices, far, cost, rules)
    beyond: dict[int, Further] = {}
    if room is not None and rules.segments_max > 1:
        sales, purchases = (_side(far, cost, rules, way) for way in (1, -1))
        beyond = further_cycles(planned, sales, purchases, room, steps)
    return tuple(
        _curve(planned[at], inner, _outer(at, planned[at], beyond, far, cost, rules)) for at in range(count)
    )


def beyond_plan_wh(curves: Sequence[Sequence[Explained]], interval_s: int) -> tuple[int, int]:
    """Wh that all intervals together may be awarded beyond the plan: charged and discharged, at the meter."""
    outer = [one.step for curve in curves for one in curve if one.leg is not None]
    charged = sum(high - low for low, high, _ in outer if high <= 0)
    discharged = sum(high - low for low, high, _ in outer if low >= 0)
    return charged * interval_s // _S_PER_HOUR, discharged * interval_s // _S_PER_HOUR


class _Inner(msgspec.Struct, frozen=True):
    """At which prices what is planned is bought and sold, and why at these."""

    purchase_u: int
    sale_u: int
    purchase: tuple[Ground, int]
    sale: tuple[Ground, int]

    @classmethod
    def of(
        cls, plan_w: Sequence[int], prices: PriceRange, far: PriceRange, cost: StorageCost, rules: CurveRules
    ) -> _Inner:
        """As far as the day's prices may lie far outside, or the trade loses nothing: against the dearest
        purchase and the cheapest sale that are planned, the former as cheap, the latter as dear as may be."""
        bought = [price for power, price in zip(plan_w, prices.low_u, strict=True) if power < 0]
        sold = [price for power, price in zip(plan_w, prices.high_u, strict=True) if power > 0]
        dearest = max(bought, default=min(prices.low_u))
        cheapest = min(sold, default=max(prices.high_u))
        highest, lowest = max(far.high_u), min(far.low_u)
        worth, costs = cost.worth_of_purchase(cheapest), cost.cost_of_sale(dearest)
        purchase_u = _at_most(max(worth, Fraction(highest)), rules)
        sale_u = _at_least(min(costs, Fraction(lowest)), rules)
        return cls(
            purchase_u=purchase_u,
            sale_u=sale_u,
            purchase=_why(purchase_u, rules.cap_u, highest, cheapest, within_day=highest >= worth),
            sale=_why(sale_u, rules.floor_u, lowest, dearest, within_day=lowest <= costs),
        )

    def step(self, planned: int) -> Explained:
        price = self.sale_u if planned > 0 else self.purchase_u
        ground, at = self.sale if planned > 0 else self.purchase
        return Explained((min(planned, 0), max(planned, 0), price), ground, at)


def _why(price_u: int, limit_u: int, day_u: int, leg_u: int, *, within_day: bool) -> tuple[Ground, int]:
    if price_u == limit_u:
        return "limit", day_u
    return ("whole_day", day_u) if within_day else ("break_even", leg_u)


def _side(prices: PriceRange, cost: StorageCost, rules: CurveRules, way: int) -> Side:
    """What further sales (`way` 1) or purchases (-1) cost by their leg; of purchases with the other sign."""
    if way > 0:
        with_deviation = [price + cost.deviation_u for price in prices.high_u]
        return Side(
            surprise_u=prices.high_u,
            opposite_u=[ceil(cost.cost_of_sale(price)) for price in with_deviation],
            in_place_u=with_deviation,
            limit_u=rules.cap_u,
        )
    with_deviation = [price - cost.deviation_u for price in prices.low_u]
    return Side(
        surprise_u=[-price for price in prices.low_u],
        opposite_u=[-floor(cost.worth_of_purchase(price)) for price in with_deviation],
        in_place_u=[-price for price in with_deviation],
        limit_u=-rules.floor_u,
    )


def _outer(
    at: int,
    planned: int,
    beyond: Mapping[int, Further],
    prices: PriceRange,
    cost: StorageCost,
    rules: CurveRules,
) -> Explained | None:
    """What is offered beyond the plan: at what its leg costs, and beyond what is forecast of the interval."""
    more = beyond.get(at)
    if more is None:
        return None
    if more.power_w > 0:
        sure, own = prices.high_u[more.leg], prices.high_u[at]
        against = Fraction(sure + cost.deviation_u)
        leg = _at_least(against if more.in_place else cost.cost_of_sale(sure + cost.deviation_u), rules)
        price = max(leg, _at_least(Fraction(own + rules.tick_u), rules))
        step = (max(planned, 0), max(planned, 0) + more.power_w, price)
    else:
        sure, own = prices.low_u[more.leg], prices.low_u[at]
        against = Fraction(sure - cost.deviation_u)
        leg = _at_most(against if more.in_place else cost.worth_of_purchase(sure - cost.deviation_u), rules)
        price = min(leg, _at_most(Fraction(own - rules.tick_u), rules))
        step = (min(planned, 0) + more.power_w, min(planned, 0), price)
    if price != leg:
        return Explained(step, "beyond_forecast", own, more.leg)
    return Explained(step, "in_place" if more.in_place else "further_cycle", sure, more.leg)


def _curve(planned: int, inner: _Inner, outer: Explained | None) -> tuple[Explained, ...]:
    """The planned step and the one beyond it, which is never offered on better terms."""
    found = (inner.step(planned),) if planned else ()
    if outer is None:
        return found
    low, high, price = outer.step
    if high > 0:
        least = max(price, inner.sale_u) if planned else price
        return (*found, msgspec.structs.replace(outer, step=(low, high, least)))
    most = min(price, inner.purchase_u) if planned else price
    return (msgspec.structs.replace(outer, step=(low, high, most)), *found)


def _steps(low_w: int, high_w: int, rules: CurveRules) -> Steps:
    """The lowest and highest power that may be offered, in whole lots."""
    most = rules.quantity_max_w
    low = -(min(-low_w, -low_w if most is None else most) // rules.lot_w * rules.lot_w)
    high = min(high_w, high_w if most is None else most) // rules.lot_w * rules.lot_w
    low = 0 if rules.direction == "discharge" or -low < rules.quantity_min_w else low
    high = 0 if rules.direction == "charge" or high < rules.quantity_min_w else high
    return Steps(low, high, rules.lot_w, rules.quantity_min_w)


def _offered(power: int, rules: CurveRules, steps: Steps) -> int:
    """The planned power in whole lots toward 0 W; nothing where that is less than may be offered."""
    lots = abs(power) // rules.lot_w * rules.lot_w
    size = min(lots, steps.highest_w if power > 0 else -steps.lowest_w)
    if size < rules.quantity_min_w:
        return 0
    return size if power > 0 else -size


def _at_least(price: Fraction, rules: CurveRules) -> int:
    ticks = -(-price // rules.tick_u)
    return min(max(int(ticks) * rules.tick_u, rules.floor_u), rules.cap_u)


def _at_most(price: Fraction, rules: CurveRules) -> int:
    return min(max(int(price // rules.tick_u) * rules.tick_u, rules.floor_u), rules.cap_u)
