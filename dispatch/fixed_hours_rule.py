"""The rule at spot: buy in the hours that are usually cheapest, sell in those usually dearest, once a day.

It knows the mean price of each hour of past days and nothing else, as a clock on the wall would.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dispatch.plan_check import Whole
from dispatch.planning.storage_terms import StorageTerms

_PPM = 1_000_000
_S_PER_HOUR = 3600


class UsualPrices(NamedTuple):
    """What is usual for each interval of a day: 10^-6 of money per kWh, bought and sold."""

    buy_micro: Whole
    sell_micro: Whole


class _Cycle(NamedTuple):
    """Intervals of charging, and later ones of discharging, the best of each first."""

    charged: list[int]
    discharged: list[int]


def fixed_hours_w(terms: StorageTerms, usual: UsualPrices, interval_s: int) -> Whole:
    """What the rule wishes in each interval of the day, W above 0 discharging.

    First as many intervals are charged in as fill the storage from its floor, then as many discharged in as
    empty it, at the hour of the day between them that usually earns most. The last of both are left out
    while what a kWh sells for there does not pay for what it was bought for, the losses of a round trip and
    wear.
    """
    count = len(usual.buy_micro)
    cycles = [_cycle(terms, usual, interval_s, between) for between in range(1, count)]
    best = max(cycles, key=lambda cycle: _earned(usual, terms, cycle), default=_Cycle([], []))
    found = np.zeros(count, dtype=np.int64)
    found[best.charged], found[best.discharged] = -terms.charge_w, terms.discharge_w
    return found


def _cycle(terms: StorageTerms, usual: UsualPrices, interval_s: int, between: int) -> _Cycle:
    """The best that charges before that interval, and discharges from it on."""
    room_wh = terms.ceiling_wh - terms.floor_wh - terms.reserve_wh
    into = -(-room_wh * _S_PER_HOUR * _PPM // (terms.charge_w * interval_s * terms.charge_ppm))
    out = -(-room_wh * _S_PER_HOUR * terms.discharge_ppm // (terms.discharge_w * interval_s * _PPM))
    buy, sell = usual.buy_micro[:between], usual.sell_micro[between:]
    charged = np.argsort(buy, kind="stable")[:into].tolist()
    discharged = (between + np.argsort(-sell, kind="stable")[:out]).tolist()
    while charged and discharged:
        bought, sold = int(usual.buy_micro[charged[-1]]), int(usual.sell_micro[discharged[-1]])
        if sold > bought and _pays(terms, bought, sold):
            return _Cycle(charged, discharged)
        charged.pop()
        discharged.pop()
    return _Cycle([], [])


def _earned(usual: UsualPrices, terms: StorageTerms, cycle: _Cycle) -> int:
    """What the cycle usually earns for what it both charges and discharges, on a scale of its own."""
    if not cycle.charged:
        return 0
    stored = min(
        len(cycle.charged) * terms.charge_w * terms.charge_ppm * terms.discharge_ppm,
        len(cycle.discharged) * terms.discharge_w * _PPM**2,
    )
    sold = int(usual.sell_micro[cycle.discharged].sum()) * terms.charge_ppm * terms.discharge_ppm
    bought = int(usual.buy_micro[cycle.charged].sum()) * _PPM**2
    return stored * (sold // len(cycle.discharged) - bought // len(cycle.charged))


def _pays(terms: StorageTerms, bought: int, sold: int) -> bool:
    """Whether a kWh that is stored between the two earns more than it costs, wear counted by halves."""
    cost = (2 * bought + terms.wear_micro) * _PPM**2
    earned = (2 * sold - terms.wear_micro) * terms.charge_ppm * terms.discharge_ppm
    return earned > cost
