"""How much stored energy must be kept so that the guard can hold the peak target, whatever the load does."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from dispatch.plan_check import Whole
from ledger.refusal import Refused

_PPM: Final = 1_000_000
_MILLI: Final = 1000
_S_PER_HOUR: Final = 3600
_PERMILLE: Final = 1000
_LEVELS: Final = 24


class PeakStorage(msgspec.Struct, frozen=True, kw_only=True):
    """What of a storage shaves peaks: W at the AC side, usable Wh in cells, efficiencies in millionths.

    One that cannot be charged (`charge_w` 0) still gives what it holds."""

    interval_s: int
    charge_w: int
    discharge_w: int
    usable_wh: int
    charge_efficiency_ppm: int
    discharge_efficiency_ppm: int

    def __post_init__(self) -> None:
        if self.charge_w < 0:
            raise Refused("peak_storage", "0 or more", place="charge_w")
        for place in ("interval_s", "discharge_w", "usable_wh"):
            if getattr(self, place) <= 0:
                raise Refused("peak_storage", "above 0", place=place)
        for place in ("charge_efficiency_ppm", "discharge_efficiency_ppm"):
            if not 0 < getattr(self, place) <= _PPM:
                raise Refused("peak_storage", f"1 to {_PPM} millionths", place=place)


def needed_wh(storage: PeakStorage, paths_w: Whole, target_w: int | Whole, recharge_permille: Whole) -> Whole:
    """Stored energy above the floor that each path needs, at the beginning of each interval and at the end.

    One more column than intervals, the last 0. Above the target the storage gives what lies above it, as far
    as its power goes; below it recharges up to the target, of which `recharge_permille` per interval is
    counted on (1000 where energy is cheap anyway). `target_w` may be a column, one target a path. A path may
    need more than the storage holds: then the target cannot be kept.
    """
    over = np.minimum(paths_w - target_w, storage.discharge_w)
    under = np.minimum(target_w - paths_w, storage.charge_w)
    hour = _S_PER_HOUR
    taken = -(-np.maximum(over, 0) * storage.interval_s * _MILLI * _PPM
              // (storage.discharge_efficiency_ppm * hour))  # fmt: skip
    stored = np.maximum(under, 0) * storage.interval_s * storage.charge_efficiency_ppm // (_MILLI * hour)
    change = taken - stored * recharge_permille // _PERMILLE
    needed = np.zeros((paths_w.shape[0], paths_w.shape[1] + 1), dtype=np.int64)
    for at in range(paths_w.shape[1] - 1, -1, -1):
        needed[:, at] = np.maximum(needed[:, at + 1] + change[:, at], 0)
    return -(-needed // _MILLI)


def reserve_wh(storage: PeakStorage, needed: Whole, level_permille: int) -> Whole:
    """What to hold above the floor at each interval's end, so that it suffices in that share of the paths.

    Raises:
        Refused: `reserve_level` outside 1 to 1000.
    """
    if not 0 < level_permille <= _PERMILLE:
        raise Refused("reserve_level", "1 to 1000 permille", place="level_permille")
    held = np.sort(np.minimum(needed[:, 1:], storage.usable_wh), axis=0)
    rank = -(-level_permille * held.shape[0] // _PERMILLE) - 1
    found: Whole = held[rank]
    return found


def reachable_wh(storage: PeakStorage, load_w: Whole, target_w: int, stored_wh: int) -> Whole:
    """What the storage can hold above its floor at each interval's end when it charges up to the target.

    A reserve beyond it would make any plan infeasible. `stored_wh` is above the floor, and may lie below it.
    """
    room = np.clip(target_w - load_w, 0, storage.charge_w)
    over = np.clip(load_w - target_w, 0, storage.discharge_w)
    gain = room * storage.interval_s * storage.charge_efficiency_ppm // (_PPM * _S_PER_HOUR)
    loss = -(-over * storage.interval_s * _PPM // (storage.discharge_efficiency_ppm * _S_PER_HOUR))
    found = np.empty(len(load_w), dtype=np.int64)
    now = stored_wh
    for at, change in enumerate((gain - loss).tolist()):
        now = min(max(now + change, min(now, 0)), storage.usable_wh)
        found[at] = max(now, 0)
    return found


def reached_w(
    storage: PeakStorage, paths_w: Whole, stored_wh: int, target_w: Whole, recharge_permille: Whole
) -> Whole:
    """The peak that each path comes to when its target is held until the storage is empty.

    `target_w` has one target a path. Below it the storage recharges as `needed_wh` counts on, up to
    `usable_wh`; `stored_wh` is above the floor. A path that stays below its target comes to the target.
    """
    hour, out = _S_PER_HOUR, storage.discharge_efficiency_ppm
    stored = np.full(len(paths_w), stored_wh * _MILLI, dtype=np.int64)
    peak = target_w.copy()
    full = storage.usable_wh * _MILLI
    over = np.minimum(paths_w - target_w[:, None], storage.discharge_w)
    asked = np.maximum(over, 0) * storage.interval_s * _MILLI // hour
    under = np.clip(-over, 0, storage.charge_w)
    gained = under * storage.interval_s * storage.charge_efficiency_ppm // (_MILLI * hour)
    gained = gained * recharge_permille // _PERMILLE
    for at in range(paths_w.shape[1]):
        given = np.minimum(asked[:, at], stored * out // _PPM)
        stored = np.minimum(stored - given * _PPM // out + gained[:, at], full)
        served = given * hour // (storage.interval_s * _MILLI)
        np.maximum(peak, paths_w[:, at] - served, out=peak)
    return peak


def steadiest_w(
    storage: PeakStorage, paths_w: Whole, stored_wh: int, target_w: int, level_permille: int,
    recharge_permille: Whole,
) -> int:  # fmt: skip
    """The target from `target_w` on whose peak is the lowest on average, over that share of the paths.

    A target that cannot be held is worse than a higher one that can: the storage would be empty before the
    spike's top. One that few paths ask for would be paid for nothing: of each target's peaks the lowest
    count.

    Raises:
        Refused: `reserve_level` outside 1 to 1000.
    """
    if not 0 < level_permille <= _PERMILLE:
        raise Refused("reserve_level", "1 to 1000 permille", place="level_permille")
    top = int(paths_w.max())
    if top <= target_w:
        return target_w
    levels = np.unique(np.linspace(target_w, top, _LEVELS).astype(np.int64))
    each = np.tile(paths_w, (len(levels), 1))
    found = reached_w(storage, each, stored_wh, np.repeat(levels, len(paths_w)), recharge_permille)
    ordered = np.sort(found.reshape(len(levels), -1), axis=1)
    counted = ordered[:, : max(1, len(paths_w) * level_permille // _PERMILLE)]
    return int(levels[int(np.argmin(counted.sum(axis=1)))])
