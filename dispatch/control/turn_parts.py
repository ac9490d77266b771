"""What a turn of the fleet looks at: its devices and sites as they are now.

W throughout, at the AC side, above 0 discharging.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, Literal

import msgspec

from dispatch.control.interlock import SOC_WHOLE, TELEMETRY_MS_MAX, DeviceLimits, DeviceSnapshot
from dispatch.control.reallocation import FLEET_W_MAX, NO_GROUP, GroupLimit, Whole
from dispatch.control.site_load import PowerRange
from dispatch.planning.guard import Billed, GuardLimits
from ledger.refusal import Refused

LOST_MS: Final = 3_000
"""A device that is read each second is lost without a good reading for so long: others take its share."""
_SELDOM_S: Final = TELEMETRY_MS_MAX // 1000
"""Nothing raises a device on an older reading: one that tells its power more seldom is lost in between."""

Standing = Literal["free", "out", "apart"]
"""It follows the plan; it cannot, and others are to give its share; it is told something else, and what the
plan wanted of it is wanted of nobody."""


def lost_ms(every_s: int) -> int:
    """How long after its last good reading a device is lost whose power is read, or told, so often.

    >>> lost_ms(1), lost_ms(5), lost_ms(60)
    (3000, 7000, 7000)
    """
    return LOST_MS + 1000 * (min(every_s, _SELDOM_S) - 1)


class TurnDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A device now. `low_w` to `high_w` (`able_range`) is what it could be told.

    `standing_w` is the setpoint that it has, of a lost device until it expires; `power_w` what it does; None
    is not known. `lost`: no good reading for `LOST_MS`. `group` is the place of its group's limit, -1 for
    none. `fallback_w` is what its acknowledged fallback schedule says of now, None without one; `in_force`
    whether a setpoint is written and has not expired.
    """

    device: str
    site: str
    low_w: int
    high_w: int
    standing_w: int | None = None
    power_w: int | None = None
    lost: bool = False
    group: int = NO_GROUP
    fallback_w: int | None = None
    in_force: bool = False

    def __post_init__(self) -> None:
        if not self.low_w <= 0 <= self.high_w:
            raise Refused("power_range", "from 0 or less to 0 or more", place="low_w")

    def within(self, power_w: int) -> int:
        """The power nearest to that which it could be told; 0 when it is lost."""
        return 0 if self.lost else min(max(power_w, self.low_w), self.high_w)


class SiteGuard(msgspec.Struct, frozen=True, kw_only=True):
    """What the peak guard goes by at a site: its limits, the billed interval so far, what the meter would
    import with the storage at rest (W), and what is stored (Wh)."""

    limits: GuardLimits
    billed: Billed
    behind_w: int
    stored_wh: int


class TurnSite(msgspec.Struct, frozen=True, kw_only=True):
    """A site now. `planned_w` is its plan's power of this interval; None where no plan holds.

    `portfolio`: whose plan, and among whose sites a shortfall is shared. `load` is what it draws behind those
    of its devices that are not lost, above 0 importing; None is not known. `import_w` and `export_w` are the
    most that its connection may. `band_w` is what it offers for regulation, up and down.
    """

    site: str
    portfolio: str
    planned_w: int | None
    load: PowerRange | None
    import_w: int
    export_w: int
    band_w: int = 0
    guard: SiteGuard | None = None


def group_room(
    groups: Sequence[GroupLimit],
    devices: Sequence[TurnDevice],
    shared: Collection[int],
    told_w: Whole,
    standings: Sequence[Standing],
) -> tuple[GroupLimit, ...]:
    """What is left of the groups' limits for the devices that are `shared` out, by place.

    The others of a group go on: with what their plan tells them, or, lost or told something else, with the
    setpoint that they have. Nobody is forced through 0 by what others do.
    """
    used = [0] * len(groups)
    for n, one in enumerate(devices):
        if n not in shared and 0 <= one.group < len(groups):
            used[one.group] += int(told_w[n]) if standings[n] == "free" else one.standing_w or 0
    return tuple(
        GroupLimit(
            max(min(limit.low_w - taken, 0), -FLEET_W_MAX), min(max(limit.high_w - taken, 0), FLEET_W_MAX)
        )
        for limit, taken in zip(groups, used, strict=True)
    )


def able_range(device: DeviceSnapshot, limits: DeviceLimits) -> tuple[int, int]:
    """What a device could be told now, from charging to discharging: (0, 0) when it can be told nothing.

    The same that `interlock.check_interlocks` would forbid, but for grid and lease.

    >>> limits = DeviceLimits(
    ...     charge_w=80, discharge_w=100, soc_floor_millipercent=10_000, soc_ceiling_millipercent=90_000,
    ...     import_w=0, export_w=0)
    >>> [able_range(DeviceSnapshot(mode="remote", soc_millipercent=soc), limits)
    ...  for soc in (50_000, 10_000, 90_000, None)]
    [(-80, 100), (-80, 0), (0, 100), (0, 0)]
    """
    soc = device.soc_millipercent
    if device.mode != "remote" or soc is None or not 0 <= soc <= SOC_WHOLE:
        return 0, 0
    hottest, coldest = limits.hottest_mc_max, limits.coldest_mc_min
    if hottest is not None and (device.hottest_mc is None or device.hottest_mc >= hottest):
        return 0, 0
    if coldest is not None and (device.coldest_mc is None or device.coldest_mc <= coldest):
        return 0, 0
    low = -limits.charge_w if soc < limits.soc_ceiling_millipercent else 0
    high = limits.discharge_w if soc > limits.soc_floor_millipercent else 0
    if limits.step_w_max is not None and device.power_w is not None:
        low = min(max(low, device.power_w - limits.step_w_max), 0)
        high = max(min(high, device.power_w + limits.step_w_max), 0)
    return low, high
