"""A unit's position on a delivery day, by quarter-hour: offered, awarded, metered, and what deviation costs.

Above zero is toward the grid. Missing is told as None and never counts as zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Final, Literal

import msgspec
import numpy as np

from ledger.clauses.flow import exact_text
from ledger.interval import Instant
from trading.award_conflict import AwardConflict
from trading.bid import Bid
from trading.envelope import SLOT_S
from trading.product import Product
from trading.segments import Whole, offered_range_w

State = Literal["none", "open", "cleared", "delivered", "settled"]
"""none: no bid stands, nothing metered; open: not cleared yet; cleared: awarded, nothing metered;
delivered: metered; settled: in a run."""

_WH_PER_KWH: Final = 1000
_SLOTS_PER_HOUR: Final = 3600 // SLOT_S


class Stand(msgspec.Struct, frozen=True, kw_only=True):
    """A bid that stands for the day; `awarded_w` and `price_u` an interval of the product once it is cleared.

    `price_u` are millionths of the currency per unit of the product's price (kWh, kW·h, kW).
    """

    bid: Bid
    product: Product
    awarded_w: tuple[int, ...] | None = None
    price_u: tuple[int, ...] | None = None
    conflict: AwardConflict | None = None

    def __post_init__(self) -> None:
        assert (self.awarded_w is None) == (self.price_u is None), "a clearing tells both"

    @property
    def energy(self) -> bool:
        return self.product.kind == "energy"


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """One bid in a quarter-hour: W offered from `low_w` to `high_w`, and W awarded at `price_u`.

    Of a product with shorter intervals: the widest range, the mean award and mean price, as exact text.
    `short_w`: the W of the award that the unit cannot keep beside its other commitments.
    """

    product: str
    bid: str
    low_w: int
    high_w: int
    awarded_w: str | None
    price_u: str | None
    short_w: int = 0


class Short(msgspec.Struct, frozen=True, kw_only=True):
    """A bid whose corrected award cannot be kept: the bids beside which it cannot, the Wh of stored energy
    that lack at worst, and what that costs at worst in the market's currency, exact."""

    bid: str
    beside: tuple[str, ...]
    energy_wh: int
    imbalance: str


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """A quarter-hour. Energies in Wh and money in the market's currency, exact.

    `deviation_wh` = metered - awarded energy; `deviation_value` is what it earns at the real-time price per
    kWh. `awarded_wh` is None where no energy bid is cleared.
    """

    start: Instant
    state: State
    offered: tuple[Offered, ...]
    awarded_wh: str | None
    metered_wh: int | None
    deviation_wh: str | None
    real_time_price: str | None
    deviation_value: str | None


class Metered(msgspec.Struct, frozen=True, kw_only=True):
    """What the member sites' storages did in each quarter-hour, and the price of a deviation per kWh.

    `wh` is discharged less charged energy, None where any member's reading is missing.
    """

    wh: tuple[int | None, ...]
    real_time: tuple[Fraction | None, ...]
    settled: bool = False
    """Whether the ledger has settled the day for every member."""


class UnitPositions(msgspec.Struct, frozen=True, kw_only=True):
    """A unit's day, quarter-hours in order."""

    unit: str
    day: date
    positions: tuple[Position, ...]
    conflicts: tuple[Short, ...] = ()
    not_covered: Short | None = None
    """What the unit lacks of all that the day binds; `bid` is empty, `beside` the bids that are short."""


def positions(
    unit: str, day: date, start: datetime, stands: Sequence[Stand], metered: Metered
) -> UnitPositions:
    """The day's positions from the bids that stand for it and what was metered."""
    slots = len(metered.wh)
    assert len(metered.real_time) == slots, "a price for each quarter-hour, or None"
    offers = [_offered(one, slots) for one in stands]
    awarded = awarded_wh(stands, slots)
    rows = []
    for number in range(slots):
        own, wh, price = awarded[number], metered.wh[number], metered.real_time[number]
        deviation = None if own is None or wh is None else wh - own
        value = None if deviation is None or price is None else deviation * price / _WH_PER_KWH
        rows.append(
            Position(
                start=start + timedelta(seconds=number * SLOT_S),
                state=_state(stands, wh, settled=metered.settled),
                offered=tuple(one[number] for one in offers),
                awarded_wh=_text(own),
                metered_wh=wh,
                deviation_wh=_text(deviation),
                real_time_price=_text(price),
                deviation_value=_text(value),
            )
        )
    shorts = [
        Short(
            bid=one.bid.id,
            beside=one.conflict.beside,
            energy_wh=one.conflict.energy_wh,
            imbalance=exact_text(one.conflict.imbalance(one.product)),
        )
        for one in stands
        if one.conflict is not None
    ]
    return UnitPositions(unit=unit, day=day, positions=tuple(rows), conflicts=tuple(shorts))


def awarded_wh(stands: Sequence[Stand], slots: int) -> list[Fraction | None]:
    """The energy awarded in each quarter-hour; None where no energy bid is cleared."""
    cleared = [one for one in stands if one.energy and one.awarded_w is not None]
    if not cleared:
        return [None] * slots
    columns = [by_slot(one.awarded_w or (), slots) for one in cleared]
    return [sum(column, Fraction(0)) / _SLOTS_PER_HOUR for column in zip(*columns, strict=True)]


def by_slot(values: Sequence[int], slots: int) -> list[Fraction]:
    """The means of a day's equal intervals over its quarter-hours.

    >>> [str(mean) for mean in by_slot([1, 2, 4], 1)], [str(mean) for mean in by_slot([6], 2)]
    (['7/3'], ['6', '6'])
    """
    if len(values) <= slots:
        assert slots % len(values) == 0, "intervals are whole quarter-hours"
        return [Fraction(one) for one in values for _ in range(slots // len(values))]
    each = len(values) // slots
    assert each * slots == len(values), "quarter-hours are whole intervals"
    return [Fraction(sum(values[at : at + each]), each) for at in range(0, len(values), each)]


def _offered(stand: Stand, slots: int) -> list[Offered]:
    least, most = offered_range_w(stand.bid)
    low, high = _widest(least, slots, np.min), _widest(most, slots, np.max)
    awarded = None if stand.awarded_w is None else by_slot(stand.awarded_w, slots)
    price = None if stand.price_u is None else by_slot(stand.price_u, slots)
    return [
        Offered(
            product=stand.product.id,
            bid=stand.bid.id,
            low_w=low[number],
            high_w=high[number],
            awarded_w=None if awarded is None else exact_text(awarded[number]),
            price_u=None if price is None else exact_text(price[number]),
            short_w=0 if stand.conflict is None else stand.conflict.short_w[number],
        )
        for number in range(slots)
    ]


def _widest(power: Whole, slots: int, widest: Callable[..., Whole]) -> list[int]:
    if len(power) <= slots:
        same: list[int] = np.repeat(power, slots // len(power)).tolist()
        return same
    found: list[int] = widest(power.reshape(slots, -1), axis=1).tolist()
    return found


def _state(stands: Sequence[Stand], wh: int | None, *, settled: bool) -> State:
    if any(one.awarded_w is None for one in stands):
        return "open"
    if wh is None:
        return "cleared" if stands else "none"
    return "settled" if settled else "delivered"


def _text(value: Fraction | None) -> str | None:
    return None if value is None else exact_text(value)
