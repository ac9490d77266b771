"""The last look before a setpoint is written: everything that forbids it, the weightiest first.

Pure, on a snapshot of the device. A stop is forbidden by nothing; a setpoint that only limits power is
forbidden by what says that it is not ours to write. docs/device-refusals.md has the codes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final, Literal, get_args

import msgspec

from dispatch.control.setpoint import Setpoint, lowers
from dispatch.control.site_load import PowerRange
from ledger.interval import Instant
from ledger.refusal import Refused

Interlock = Literal[
    "emergency_stop",
    "lease_lost",
    "setpoint_superseded",
    "setpoint_expired",
    "not_commissioned",
    "device_fault",
    "device_mode",
    "clock_skew",
    "telemetry_missing",
    "telemetry_stale",
    "device_unknown",
    "plan_invalid",
    "temperature_high",
    "temperature_low",
    "soc_unknown",
    "soc_low",
    "soc_high",
    "power_limit",
    "ramp",
    "grid_unknown",
    "grid_import",
    "grid_export",
    "device_refused",
]
"""In order of precedence. `device_refused` is what a device itself answers: no check finds it beforehand."""

Flag = Literal["clock_skew_flagged", "lowering_breaks_grid_limit"]
"""Told, and forbids nothing."""

INTERLOCKS: Final[tuple[Interlock, ...]] = get_args(Interlock)
NOT_OURS: Final[frozenset[Interlock]] = frozenset({"lease_lost", "setpoint_superseded", "setpoint_expired"})
"""What forbids to limit a device, too."""

TELEMETRY_MS_MAX: Final = 5_000
CLOCK_FLAGGED_MS: Final = 2_000
CLOCK_BLOCKED_MS: Final = 30_000
SOC_WHOLE: Final = 100_000
"""A full storage, in thousandths of a percent."""

Mode = Literal["remote", "local", "fault", "off"]


class DeviceSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of a device last; None is not known, never 0.

    `power_w` at the AC side, above 0 discharging. `soc_millipercent` from 0 to 100 000. `temperature_mc`:
    thousandths of a degree Celsius, of the hottest and coldest cell. `load`: what the site draws behind its
    storage, above 0 importing; `beside`: what the others of its storage do or were told. `clock_ms`: by how
    much the device's clock is ahead of ours.
    """

    read_at: Instant | None = None
    mode: Mode | None = None
    power_w: int | None = None
    setpoint_w: int | None = None
    soc_millipercent: int | None = None
    hottest_mc: int | None = None
    coldest_mc: int | None = None
    load: PowerRange | None = None
    beside: PowerRange = PowerRange(0, 0)
    clock_ms: int | None = None


class DeviceLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a device may do. `step_w_max`: the largest change in one write; None where it ramps by itself.

    A device without a temperature (None) has no sensor that could forbid anything.
    """

    charge_w: int
    discharge_w: int
    soc_floor_millipercent: int
    soc_ceiling_millipercent: int
    import_w: int
    export_w: int
    hottest_mc_max: int | None = None
    coldest_mc_min: int | None = None
    step_w_max: int | None = None
    has_clock: bool = True

    def __post_init__(self) -> None:
        for place in ("charge_w", "discharge_w", "import_w", "export_w"):
            if getattr(self, place) < 0:
                raise Refused("negative", "a limit is at least 0 W", place=place)
        if not 0 <= self.soc_floor_millipercent < self.soc_ceiling_millipercent <= SOC_WHOLE:
            raise Refused(
                "soc_limits", f"0 <= floor < ceiling <= {SOC_WHOLE}", place="soc_floor_millipercent"
            )


class Permission(msgspec.Struct, frozen=True, kw_only=True):
    """What else must be so. `plan_until` is how long the plan it rests on holds; None where it has none."""

    commissioned: bool
    lease_held: bool
    newest: bool
    stopped: bool
    unknown: bool
    plan_until: Instant | None = None


class Verdict(msgspec.Struct, frozen=True):
    """Empty `interlocks`: write it."""

    interlocks: tuple[Interlock, ...]
    flags: tuple[Flag, ...] = ()


def check_interlocks(
    setpoint: Setpoint, device: DeviceSnapshot, limits: DeviceLimits, permission: Permission, now: datetime
) -> Verdict:
    """Everything that forbids to write `setpoint` at `now`, in order of precedence.

    Of a setpoint with a band, both its ends are checked.
    """
    ends = {setpoint.setpoint_w - setpoint.band_w, setpoint.setpoint_w + setpoint.band_w}
    flags: list[Flag] = []
    if device.clock_ms is not None and abs(device.clock_ms) > CLOCK_FLAGGED_MS:
        flags.append("clock_skew_flagged")
    found = set(_ours(setpoint, permission, now))
    if lowers(setpoint, device.setpoint_w):
        if any(True for end in ends for _ in _grid(end, device, limits)):
            flags.append("lowering_breaks_grid_limit")
        found = set() if setpoint.power_w_max == 0 else found & NOT_OURS
    else:
        found |= set(_able(device, limits, permission, now))
        found |= {one for end in ends for one in (*_power(end, device, limits), *_grid(end, device, limits))}
    return Verdict(tuple(code for code in INTERLOCKS if code in found), tuple(flags))


def _ours(setpoint: Setpoint, permission: Permission, now: datetime) -> Iterator[Interlock]:
    if permission.stopped:
        yield "emergency_stop"
    if not permission.lease_held:
        yield "lease_lost"
    if not permission.newest:
        yield "setpoint_superseded"
    if setpoint.expires_at <= now:
        yield "setpoint_expired"
    if not permission.commissioned:
        yield "not_commissioned"
    if permission.unknown:
        yield "device_unknown"
    planned = setpoint.origin in ("plan", "regulation")
    if planned and (permission.plan_until is None or permission.plan_until <= now):
        yield "plan_invalid"


def _able(
    device: DeviceSnapshot, limits: DeviceLimits, permission: Permission, now: datetime
) -> Iterator[Interlock]:
    """Whether the device can be told anything at all."""
    if device.mode == "fault":
        yield "device_fault"
    elif device.mode != "remote":
        yield "device_mode"
    skew = device.clock_ms
    if (skew is None and limits.has_clock) or (skew is not None and abs(skew) > CLOCK_BLOCKED_MS):
        yield "clock_skew"
    if device.read_at is None or device.power_w is None:
        yield "telemetry_missing"
    elif _age_ms(device.read_at, now) > TELEMETRY_MS_MAX:
        yield "telemetry_stale"
    if device.setpoint_w is None and not permission.unknown:
        yield "device_unknown"
    hottest, coldest = device.hottest_mc, device.coldest_mc
    if limits.hottest_mc_max is not None and (hottest is None or hottest >= limits.hottest_mc_max):
        yield "temperature_high"
    if limits.coldest_mc_min is not None and (coldest is None or coldest <= limits.coldest_mc_min):
        yield "temperature_low"


def _age_ms(read_at: datetime, now: datetime) -> int:
    """A reading from the future is as old as it is ahead: our clock was set back, or it is not of now."""
    age = abs(now - read_at)
    return age.days * 86_400_000 + age.seconds * 1000 + -(-age.microseconds // 1000)


def _power(end_w: int, device: DeviceSnapshot, limits: DeviceLimits) -> Iterator[Interlock]:
    """Whether the device may be told that power."""
    soc = device.soc_millipercent
    if end_w and (soc is None or not 0 <= soc <= SOC_WHOLE):
        yield "soc_unknown"
    elif end_w > 0 and soc is not None and soc <= limits.soc_floor_millipercent:
        yield "soc_low"
    elif end_w < 0 and soc is not None and soc >= limits.soc_ceiling_millipercent:
        yield "soc_high"
    if not -limits.charge_w <= end_w <= limits.discharge_w:
        yield "power_limit"
    step = None if device.power_w is None else abs(end_w - device.power_w)
    if limits.step_w_max is not None and step is not None and step > limits.step_w_max:
        yield "ramp"


def _grid(end_w: int, device: DeviceSnapshot, limits: DeviceLimits) -> Iterator[Interlock]:
    """Whether the site's connection stands it; what makes an overload smaller is never forbidden."""
    if device.load is None or device.power_w is None:
        yield "grid_unknown"
        return
    most_in = device.load.high_w - device.beside.low_w - end_w
    most_out = end_w + device.beside.high_w - device.load.low_w
    if most_in > limits.import_w and end_w < device.power_w:
        yield "grid_import"
    if most_out > limits.export_w and end_w > device.power_w:
        yield "grid_export"
