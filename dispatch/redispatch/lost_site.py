"""When a site is lost, what it was to give is shared out among the others, by headroom and within groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from dispatch.control.reallocation import FLEET_W_MAX, NO_GROUP, Capabilities, GroupLimit, share_out
from dispatch.plan_check import SiteLimits, Whole
from ledger.refusal import Refused

_PPM: Final = 1_000_000
_MILLI: Final = 1000
_S_PER_HOUR: Final = 3600
_ROUNDING_WH: Final = 8
"""What whole W and Wh may lose on the way."""


class CommittedSite(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """A site, its part of what is committed (W an interval, above 0 discharging), and its groups."""

    limits: SiteLimits
    path_w: Whole
    feeder: int = NO_GROUP
    industry: int = NO_GROUP
    lost: bool = False


class Reallocated(msgspec.Struct, frozen=True, eq=False):
    """Each site's new path, in the order given; `missing_w`: what nobody can give (below 0: cannot take)."""

    path_w: tuple[Whole, ...]
    missing_w: Whole


def reallocated(
    sites: Sequence[CommittedSite],
    feeders: Sequence[GroupLimit] = (),
    industries: Sequence[GroupLimit] = (),
) -> Reallocated:
    """The same sum in each interval without the lost sites, as nearly as the others can.

    A site keeps its own part and takes of the lost ones' what its power, its ramp and its stored energy
    leave: never what its own later part needs. Interval after interval: what cannot be given later does not
    hold back what can be given now.

    Raises:
        Refused: `series_shape` for sites of different intervals; as `share_out`.
    """
    count = len(sites[0].path_w) if sites else 0
    for one in sites:
        if one.path_w.shape != (count,) or one.limits.load_w.shape != (count,):
            raise Refused("series_shape", f"{count} intervals", place=f"{one.limits.id}.path_w")
    target = np.array([one.path_w for one in sites], dtype=np.int64).reshape(len(sites), count).sum(axis=0)
    needs = [_own_need(one) for one in sites]
    fills = [_own_fill(one) for one in sites]
    stored = [one.limits.start_wh * _MILLI for one in sites]
    before = np.array([0 if one.lost else one.limits.start_setpoint_w for one in sites], dtype=np.int64)
    found = np.zeros((len(sites), count), dtype=np.int64)
    missing = np.zeros(count, dtype=np.int64)
    for at in range(count):
        low, high, own = (np.zeros(len(sites), dtype=np.int64) for _ in range(3))
        for number, one in enumerate(sites):
            if not one.lost:
                low[number], high[number] = _room(one, at, stored[number], needs[number], fills[number])
                own[number] = min(max(int(one.path_w[at]), low[number]), high[number])
                if one.limits.ramp_w is not None:
                    low[number] = max(low[number], min(high[number], before[number] - one.limits.ramp_w))
                    high[number] = min(high[number], max(low[number], before[number] + one.limits.ramp_w))
        fleet = Capabilities(
            device=tuple(one.limits.id for one in sites), present_w=np.clip(own, low, high), low_w=low,
            high_w=high, ramp_w=np.full(len(sites), FLEET_W_MAX, dtype=np.int64),
            feeder=np.array([one.feeder for one in sites], dtype=np.int64),
            industry=np.array([one.industry for one in sites], dtype=np.int64),
        )  # fmt: skip
        shared = share_out(int(target[at]), fleet, feeders, industries)
        found[:, at], missing[at] = shared.setpoint_w, shared.missing_w
        before = shared.setpoint_w
        for number, one in enumerate(sites):
            stored[number] -= _taken(one.limits, int(shared.setpoint_w[number]))
    return Reallocated(tuple(found), missing)


def prepared(limits: SiteLimits, target_w: Whole) -> SiteLimits:
    """The site with what it can hold by the first interval of `target_w` that is not 0, where it prepares for
    that: as much as the whole target would take out of it, or leave room for, and not more."""
    first = int(np.argmax(target_w != 0)) if target_w.any() else 0
    whole = CommittedSite(limits=limits, path_w=target_w)
    need, fill = (int(of(whole)[0]) // _MILLI for of in (_own_need, _own_fill))
    meter = limits.load_w - limits.pv_w
    into = np.minimum(limits.charge_w_max, np.maximum(limits.import_w_max - meter, 0))[:first].sum()
    out = np.minimum(limits.discharge_w_max, np.maximum(meter + limits.export_w_max, 0))[:first].sum()
    gained = int(into) * limits.interval_s * limits.charge_efficiency_ppm // (_PPM * _S_PER_HOUR)
    given = int(out) * limits.interval_s * _PPM // (limits.discharge_efficiency_ppm * _S_PER_HOUR)
    wanted = max(limits.start_wh, min(int(limits.floor_wh[first]) + need + _ROUNDING_WH, limits.ceiling_wh))
    start = min(wanted, max(limits.start_wh, limits.start_wh + gained))
    room = max(limits.ceiling_wh - fill - _ROUNDING_WH, int(limits.floor_wh[first]))
    start = max(min(start, room), min(start, limits.start_wh - given))
    return msgspec.structs.replace(limits, start_wh=start)


def _room(one: CommittedSite, at: int, stored: int, need: Whole, fill: Whole) -> tuple[int, int]:
    """From which to which setpoint the site may go; `need` and `fill` are of what it does after."""
    limits = one.limits
    after_wh = int(limits.floor_wh[at]) * _MILLI + int(need[at + 1])
    out = max(0, stored - after_wh)
    into = max(0, limits.ceiling_wh * _MILLI - int(fill[at + 1]) - stored)
    high = out * limits.discharge_efficiency_ppm * _S_PER_HOUR // (_PPM * _MILLI * limits.interval_s)
    low = into * _PPM * _S_PER_HOUR // (limits.charge_efficiency_ppm * _MILLI * limits.interval_s)
    meter = int(limits.load_w[at] - limits.pv_w[at])
    high = min(high, int(limits.discharge_w_max[at]), meter + int(limits.export_w_max[at]))
    low = min(low, int(limits.charge_w_max[at]), int(limits.import_w_max[at]) - meter)
    return -max(low, 0), max(high, 0)


def _own_need(one: CommittedSite) -> Whole:
    """mWh above the floor that the site's own part needs from each interval's beginning on."""
    return _ahead(np.array([_taken(one.limits, power) for power in one.path_w.tolist()], dtype=np.int64))


def _own_fill(one: CommittedSite) -> Whole:
    """mWh of room below the ceiling that it needs likewise."""
    return _ahead(np.array([-_taken(one.limits, power) for power in one.path_w.tolist()], dtype=np.int64))


def _ahead(change: Whole) -> Whole:
    found = np.zeros(len(change) + 1, dtype=np.int64)
    for at in range(len(change) - 1, -1, -1):
        found[at] = max(0, int(found[at + 1] + change[at]))
    return found


def _taken(limits: SiteLimits, power: int) -> int:
    """mWh that leave the cells in an interval, rounded up; below 0 where it charges."""
    at_meter = power * limits.interval_s * _MILLI
    if power < 0:
        return -(-at_meter * limits.charge_efficiency_ppm // (_PPM * _S_PER_HOUR))
    return -(-at_meter * _PPM // (limits.discharge_efficiency_ppm * _S_PER_HOUR))
