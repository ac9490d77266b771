"""Further cycles beside a plan: what may be offered at prices beyond the forecast and still be delivered.

An offer beyond the plan is taken or not interval by interval, and all at once where a whole day is dear. So
each has a leg in another interval: the planned trade is left there, or an opposite one made. All of them are
chosen together: whichever are taken, in whole or in part, the plan with them and their legs can be delivered.
Together they give no more than one cycle of the whole storage, and take no more than one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Final, Literal

import msgspec

_PPM: Final = 1_000_000
_MILLI: Final = 1000
_S_PER_HOUR: Final = 3600
_CRUMB: Final = 20

Way = Literal[-1, 1]
"""-1 charging (a purchase), 1 discharging (a sale)."""


class StoredRoom(msgspec.Struct, frozen=True, kw_only=True):
    """What the storage holds as the first interval begins, and may hold (Wh); one-way efficiencies."""

    stored_wh: int
    floor_wh: int
    ceiling_wh: int
    charge_ppm: int
    discharge_ppm: int
    interval_s: int

    def taken(self, power_w: int) -> int:
        """mWh that leave the cells in an interval (below 0: that come in), rounded up.

        >>> room = StoredRoom(
        ...     stored_wh=0,
        ...     floor_wh=0,
        ...     ceiling_wh=9,
        ...     charge_ppm=900_000,
        ...     discharge_ppm=900_000,
        ...     interval_s=3600,
        ... )
        >>> room.taken(9), room.taken(-10)
        (10000, -9000)
        """
        at_meter = power_w * self.interval_s * _MILLI
        if power_w < 0:
            return -(-at_meter * self.charge_ppm // (_PPM * _S_PER_HOUR))
        return -(-at_meter * _PPM // (self.discharge_ppm * _S_PER_HOUR))

    def power(self, mwh: int, way: Way) -> int:
        """The most W through an interval that take no more than so much out of the cells, or in."""
        if way < 0:
            return mwh * _PPM * _S_PER_HOUR // (self.charge_ppm * _MILLI * self.interval_s)
        return mwh * self.discharge_ppm * _S_PER_HOUR // (_PPM * _MILLI * self.interval_s)


class Steps(msgspec.Struct, frozen=True):
    """What may be offered: whole lots, up to the lowest and highest power, no less than the least."""

    lowest_w: int
    highest_w: int
    lot_w: int
    least_w: int

    def crumb_w(self, way: Way) -> int:
        """Less than this beyond a plan is not worth a segment: a twentieth of the power that way.

        >>> Steps(-4_000, 5_000_000, 1000, 0).crumb_w(1)
        250000
        """
        return (self.highest_w if way > 0 else -self.lowest_w) // _CRUMB


class Further(msgspec.Struct, frozen=True):
    """W beyond the plan in an interval (above 0 sold), and its other leg: the interval, in which the planned
    trade is left undone (`in_place`) or an opposite one is made."""

    power_w: int
    leg: int
    in_place: bool


class Side(msgspec.Struct, frozen=True):
    """Of each interval, in millionths per kWh: what its price all but surely does not exceed, what a kWh
    offered costs with an opposite trade there, and with the planned trade left there; `limit_u` is what no
    price exceeds. Of purchases all of them with the other sign."""

    surprise_u: Sequence[int]
    opposite_u: Sequence[int]
    in_place_u: Sequence[int]
    limit_u: int


def further_cycles(
    plan_w: Sequence[int], sales: Side, purchases: Side, room: StoredRoom, steps: Steps
) -> dict[int, Further]:
    """By interval what may be offered beyond the plan.

    Intervals whose price may surprise the most come first; each has the leg that costs the least of those
    that power and room are left for. What no price within the limits would pay for is not offered.
    """
    found = _Cycles(plan_w, room, steps)
    count = range(len(plan_w))
    sides: tuple[tuple[Way, Side], ...] = ((1, sales), (-1, purchases))
    for way, side in sides:
        cost = [side.in_place_u[leg] if plan_w[leg] * way > 0 else side.opposite_u[leg] for leg in count]
        legs = [leg for leg in sorted(count, key=cost.__getitem__) if cost[leg] <= side.limit_u]
        for at in sorted(count, key=side.surprise_u.__getitem__, reverse=True):
            if side.surprise_u[at] < side.limit_u:
                found.offer(at, way, legs)
    return found.offered


class _Cycles:
    """What is offered so far, and what it leaves: of each interval's power, of the room after it, of a whole
    cycle."""

    def __init__(self, plan_w: Sequence[int], room: StoredRoom, steps: Steps) -> None:
        self.offered: dict[int, Further] = {}
        self._plan, self._room, self._steps = plan_w, room, steps
        self._charge = [-steps.lowest_w + min(power, 0) for power in plan_w]
        self._discharge = [steps.highest_w - max(power, 0) for power in plan_w]
        self._undone = [abs(power) for power in plan_w]
        self._legs: dict[int, int] = {}
        whole = (room.ceiling_wh - room.floor_wh) * _MILLI
        self._left = {1: whole, -1: whole}
        stored = room.stored_wh * _MILLI
        self._above: list[int] = []
        self._below: list[int] = []
        for power in plan_w:
            stored -= room.taken(power)
            self._above.append(room.ceiling_wh * _MILLI - stored)
            self._below.append(stored - room.floor_wh * _MILLI)

    def offer(self, at: int, way: Way, legs: Sequence[int]) -> None:
        """The largest offer in an interval that its cheapest leg with room bears; nothing without one."""
        if self._plan[at] * way < 0 or at in self.offered or at in self._legs:
            return
        between = self._between(at, way)
        for leg in legs:
            power = 0 if leg == at or leg in self.offered else self._most(at, leg, way, between[leg])
            if power:
                self._take(at, leg, way, power)
                return

    def _between(self, at: int, way: Way) -> list[int]:
        """mWh of room that is left at every moment between an interval and each possible leg."""
        before = accumulate(reversed(self._path(at, at - 1, way)[:at]), min)
        after = accumulate(self._path(at, at + 1, way)[at:-1], min)
        return [*reversed(list(before)), 0, *after]

    def _most(self, at: int, leg: int, way: Way, between: int) -> int:
        """W that may be offered with that leg, in whole lots; 0 for less than the least, or a crumb."""
        if self._legs.get(leg, way) != way:
            return 0
        there, direction = self._other(leg, way)
        energy = min(self._left[way], between, abs(self._room.taken(there[leg] * direction)))
        power = min(self._free(way)[at], self._room.power(max(energy, 0), way))
        power -= power % self._steps.lot_w
        enough = power + abs(self._plan[at]) >= self._steps.least_w and power >= self._steps.crumb_w(way)
        return power if enough else 0

    def _take(self, at: int, leg: int, way: Way, power: int) -> None:
        energy = abs(self._room.taken(power * way))
        self.offered[at] = Further(power * way, leg, self._plan[leg] * way > 0)
        self._legs[leg] = way
        self._left[way] -= energy
        there, direction = self._other(leg, way)
        there[leg] -= min(there[leg], self._room.power(energy, direction) + 1)
        path = self._path(at, leg, way)
        for moment in range(min(at, leg), max(at, leg)):
            path[moment] -= energy

    def _free(self, way: Way) -> list[int]:
        return self._discharge if way > 0 else self._charge

    def _path(self, at: int, leg: int, way: Way) -> list[int]:
        """Room above where the stored energy rises between the two, room below where it falls."""
        return self._above if (leg < at) == (way > 0) else self._below

    def _other(self, leg: int, way: Way) -> tuple[list[int], Way]:
        """The power that a leg can have, and which way: the planned trade undone, or an opposite one."""
        if self._plan[leg] * way > 0:
            return self._undone, way
        back: Way = -1 if way > 0 else 1
        return self._free(back), back
