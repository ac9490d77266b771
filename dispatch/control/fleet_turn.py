"""One look at the whole fleet: from plans, emergencies and what devices can do to what each device is told.

In this order, the later over the earlier: a site's plan split over its devices; what lost devices leave
shared among the others of the portfolio; the peak guard; emergencies. No clock, no memory: the same turn has
the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final, Literal

import msgspec
import numpy as np

from dispatch.control.emergency import Emergencies, Emergency
from dispatch.control.emergency_setpoint import Wished, govern
from dispatch.control.loss import Part, on_loss
from dispatch.control.plan_share import share_plan
from dispatch.control.reallocation import (
    FLEET_W_MAX,
    NO_GROUP,
    Capabilities,
    GroupLimit,
    Whole,
    share_out,
)
from dispatch.control.setpoint import Origin
from dispatch.control.turn_parts import Standing, TurnDevice, TurnSite, group_room
from dispatch.planning.guard import guard

Why = Literal["plan", "others_share", "lost", "guard", "emergency", "fallback", "nothing_planned", "kept"]
"""Why a device is told what it is told: its part of the plan; that, changed by what others cannot give or a
connection allows; it is lost itself; the peak; an emergency; its fallback schedule; nothing says what to do;
what it has stays."""

ORIGINS: Final[Mapping[Why, Origin]] = {
    "plan": "plan",
    "others_share": "plan",
    "lost": "plan",
    "guard": "guard",
    "emergency": "emergency",
    "fallback": "fallback",
    "nothing_planned": "plan",
    "kept": "plan",
}


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What one device is to be told, and why; `emergencies` are the numbers of those that decided it.
    `taken_w` is the part that it gives in the place of others, below 0 where that is charging."""

    device: str
    setpoint_w: int
    why: Why
    taken_w: int = 0
    emergencies: tuple[int, ...] = ()


class Held(msgspec.Struct, frozen=True):
    """Devices whose hold gives a part of a response, and what they give of it beyond all that it asks; below
    0 where that is charging."""

    devices: tuple[str, ...]
    surplus_w: int = 0


class Turned(msgspec.Struct, frozen=True, kw_only=True):
    """What each device is told, in the order of the devices.

    `missing_w` is by portfolio what of its plans its devices are not told (below 0: to charge), and
    `unanswered_w` the same of each standing response; `held` is what of that goes on. `limited` are by
    portfolio the export limits that keep a site from its plan. `groups_broken` are groups whose limits cannot
    be kept.
    """

    told: tuple[Told, ...]
    missing_w: dict[str, int]
    unanswered_w: dict[int, int]
    held: dict[int, Held] = {}
    limited: dict[str, tuple[int, ...]] = {}
    groups_broken: tuple[int, ...] = ()


def turn(
    sites: Sequence[TurnSite],
    devices: Sequence[TurnDevice],
    emergencies: Emergencies,
    now: datetime,
    *,
    groups: Sequence[GroupLimit] = (),
    lost: frozenset[Part] = frozenset(),
) -> Turned:
    """What each device is told at `now`. `lost` is what of the house is lost (`dispatch.control.loss`).

    A lost device is told to stop, so that what others give in its place is not given twice. The share of a
    stopped device goes to the others, too; one that holds or responds is no part of the plan any more.

    Raises:
        Refused: `fleet_power`, `group_unknown`, `guard_step`.
    """
    by_site = {one.site: one for one in sites}
    over = [emergencies.standing(one.device, one.site, now) for one in devices]
    wishes = [_alone(device, by_site[device.site], lost) for device in devices]
    standings = [
        _standing(*each) for each in zip(devices, over, (w is not None for w in wishes), strict=True)
    ]
    own = np.array([0 if wish is None else wish[0] for wish in wishes], dtype=np.int64)
    setpoint, plan_w, taken = own.copy(), own.copy(), own * 0
    targets: dict[str, int] = {}
    broken: set[int] = set()
    exports = _exports(devices, over)
    limited: dict[str, tuple[int, ...]] = {}
    for portfolio in sorted({one.portfolio for one in sites}):
        those = [one for one in sites if one.portfolio == portfolio]
        names = {one.site for one in those}
        at = [n for n, one in enumerate(devices) if one.site in names and wishes[n] is None]
        free = {n for n in at if standings[n] == "free"}
        room = group_room(groups, devices, free, setpoint, standings)
        share = partial(share_plan, those, [devices[n] for n in at], [standings[n] for n in at])
        shared = share(exports, room)
        if not names.isdisjoint(exports):
            less = [
                n for n, w in zip(at, share({}, room).setpoint_w - shared.setpoint_w, strict=True) if w > 0
            ]
            limited[portfolio] = _limits_of([over[n] for n in less])
        plan_w[at], setpoint[at], taken[at] = shared.own_w, shared.setpoint_w, shared.taken_w
        targets[portfolio] = shared.target_w
        broken.update(shared.broken)
    guarded = _guarded(sites, devices, standings, setpoint, groups)
    responses, unanswered, held = _responses(sites, devices, over, (groups, guarded, standings))
    told: dict[int, Told] = {}
    for site in sites:
        at = [n for n, one in enumerate(devices) if one.site == site.site]
        wished = [
            Wished(
                device=devices[n].device,
                wish_w=int(guarded[n]),
                standing_w=devices[n].standing_w,
                power_w=devices[n].power_w,
                response_w=responses.get(n),
                emergencies=over[n],
            )
            for n in at
        ]
        for n, governed in zip(at, govern(wished, site.load), strict=True):
            device, alone = devices[n], wishes[n]
            why: Why
            if governed.by:
                why = "emergency"
            elif alone is not None:
                why = alone[1]
            elif device.lost:
                why = "lost"
            elif guarded[n] != setpoint[n]:
                why = "guard"
            else:
                why = "plan" if setpoint[n] == plan_w[n] else "others_share"
            told[n] = Told(
                device=device.device,
                setpoint_w=device.within(governed.setpoint_w),
                why=why,
                taken_w=int(taken[n]) if why == "others_share" else 0,
                emergencies=governed.by,
            )
    missing = {
        portfolio: target
        - sum(
            told[n].setpoint_w
            for n, one in enumerate(devices)
            if by_site[one.site].portfolio == portfolio and standings[n] == "free"
        )
        for portfolio, target in targets.items()
    }
    return Turned(
        told=tuple(told[n] for n in range(len(devices))),
        missing_w=missing,
        unanswered_w=unanswered,
        held=held,
        limited=limited,
        groups_broken=tuple(sorted(broken)),
    )


