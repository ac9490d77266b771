"""What is left of a site's storage while devices are lost or cannot, as a limit that planning keeps to.

What people impose is kept: the driver's own limit is never above it, and goes back to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from dispatch.control.interlock import SOC_WHOLE, DeviceLimits, DeviceSnapshot, Interlock
from dispatch.control.turn_parts import LOST_MS, able_range
from dispatch.planning.imposed_limit import ImposedLimit
from ledger.effective import History

OURS: Final = "driver: "
"""What the reason of a driver's own limit begins with."""
_BACK: Final = f"{OURS}all of its devices are back"


class AbleDevice(msgspec.Struct, frozen=True, kw_only=True):
    """`lost`: no good reading of it; `permitted`: it has passed its step test."""

    device: str
    snapshot: DeviceSnapshot
    limits: DeviceLimits
    lost: bool
    permitted: bool


class SiteAble(msgspec.Struct, frozen=True):
    """Power in W that is left; `why` names the devices that can do less than they should, empty for none."""

    charge_w: int
    discharge_w: int
    why: str = ""


def site_able(devices: Sequence[AbleDevice]) -> SiteAble:
    """What a site's devices can do together, whatever they hold: a full or an empty one is not derated."""
    charge = discharge = 0
    less: list[str] = []
    for one in devices:
        low, high = _range(one)
        charge, discharge = charge - low, discharge + high
        if one.lost:
            less.append(f"{one.device} is lost")
        elif not one.permitted:
            less.append(f"{one.device} is not commissioned")
        elif (-low, high) != (one.limits.charge_w, one.limits.discharge_w):
            why = _unable(one)
            less.append(f"{one.device} can do {-low} W in, {high} W out{f' ({why})' if why else ''}")
    return SiteAble(charge, discharge, ", ".join(less))


class AbleSince(NamedTuple):
    """What a site can do since `begin`, when it was last looked at `looked`."""

    able: SiteAble
    begin: datetime
    looked: datetime

    @classmethod
    def of(cls, before: AbleSince | None, able: SiteAble, now: datetime) -> AbleSince:
        """What is bad is not taken to have been so while nobody looked, such as on a machine that slept."""
        if before is None or before.able != able:
            return cls(able, now, now)
        away = abs(now - before.looked) > timedelta(milliseconds=LOST_MS)
        return cls(able, now if able.why and away else before.begin, now)


def due_limit(history: History[ImposedLimit] | None, able: SiteAble, now: datetime) -> ImposedLimit | None:
    """What is to be imposed now; None where what holds says it already."""
    versions = () if history is None else history.versions
    held = None if history is None else history.at(now)
    people = next(
        (
            one.document
            for one in reversed(versions)
            if not one.document.reason.startswith(OURS) and one.period.contains(now)
        ),
        None,
    )
    ours = held is not None and held.document.reason.startswith(OURS)
    if not able.why and not ours:
        return None
    if able.why:
        also = f"; {people.reason}" if people is not None else ""
        wanted = ImposedLimit(
            reason=f"{OURS}{able.why}{also}"[:2000],
            charge_w=_least(able.charge_w, None if people is None else people.charge_w),
            discharge_w=_least(able.discharge_w, None if people is None else people.discharge_w),
            import_w=None if people is None else people.import_w,
            export_w=None if people is None else people.export_w,
        )
    elif people is None:
        wanted = ImposedLimit(reason=_BACK)
    else:
        wanted = msgspec.structs.replace(people, reason=f"{_BACK}; {people.reason}"[:2000])
    return None if held is not None and held.document == wanted else wanted


def _range(one: AbleDevice) -> tuple[int, int]:
    """As `able_range`, but for what is stored and for steps: those pass by themselves."""
    if one.lost or not one.permitted:
        return 0, 0
    soc = (one.limits.soc_floor_millipercent + one.limits.soc_ceiling_millipercent) // 2
    snapshot = msgspec.structs.replace(one.snapshot, soc_millipercent=soc if _soc_known(one) else None)
    return able_range(snapshot, msgspec.structs.replace(one.limits, step_w_max=None))


def _soc_known(one: AbleDevice) -> bool:
    soc = one.snapshot.soc_millipercent
    return soc is not None and 0 <= soc <= SOC_WHOLE


def _unable(one: AbleDevice) -> str:
    """The first interlock that forbids whatever it is told, as `interlock.check_interlocks` has them."""
    snapshot, limits = one.snapshot, one.limits
    hottest, coldest = snapshot.hottest_mc, snapshot.coldest_mc
    found: tuple[tuple[Interlock, bool], ...] = (
        ("device_fault", snapshot.mode == "fault"),
        ("device_mode", snapshot.mode != "remote"),
        ("temperature_high", _beyond(limits.hottest_mc_max, hottest, 1)),
        ("temperature_low", _beyond(limits.coldest_mc_min, coldest, -1)),
        ("soc_unknown", not _soc_known(one)),
    )
    return next((name for name, holds in found if holds), "")


def _beyond(limit: int | None, value: int | None, sign: int) -> bool:
    return limit is not None and (value is None or sign * value >= sign * limit)


def _least(able_w: int, imposed_w: int | None) -> int:
    return able_w if imposed_w is None else min(able_w, imposed_w)
