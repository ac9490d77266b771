"""What the portfolio's markets pay in the horizon: regulation, demand response and spot."""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from dispatch.optimiser.series import Series, checked_number, checked_series
from ledger.refusal import Refused

Positions = npt.NDArray[np.int64]


class Regulation(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """Symmetric regulating power, awarded for the portfolio a block (an hour) at a time.

    `block` says for each interval which block it is in, from 0 without gaps: a day of 23 or 25 hours has as
    many blocks. `price` is money per kW and block. A kW keeps energy for `sustain_h` hours in both
    directions and is called for `call_kwh` of the cells' discharge per block, which wears and counts as
    cycles. A block is offered with at least `kw_min`, or not.
    """

    block: Positions
    price: Series
    sustain_h: float
    call_kwh: float
    kw_min: float = 0.0

    def check(self, count: int) -> None:
        """Raises:
        Refused: `series_shape`, `series_value` or `regulation_block`."""
        block = self.block
        if not isinstance(block, np.ndarray) or block.dtype != np.int64 or block.shape != (count,):
            raise Refused("series_shape", f"{count} positions as int64", place="regulation.block")
        steps = np.diff(block)
        if block[0] != 0 or ((steps != 0) & (steps != 1)).any():
            raise Refused("regulation_block", "blocks are numbered 0, 1, 2 ...", place="regulation.block")
        checked_series(self.price, "regulation.price", int(block[-1]) + 1)
        for name in ("sustain_h", "call_kwh"):
            checked_number(getattr(self, name), f"regulation.{name}", high=24.0)
        checked_number(self.kw_min, "regulation.kw_min")

    @property
    def starts(self) -> Positions:
        """The first interval of each block."""
        return np.searchsorted(self.block, np.arange(len(self.price)))


class Response(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """A called reduction of the portfolio below its sites' baselines in some intervals (`slot`, ascending).

    `price` is money per kWh committed, `shortfall_price` per kWh committed and not reduced; both per slot.
    The portfolio commits to nothing, or in each slot to `kw_min` to `kw_max`. A site takes part in all
    slots or in none, and offers no regulation in their blocks.
    """

    slot: Positions
    price: Series
    shortfall_price: Series
    kw_min: float
    kw_max: float

    def check(self, count: int) -> None:
        """Raises:
        Refused: `series_shape`, `series_value` or `response_slot`."""
        slot = self.slot
        if not isinstance(slot, np.ndarray) or slot.dtype != np.int64 or slot.ndim != 1 or not len(slot):
            raise Refused("series_shape", "one or more positions as int64", place="response.slot")
        if slot[0] < 0 or slot[-1] >= count or (np.diff(slot) <= 0).any():
            raise Refused("response_slot", f"ascending, from 0 to {count - 1}", place="response.slot")
        checked_series(self.price, "response.price", len(slot), low=0.0)
        checked_series(self.shortfall_price, "response.shortfall_price", len(slot), low=0.0)
        checked_number(self.kw_min, "response.kw_min")
        checked_number(self.kw_max, "response.kw_max", low=self.kw_min)


class Spot(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """The spot market: `price` in money per kWh, negative where it is; at most `kw_max` net each way."""

    price: Series
    kw_max: float

    def check(self, count: int) -> None:
        """Raises:
        Refused: `series_shape` or `series_value`."""
        checked_series(self.price, "spot.price", count)
        checked_number(self.kw_max, "spot.kw_max")
