"""Wished setpoints made into what the storage can do: interval by interval the nearest within its limits."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from dispatch.plan_check import Markets, PlannedSite, SiteLimits, Whole

_PPM: Final = 1_000_000
_MILLI: Final = 1000
_S_PER_HOUR: Final = 3600
_NO_MARKETS: Final = Markets()


class _Room(NamedTuple):
    """Setpoints from `low` to `high` are possible."""

    low: int
    high: int

    def within(self, other: _Room) -> _Room:
        """What both allow; where they share nothing, the end of this one that is nearest to the other."""
        if other.low > self.high:
            return _Room(self.high, self.high)
        if other.high < self.low:
            return _Room(self.low, self.low)
        return _Room(max(self.low, other.low), min(self.high, other.high))


def follow(limits: SiteLimits, wish_w: Whole, markets: Markets = _NO_MARKETS) -> PlannedSite:
    """The site's plan that keeps to the wished setpoints (above 0 discharging) as far as it can.

    What yields first: the wish, then ramp, then the meter's import and export limit, then stored energy;
    power is never exceeded. A storage below its floor does not discharge, one above its ceiling does not
    charge. PV is curtailed where the export limit asks for it. Nothing is offered to `markets`.
    """
    count = len(limits.load_w)
    setpoint, stored_wh, curtailed = (np.zeros(count, dtype=np.int64) for _ in range(3))
    stored, before = limits.start_wh * _MILLI, limits.start_setpoint_w
    most, day, left = limits.discharge_wh_max, limits.days(), None
    for at in range(count):
        if most is not None and (at == 0 or day[at] != day[at - 1]):
            left = most[day[at]] * _MILLI
        stored = stored * (_PPM - limits.loss_ppm) // _PPM
        power = _Room(-int(limits.charge_w_max[at]), int(limits.discharge_w_max[at]))
        room = power.within(_by_energy(limits, at, stored, left))
        load, pv = int(limits.load_w[at]), int(limits.pv_w[at])
        export = int(limits.export_w_max[at])
        room = room.within(_Room(load - pv - int(limits.import_w_max[at]), load + export))
        if limits.ramp_w is not None:
            room = room.within(_Room(before - limits.ramp_w, before + limits.ramp_w))
        now = min(max(int(wish_w[at]), room.low), room.high)
        curtailed[at] = min(max(0, now + pv - load - export), pv)
        taken = _taken(limits, now)
        stored -= taken
        if left is not None:
            left -= max(taken, 0)
        setpoint[at], stored_wh[at], before = now, -(-stored // _MILLI), now
    blocks = 0 if markets.block is None else int(markets.block[-1]) + 1
    slots = 0 if markets.slot is None else len(markets.slot)
    return PlannedSite(
        id=limits.id,
        setpoint_w=setpoint,
        stored_wh=stored_wh,
        curtailed_w=curtailed,
        spot_w=np.zeros(count, dtype=np.int64),
        regulation_w=np.zeros(blocks, dtype=np.int64),
        response_w=np.zeros(slots, dtype=np.int64),
    )


def _by_energy(limits: SiteLimits, at: int, stored: int, left: int | None) -> _Room:
    """What an interval's stored energy (mWh) allows; no more is taken out than its day may use."""
    out = max(0, stored - int(limits.floor_wh[at]) * _MILLI)
    if left is not None:
        out = max(0, min(out, left))
    into = max(0, limits.ceiling_wh * _MILLI - stored)
    high = out * limits.discharge_efficiency_ppm * _S_PER_HOUR // (_PPM * _MILLI * limits.interval_s)
    low = into * _PPM * _S_PER_HOUR // (limits.charge_efficiency_ppm * _MILLI * limits.interval_s)
    return _Room(-low, high)


def _taken(limits: SiteLimits, power: int) -> int:
    """mWh that leave the cells in an interval; below 0 where it charges."""
    at_meter = power * limits.interval_s * _MILLI
    if power < 0:
        return -(-at_meter * limits.charge_efficiency_ppm // (_PPM * _S_PER_HOUR))
    return at_meter * _PPM // (limits.discharge_efficiency_ppm * _S_PER_HOUR)
