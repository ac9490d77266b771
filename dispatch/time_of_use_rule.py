"""The time-of-use rule: charge when energy is cheap, discharge when it is dear. The plainest schedule.

It looks one day ahead at the tariff, at nothing else: in an interval of the day's cheapest period, or
of a middle period that a dearer one follows, it charges; in the dearest periods it discharges into the
site's own load. It never exports, and charging never lifts the site above the peak it has anyway.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.refusal import Refused

_PERMILLE = 1000


class Storage(msgspec.Struct, frozen=True):
    """Usable energy and power at the AC side; one-way efficiencies in permille.

    A kWh charged stores charge_permille / 1000 kWh; a kWh stored gives discharge_permille / 1000 kWh.
    """

    energy_wh: int
    power_w: int
    charge_permille: int
    discharge_permille: int

    def __post_init__(self) -> None:
        if self.energy_wh <= 0 or self.power_w <= 0:
            raise Refused("nameplate", "energy and power are above zero", place="storage")
        for efficiency in (self.charge_permille, self.discharge_permille):
            if not 0 < efficiency <= _PERMILLE:
                raise Refused("efficiency", f"{efficiency} is not 1..1000 permille", place="storage")


class Schedule(NamedTuple):
    """AC-side energy per interval in Wh, both at least zero, never both above it."""

    charge_wh: npt.NDArray[np.int64]
    discharge_wh: npt.NDArray[np.int64]


def schedule(
    storage: Storage,
    load_wh: npt.NDArray[np.int64],
    price: npt.NDArray[np.int64],
    interval_s: int,
    *,
    stored_wh: int = 0,
    ceiling_wh: int | None = None,
    power_wh: Schedule | None = None,
) -> Schedule:
    """What the rule does over the given intervals, a day of 24 hours at a time, the last as long as it is.

    `price` is the import price per interval in any one scale; `stored_wh` is what the storage holds at first;
    charging lifts no interval above `ceiling_wh`, None for the highest load there is. `power_wh` is the most
    of each direction in each interval, None for what the storage's power allows.

    Raises:
        Refused: `profile` when the lengths differ.
    """
    per_day = 86_400 // interval_s
    if len(load_wh) != len(price):
        raise Refused("profile", "a load and a price for each interval")
    charge, discharge = np.zeros_like(load_wh), np.zeros_like(load_wh)
    step_max = np.full_like(load_wh, storage.power_w * interval_s // 3600)
    into, out = (one.tolist() for one in power_wh or Schedule(step_max, step_max))
    ceiling = int(load_wh.max(initial=0)) if ceiling_wh is None else ceiling_wh
    stored = stored_wh
    for day in range(0, len(load_wh), per_day):
        prices = price[day : day + per_day].tolist()
        dear_from = _dear_from(sorted(set(prices)))
        for offset, now in enumerate(prices):
            at = day + offset
            load = int(load_wh[at])
            if now >= dear_from:
                given = min(out[at], max(load, 0), stored * storage.discharge_permille // _PERMILLE)
                discharge[at] = given
                stored -= -(-given * _PERMILLE // storage.discharge_permille)
            elif now == min(prices) or _pays(storage, now, max(prices[offset:])):
                room = (storage.energy_wh - stored) * _PERMILLE // storage.charge_permille
                taken = max(0, min(into[at], room, ceiling - load))
                gained = taken * storage.charge_permille // _PERMILLE
                charge[at] = taken if gained else 0
                stored += gained
    return Schedule(charge, discharge)


def _dear_from(levels: list[int]) -> int:
    """The lowest of the day's dear prices: those above the middle of its price levels."""
    return levels[(len(levels) + 1) // 2] if len(levels) > 1 else levels[0] + 1


def _pays(storage: Storage, now: int, later: int) -> bool:
    """Whether a kWh bought now is worth more later today, after both losses."""
    return now * _PERMILLE**2 < later * storage.charge_permille * storage.discharge_permille