def _alone(device: TurnDevice, site: TurnSite, lost: frozenset[Part]) -> tuple[int, Why] | None:
    """What it is told when it does not follow a plan; None when it does."""
    parts: frozenset[Part] = lost if site.planned_w is not None else lost | {"plan"}
    match on_loss(parts, agreed=device.fallback_w is not None, in_force=device.in_force).action:
        case "follow_plan":
            return None
        case "keep_setpoint":
            return device.within(device.standing_w or 0), "kept"
        case "follow_fallback":
            assert device.fallback_w is not None, "it is agreed"
            return device.within(device.fallback_w), "fallback"
        case "stop" | "revert":
            return 0, "nothing_planned"


def _standing(device: TurnDevice, over: Sequence[Emergency], alone: bool) -> Standing:  # noqa: FBT001
    kinds = {one.order.kind for one in over}
    if device.lost or "stop_all" in kinds:
        return "out"
    return "apart" if alone or kinds & {"hold", "respond_now"} else "free"


def _exports(devices: Sequence[TurnDevice], over: Sequence[Sequence[Emergency]]) -> dict[str, int]:
    """The most that may leave a site, of those for which an emergency says it."""
    found: dict[str, int] = {}
    for device, standing in zip(devices, over, strict=True):
        for one in standing:
            if one.order.kind == "limit_export" and one.order.power_w is not None:
                found[device.site] = min(one.order.power_w, found.get(device.site, one.order.power_w))
    return found


def _limits_of(over: Sequence[Sequence[Emergency]]) -> tuple[int, ...]:
    """The numbers of the export limits among those."""
    found = {one.number for standing in over for one in standing if one.order.kind == "limit_export"}
    return tuple(sorted(found))


def _guarded(
    sites: Sequence[TurnSite],
    devices: Sequence[TurnDevice],
    standings: Sequence[Standing],
    setpoint: Whole,
    groups: Sequence[GroupLimit],
) -> Whole:
    """The same with each guarded site's peak held by its devices that are free to."""
    guarded = setpoint.copy()
    for site in sites:
        if site.guard is None:
            continue
        at = [n for n, one in enumerate(devices) if one.site == site.site]
        free = [n for n in at if standings[n] == "free"]
        if not free:
            continue
        rest = sum(devices[n].standing_w or 0 for n in at if standings[n] == "apart")
        found = site.guard
        wish = rest + int(setpoint[free].sum())
        now = guard(found.limits, found.billed, wish, found.behind_w, found.stored_wh)
        if now.setpoint_w != wish:
            fleet = _capabilities([devices[n] for n in free], guarded[free])
            room = group_room(groups, devices, set(free), guarded, standings)
            guarded[free] = share_out(now.setpoint_w - rest, fleet, industries=room).setpoint_w
    return guarded


