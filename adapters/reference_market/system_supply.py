"""Everybody else: the residual supply curve through the published price, so that offers stack with it."""

from __future__ import annotations

from typing import Final

from adapters.reference_market.clearing import Curve, Step
from adapters.reference_market.parameters import Parameters

SYSTEM: Final = "~system"
"""No participant's name, and after all of them where ties are broken by name."""

BACKSTOP_LOTS: Final = 10**9
"""Shedding at the cap and spilling at the floor: more than any participants can offer."""

_W_PER_MW: Final = 10**6


def system_supply(parameters: Parameters, published: int) -> Curve:
    """The stair of net supply whose middle step stands at the published price.

    Left alone, or beside participants that together want less than half the middle step, it clears at the
    published price exactly; they who want more climb or descend the stair. Prices stay within the market's
    limits; at the cap and the floor the system takes what is left, after everybody else there.
    """
    system = parameters.system
    low, high = parameters.price_min_micro_per_kwh, parameters.price_max_micro_per_kwh
    lots = system.step_w // parameters.lot_w
    rise = system.slope_micro_per_kwh_per_mw * system.step_w
    steps = [
        Step(min(max(published + _cut(number * rise), low), high), lots)
        for number in range(-(system.steps // 2), system.steps // 2 + 1)
    ]
    start = -(lots * system.steps // 2) - BACKSTOP_LOTS
    spill, shed = Step(low, BACKSTOP_LOTS, tier=-1), Step(high, BACKSTOP_LOTS, tier=1)
    return Curve(SYSTEM, start, (spill, *steps, shed))


def _cut(rise_w: int) -> int:
    """Price ticks for W x ticks per MW, cut toward zero so that the stair is the same both ways."""
    return rise_w // _W_PER_MW if rise_w >= 0 else -(-rise_w // _W_PER_MW)
