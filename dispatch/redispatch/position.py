"""In real time, beside what was sold day-ahead: what to do with the rest of the day, as prices come.

Under two settlements what was sold is paid for at the day-ahead price, whatever is done; what is done beyond
it, or left undone, at the real-time price (DOMAIN.md 3.5). So a sold hour is kept where the real-time price
is what was expected, and left where the energy is worth more in another hour, after losses, wear and the
cost of deviating. Asked again each interval with what is stored by then, and the newest prices.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from dispatch.optimiser.perfect_foresight import perfect_foresight
from dispatch.optimiser.series import Series
from dispatch.optimiser.site import Storage
from dispatch.plan_check import Whole
from ledger.refusal import Refused

_W: Final = 1000.0
_MICRO: Final = 1_000_000
_PERMILLE: Final = 1000


class Redispatch(msgspec.Struct, frozen=True, eq=False):
    """W of each interval left (above 0 discharging), how far that is from what was sold, Wh stored then."""

    setpoint_w: Whole
    deviation_w: Whole
    stored_wh: Whole


def redispatch(
    storage: Storage, interval_h: float, sold_w: Whole, price_micro: Whole, *, deviation_micro: int
) -> Redispatch:
    """The best use of the intervals left at the real-time prices expected of them.

    `storage` begins with what is stored now. `sold_w` is the day-ahead position, `price_micro` 10^-6 of
    money per kWh, `deviation_micro` what a kWh of deviation costs either way.

    Raises:
        Refused: `series_shape` where position and prices have different intervals; as `perfect_foresight`.
        SolverError: when the solver fails, or the storage cannot end with its `end_kwh`.
    """
    if sold_w.shape != price_micro.shape:
        raise Refused("series_shape", f"{len(sold_w)} prices, one for each interval", place="price_micro")
    price: Series = price_micro / _MICRO
    found = perfect_foresight(
        storage, interval_h, np.zeros(len(price)), price,
        deviation_price=deviation_micro / _MICRO, sold_kw=sold_w / _W,
    )  # fmt: skip
    return Redispatch(found.real_time_w, found.real_time_w - sold_w, found.stored_wh)


def expected_prices(day_ahead_micro: Whole, seen_micro: Whole, keeps_permille: int) -> Whole:
    """Real-time prices of a day as expected after its first `seen_micro` intervals: these as they came, then
    the day-ahead price and, of how far the last one seen lay from it, `keeps_permille` one interval later,
    that part of it after two, and so on. Of a surprise no more is expected to last than the day-ahead price
    is on average, whatever its sign: a spike of ten times the price is of its moment.

    >>> expected_prices(np.array([10, 20, 30, 40]), np.array([10, 28]), 500).tolist()
    [10, 28, 34, 42]
    >>> expected_prices(np.array([10, 20, 30, 40]), np.array([10, 920]), 500).tolist()
    [10, 920, 42, 46]

    Raises:
        Refused: `series_shape` for more seen than the day has.
    """
    seen = len(seen_micro)
    if seen > len(day_ahead_micro):
        raise Refused("series_shape", f"up to {len(day_ahead_micro)} prices", place="seen_micro")
    found: Whole = day_ahead_micro.copy()
    found[:seen] = seen_micro
    most = int(np.abs(day_ahead_micro).mean()) if seen else 0
    off = min(max(int(seen_micro[-1] - day_ahead_micro[seen - 1]), -most), most) if seen else 0
    for at in range(seen, len(found)):
        off = off * keeps_permille // _PERMILLE
        found[at] += off
    return found