def _responses(
    sites: Sequence[TurnSite],
    devices: Sequence[TurnDevice],
    over: Sequence[Sequence[Emergency]],
    grouped: tuple[Sequence[GroupLimit], Whole, Sequence[Standing]],
) -> tuple[dict[int, int], dict[int, int], dict[int, Held]]:
    """Each responding device's share of the strongest response that it is under, by response what of it
    nobody gives, and who gives of it what it holds."""
    under: dict[int, list[int]] = {}
    holding: dict[int, list[TurnDevice]] = {}
    orders: dict[int, Emergency] = {}
    for n, standing in enumerate(over):
        responses = [one for one in standing if one.order.kind == "respond_now"]
        for one in responses:
            orders[one.number] = one
            under.setdefault(one.number, [])
        first = next((one for one in standing if one.order.kind != "limit_export"), None)
        if first is None or not responses:
            continue
        if first.order.kind == "respond_now":
            under[first.number].append(n)
        elif first.order.kind == "hold" and not devices[n].lost:
            holding.setdefault(responses[0].number, []).append(devices[n])
    shares: dict[int, int] = {}
    unanswered: dict[int, int] = {}
    held: dict[int, Held] = {}
    exports = _exports(devices, over)
    places = {one.site: n for n, one in enumerate(sites)}
    for number, at in sorted(under.items()):
        power = orders[number].order.power_w
        assert power is not None, "a response has its power"
        groups, told_w, standings = grouped
        fleet = _answering([devices[n] for n in at], sites, places)
        others = [0] * len(sites)
        for n, device in enumerate(devices):
            if n not in at and not device.lost:
                told = int(told_w[n]) if standings[n] == "free" else device.standing_w or 0
                others[places[device.site]] += told
        limits = [_room(site, used, exports.get(site.site)) for site, used in zip(sites, others, strict=True)]
        room = group_room(groups, devices, set(at), told_w, standings)
        goes_on = _goes_on(holding.get(number, ()), sites, exports)
        rest = _rest(power, goes_on)
        found = share_out(max(min(rest, FLEET_W_MAX), -FLEET_W_MAX), fleet, limits, room)
        shares.update(zip(at, found.setpoint_w.tolist(), strict=True))
        unanswered[number] = found.missing_w
        if holding.get(number):
            way = power or goes_on
            names = tuple(one.device for one in holding[number] if (one.standing_w or 0) * way > 0)
            held[number] = Held(names, goes_on + rest - power)
    return shares, unanswered, held


def _goes_on(held: Sequence[TurnDevice], sites: Sequence[TurnSite], exports: Mapping[str, int]) -> int:
    """What held devices go on giving together: what they hold, and no more than may leave a site by order."""
    total = 0
    for site in sites:
        here = sum(one.within(one.standing_w or 0) for one in held if one.site == site.site)
        if site.site in exports:
            most = 0 if site.load is None else max(site.load.low_w + exports[site.site], 0)
            here = min(here, most)
        total += here
    return total


def _rest(power_w: int, held_w: int) -> int:
    """What of a response is left for others; nobody is reversed for what is held beyond it.

    >>> [_rest(power, 50) for power in (100, 40, 0, -100)]
    [50, 0, 0, -150]
    """
    if not power_w:
        return 0
    return max(power_w - held_w, 0) if power_w > 0 else min(power_w - held_w, 0)


def _room(site: TurnSite, others_w: int, export_w: int | None) -> GroupLimit:
    """What a site's devices may be told in a response: its connection's limits, less what those do that do
    not respond."""
    if site.load is None:
        return GroupLimit(-FLEET_W_MAX, FLEET_W_MAX)
    most_out = site.export_w if export_w is None else min(site.export_w, export_w)
    low = min(site.load.high_w - site.import_w - others_w, 0)
    high = max(site.load.low_w + most_out - others_w, 0)
    return GroupLimit(max(low, -FLEET_W_MAX), min(high, FLEET_W_MAX))


def _answering(
    devices: Sequence[TurnDevice], sites: Sequence[TurnSite], places: Mapping[str, int]
) -> Capabilities:
    """What devices can do in a response: where nobody knows what their site draws, no more than they have
    been told already."""
    fleet = _capabilities(devices, np.zeros(len(devices), dtype=np.int64), places)
    known = np.array([sites[places[one.site]].load is not None for one in devices], dtype=bool)
    had = np.array([one.within(one.standing_w or 0) for one in devices], dtype=np.int64)
    return msgspec.structs.replace(
        fleet,
        low_w=np.where(known, fleet.low_w, np.minimum(had, 0)),
        high_w=np.where(known, fleet.high_w, np.maximum(had, 0)),
    )


def _capabilities(
    devices: Sequence[TurnDevice], present: Whole, places: Mapping[str, int] | None = None
) -> Capabilities:
    count = len(devices)
    none = np.full(count, NO_GROUP, dtype=np.int64)
    return Capabilities(
        device=tuple(one.device for one in devices),
        present_w=present,
        low_w=np.array([one.within(one.low_w) for one in devices], dtype=np.int64),
        high_w=np.array([one.within(one.high_w) for one in devices], dtype=np.int64),
        ramp_w=np.full(count, 2**31 - 1, dtype=np.int64),
        feeder=none if places is None else np.array([places[one.site] for one in devices], dtype=np.int64),
        industry=np.array([one.group for one in devices], dtype=np.int64),
    )
