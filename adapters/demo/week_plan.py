"""What the desk plans for a day, how it offers that, and what the storages then do.

The plan is the optimiser's for the prices that are known when it is made. It is offered as a near-vertical
curve: the planned power over all prices at which it is still worth it, more only at the market's own limits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

import numpy as np

from dispatch.optimiser.perfect_foresight import perfect_foresight
from dispatch.optimiser.site import Storage
from trading.bid import Curve
from trading.envelope import PPM, UnitEnvelope
from trading.product import MICRO, Product

_W_PER_KW: Final = 1000
_S_PER_HOUR: Final = 3600
_MARGIN_WH: Final = 20_000
"""Left unused at floor and ceiling, because the plan is cut to whole lots."""
QUARTER_S: Final = 900


def best_schedule_w(
    envelope: UnitEnvelope, prices_u: Sequence[int], interval_s: int, lot_w: int
) -> tuple[int, ...]:
    """The schedule that earns most at these prices in whole lots, W above zero discharging.

    It ends with what it began with. `prices_u` are millionths per kWh; only the optimiser sees them as
    floats, and what a schedule earns is counted exactly elsewhere.
    """
    count = len(prices_u)
    storage = Storage(
        charge_kw=envelope.charge_w / _W_PER_KW,
        discharge_kw=envelope.discharge_w / _W_PER_KW,
        floor_kwh=(envelope.floor_wh + _MARGIN_WH) / _W_PER_KW,
        ceiling_kwh=(envelope.ceiling_wh - _MARGIN_WH) / _W_PER_KW,
        start_kwh=envelope.stored_wh / _W_PER_KW,
        end_kwh=envelope.stored_wh / _W_PER_KW,
        charge_efficiency=envelope.charge_ppm / PPM,
        discharge_efficiency=envelope.discharge_ppm / PPM,
        availability=np.ones(count),
        reserve_kwh=np.zeros(count),
    )
    found = perfect_foresight(storage, interval_s / _S_PER_HOUR, np.array(prices_u, dtype=np.float64) / MICRO)
    whole = np.abs(found.day_ahead_w) // lot_w * lot_w * np.sign(found.day_ahead_w)
    return tuple(whole.tolist())


def curves(
    envelope: UnitEnvelope, product: Product, schedule_w: Sequence[int], expected_u: Sequence[int]
) -> tuple[Curve, ...]:
    """A curve an interval, from all the unit can charge to all it can discharge.

    What is planned is bought up to the dearest price that is expected and sold down to the cheapest one.
    Beyond it the unit buys only at the market's floor, and sells only at its cap.
    """
    buys_u = min(max(expected_u) // product.tick_u * product.tick_u, product.cap_u)
    sells_u = max(-(-min(expected_u) // product.tick_u) * product.tick_u, product.floor_u)
    return tuple(
        _curve(-envelope.charge_w, power, envelope.discharge_w, product, sells_u if power > 0 else buys_u)
        for power in schedule_w
    )


def _curve(low_w: int, planned_w: int, high_w: int, product: Product, price_u: int) -> Curve:
    bought_w, sold_w = min(planned_w, 0), max(planned_w, 0)
    steps = (
        (low_w, bought_w, product.floor_u),
        (bought_w, sold_w, price_u),
        (sold_w, high_w, product.cap_u),
    )
    return tuple(step for step in steps if step[0] < step[1])


class Metered(NamedTuple):
    """What a storage's meter reads, in Wh of each quarter-hour."""

    charge_wh: tuple[int, ...]
    discharge_wh: tuple[int, ...]


class Shared(NamedTuple):
    """A storage, and what it is to do: W of each interval of `interval_s`, day after day."""

    power_w: int
    stored_wh: int
    floor_wh: int
    ceiling_wh: int
    days: tuple[tuple[int, ...], ...]


def metered(
    envelope: UnitEnvelope, shares: Mapping[str, Shared], interval_s: int
) -> dict[str, list[Metered]]:
    """What each storage's meter reads day after day: its share, missed by 2 % less to 1 % more.

    Simulated, and the same every time: the miss follows from the storage's place and the hour. A storage
    takes no more than fits and gives no more than it holds, nor more than its power.
    """
    found: dict[str, list[Metered]] = {}
    for place, (site, share) in enumerate(shares.items()):
        stored = Fraction(share.stored_wh)
        of_site: list[Metered] = []
        for number, powers in enumerate(share.days):
            charge, discharge = [], []
            for quarter in range(len(powers) * interval_s // QUARTER_S):
                hour = quarter * QUARTER_S // interval_s
                wanted = _missed_wh(powers[hour], share.power_w, 7 * hour + 13 * place + 5 * number + quarter)
                room = (share.ceiling_wh - stored) * PPM / envelope.charge_ppm
                there = (stored - share.floor_wh) * envelope.discharge_ppm / PPM
                taken = min(wanted, int(room)) if powers[hour] < 0 else 0
                given = min(wanted, int(there)) if powers[hour] > 0 else 0
                stored += Fraction(taken * envelope.charge_ppm, PPM)
                stored -= Fraction(given * PPM, envelope.discharge_ppm)
                charge.append(taken)
                discharge.append(given)
            of_site.append(Metered(tuple(charge), tuple(discharge)))
        found[site] = of_site
    return found


def _missed_wh(power_w: int, power_w_max: int, turn: int) -> int:
    """A quarter-hour's energy at the power, between 98.0 and 101.0 % of it by `turn`."""
    most = power_w_max * QUARTER_S // _S_PER_HOUR
    return min(abs(power_w) * QUARTER_S * (980 + turn % 31) // (_S_PER_HOUR * 1000), most)
