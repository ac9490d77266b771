"""A portfolio's plan split over its devices, and what some cannot give shared among the others.

Whole W: a site's power by what each device can do in its direction, largest remainders, ties by device id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import numpy as np

from dispatch.control.reallocation import Capabilities, GroupLimit, Whole, proportional, share_out
from dispatch.control.turn_parts import Standing, TurnDevice, TurnSite

_UNLIMITED: Final = 2**31 - 1


class PlanShared(msgspec.Struct, frozen=True, eq=False):
    """By device, in the order of the devices: `own_w` of its site's plan as long as nobody is missing,
    `setpoint_w` with what others cannot give, `taken_w` the part of it that is given in others' place.
    `target_w` is what all together are to give: the plans without what is planned for devices apart. `broken`
    are groups whose limits cannot be kept."""

    own_w: Whole
    setpoint_w: Whole
    taken_w: Whole
    target_w: int
    broken: tuple[int, ...] = ()


def share_plan(
    sites: Sequence[TurnSite],
    devices: Sequence[TurnDevice],
    standings: Sequence[Standing],
    export_w: Mapping[str, int],
    groups: Sequence[GroupLimit] = (),
) -> PlanShared:
    """The setpoints of one portfolio; sites without a plan take no part. `export_w` is the most that may
    leave a site where emergencies limit it.

    A site's own devices come first: only what they cannot give goes to other sites, by headroom, never
    beyond what a site's connection or a group allows, and never into the band that the site offers for
    regulation. Where what a site draws is not known, it takes no more than its own plan.

    Raises:
        Refused: `fleet_power`, `group_unknown`.
    """
    places = {site.site: n for n, site in enumerate(sites)}
    of = np.array([places[one.site] for one in devices], dtype=np.int64)
    planned = np.array([site.planned_w or 0 for site in sites], dtype=np.int64)
    takes = [s != "out" and sites[n].planned_w is not None for s, n in zip(standings, of, strict=True)]
    low = np.array([one.within(one.low_w) if t else 0 for one, t in zip(devices, takes, strict=True)])
    high = np.array([one.within(one.high_w) if t else 0 for one, t in zip(devices, takes, strict=True)])
    low, high = low.astype(np.int64), high.astype(np.int64)
    order = np.argsort(np.array([one.device for one in devices], dtype=object), kind="stable")
    own = np.zeros(len(devices), dtype=np.int64)
    own[order] = proportional(np.maximum(planned, 0), high[order], of[order])
    own[order] -= proportional(np.maximum(-planned, 0), -low[order], of[order])
    free = np.array([standing == "free" for standing in standings], dtype=bool)
    target = int(planned.sum()) - int(own[~free].sum())
    given = np.where(free, own, 0)
    if not free.any():
        return PlanShared(own, given, given * 0, target)
    apart = np.array(
        [(one.standing_w or 0) * (s == "apart") for one, s in zip(devices, standings, strict=True)],
        dtype=np.int64,
    )
    room = np.where(free, np.maximum(np.minimum(high - own, own - low), 0), 0)
    band = proportional(np.array([site.band_w for site in sites], dtype=np.int64), room, of)
    limits: list[GroupLimit] = []
    for n, site in enumerate(sites):
        wish, beside, kept = (int(each[of == n].sum()) for each in (given, apart, band))
        limits.append(_limit(site, wish, beside, export_w.get(site.site), kept))
    fleet = Capabilities(
        device=tuple(one.device for one in devices),
        present_w=given,
        low_w=np.where(free, np.minimum(low + band, np.minimum(own, 0)), 0),
        high_w=np.where(free, np.maximum(high - band, np.maximum(own, 0)), 0),
        ramp_w=np.full(len(devices), _UNLIMITED),
        feeder=of,
        industry=np.array([one.group for one in devices], dtype=np.int64),
    )
    shared = share_out(max(min(target, _UNLIMITED), -_UNLIMITED), fleet, limits, groups)
    moved = shared.setpoint_w - given
    taken = np.maximum(moved, 0) if target > int(given.sum()) else np.minimum(moved, 0)
    return PlanShared(own, shared.setpoint_w, taken, target, shared.industries_broken)


def _limit(site: TurnSite, wish_w: int, apart_w: int, export_w: int | None, band_w: int) -> GroupLimit:
    """From what to what a site's devices together may be set that follow its plan: within its connection and
    beside what the others were told, never so that they are forced through 0; beyond what they wish only so
    far that the band is left. A lost device goes on with what it does, and is part of what the site draws."""
    towards = (min(wish_w, 0), max(wish_w, 0))
    if site.load is None:
        return GroupLimit(towards[0], towards[1] if export_w is None else 0)
    most_out = site.export_w if export_w is None else min(site.export_w, export_w)
    low = min(site.load.high_w - site.import_w - apart_w, towards[1])
    high = max(site.load.low_w + most_out - apart_w, towards[0])
    if low > high:
        # The load is not known well enough to keep both limits for certain: as little as is possible.
        low = high = min(max(0, high), low)
    low, high = max(low, min(low + band_w, towards[0])), min(high, max(high - band_w, towards[1]))
    return GroupLimit(max(low, -_UNLIMITED), min(high, _UNLIMITED))
