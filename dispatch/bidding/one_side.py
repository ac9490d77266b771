"""What a whole bid comes to where only its purchases clear, or only its sales.

Each interval clears by its own price. No path of prices brings the storage further from what it holds than
the one on which every purchase is awarded and no sale is, or the reverse: what it then cannot take, or give,
deviates.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dispatch.bidding.curve import CurveRules, Explained
from dispatch.bidding.further import StoredRoom, Way

_PPM = 1_000_000
_S_PER_HOUR = 3600
_WH_PER_KWH = 1000


class OneSide(msgspec.Struct, frozen=True):
    """Wh at the meter that are awarded, and of these what the storage cannot take or give; what that costs at
    most, in millionths of money: the last of it is awarded at the worst price that it is offered at and
    settled at the market's limit, with the cost of deviating."""

    awarded_wh: int
    over_wh: int
    cost_u: int


def one_side(
    curves: Sequence[Sequence[Explained]], way: Way, room: StoredRoom, rules: CurveRules, deviation_u: int
) -> OneSide:
    """All purchases (`way` -1) and no sale, or all sales (1) and no purchase."""
    steps = [one.step for curve in curves for one in curve if (one.step[0] < 0) == (way < 0)]
    power = sum(high - low for low, high, _ in steps)
    awarded = power * room.interval_s // _S_PER_HOUR
    if way < 0:
        most = max(room.ceiling_wh - room.stored_wh, 0) * _PPM // room.charge_ppm
        worst = max((price - rules.floor_u for *_, price in steps), default=0)
    else:
        most = max(room.stored_wh - room.floor_wh, 0) * room.discharge_ppm // _PPM
        worst = max((rules.cap_u - price for *_, price in steps), default=0)
    over = max(awarded - most, 0)
    return OneSide(awarded, over, over * (worst + deviation_u) // _WH_PER_KWH)
