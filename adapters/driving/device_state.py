"""What is known of a device: folded from its samples, block by block, each role with its own age."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from dispatch.control.interlock import DeviceLimits, DeviceSnapshot, Mode
from dispatch.control.site_load import PowerRange
from dispatch.devices.profile import Period, Profile
from dispatch.devices.quality import Reading
from dispatch.devices.role import Role
from dispatch.telemetry.sample import Sample, believable_w

SETPOINT_MS_MAX: Final = 15_000
"""A setpoint that was read longer ago than three of its polls is not known any more; so are the others of
the slower blocks."""
_SLOW_MS_MAX: Final = 180_000
_REMOTE: Final = 0
"""The control mode of a device that obeys us (SunSpec LocRemCtl)."""
_ENABLED_NOT: Final = 0
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
TOLERANCE_PPM: Final = 20_000
"""What a meter may show beside the setpoint: this part of the rating."""


class DrivenDevice(Protocol):
    """What the executor needs to know of a device of the fleet file (adapters.driving.fleet_file)."""

    @property
    def id(self) -> str: ...

    @property
    def profile(self) -> Profile: ...

    @property
    def meter(self) -> str:
        """The ledger's meter that measures this device; "" for none."""
        ...

    @property
    def safe_w(self) -> int:
        """What it falls back to by itself."""
        ...


class DeviceState:
    """The newest reading of each role that was believed."""

    def __init__(self, device: DrivenDevice) -> None:
        self._device = device
        self._profile = device.profile
        self._slow_roles = _roles_of(device.profile, "slow")
        self._readings: dict[Role, tuple[Reading, int]] = {}
        self._read_ms: int | None = None
        self._clock_ms: int | None = None
        self._load: tuple[PowerRange, int] | None = None
        self.unbeaten = True
        """Nobody refreshed its watchdog in time since it was written last, as far as is known."""

    def take(self, sample: Sample) -> None:
        """A turn in which the device did not answer changes nothing: what is known grows old."""
        if sample.lost:
            return
        for role, reading in sample.readings.items():
            self._readings[role] = (reading, sample.at_ms)
        if "active_power" in sample.readings:
            self._read_ms = sample.at_ms
        if sample.device_ms is not None:
            self._clock_ms = sample.device_ms - sample.at_ms

    def site(self, load: PowerRange | None, at_ms: int) -> None:
        """What the site draws behind its storage, above 0 importing; None when nobody knows."""
        self._load = None if load is None else (load, at_ms)

    def snapshot(self, now: datetime) -> DeviceSnapshot:
        now_ms = millis(now)
        load = self._load
        return DeviceSnapshot(
            read_at=None if self._read_ms is None else instant(self._read_ms),
            mode=self._mode(now_ms),
            power_w=believable_w(self._value("active_power", now_ms)),
            setpoint_w=self.standing_w(now_ms),
            soc_millipercent=self._value("soc", now_ms),
            hottest_mc=self._value("temperature", now_ms),
            coldest_mc=self._value("temperature", now_ms),
            load=None if load is None or abs(now_ms - load[1]) > SETPOINT_MS_MAX else load[0],
            clock_ms=self._clock_ms,
        )

    def standing_w(self, now_ms: int) -> int | None:
        """The setpoint that the device obeys: its register's, unless it is not enabled; None: not known."""
        if "enable" in self._profile.roles:
            enabled = self._value("enable", now_ms)
            if enabled is None:
                return None
            if enabled == _ENABLED_NOT:
                return self._device.safe_w
        value = self._value("setpoint", now_ms)
        register_w = None if value is None else believable_w(in_w(self._profile, value))
        return None if register_w is None else self.obeyed_w(register_w, now_ms)

    def obeyed_w(self, register_w: int, now_ms: int) -> int:
        """What it obeys where its register holds that: its safe state where it has no enable that would fall
        with its watchdog, nobody refreshed that in time, and its power is that of the safe state."""
        control, limits = self._profile.control, self._profile.limits
        told = control is None or control.watchdog is None or "enable" in self._profile.roles
        if told or limits is None or not self.unbeaten:
            return register_w
        power = self._value("active_power", now_ms)
        most = max(limits.charge_w_max, limits.discharge_w_max) * TOLERANCE_PPM // 1_000_000
        safe_w = self._device.safe_w
        if power is None or abs(power - safe_w) > most or abs(power - register_w) <= most:
            return register_w
        return safe_w

    def _mode(self, now_ms: int) -> Mode | None:
        raw = self._value("state", now_ms)
        state = None if raw is None else self._profile.state_of(raw)
        if state is None:
            return None
        if state in ("fault", "off"):
            return "fault" if state == "fault" else "off"
        if "control_mode" not in self._profile.roles:
            return "remote"
        control = self._value("control_mode", now_ms)
        if control is None:
            return None
        return "remote" if control == _REMOTE else "local"

    def _value(self, role: Role, now_ms: int) -> int | None:
        found = self._readings.get(role)
        if found is None or found[0].quality != "good" or not isinstance(found[0].value, int):
            return None
        slow = role in self._slow_roles
        return (
            None if abs(now_ms - found[1]) > (_SLOW_MS_MAX if slow else SETPOINT_MS_MAX) else found[0].value
        )


def shown_w(device: DrivenDevice, sample: Sample) -> int | None:
    """The setpoint that this one sample shows the device to obey; None where it does not say."""
    if "enable" in device.profile.roles:
        enabled = sample.value("enable")
        if enabled is None or enabled == _ENABLED_NOT:
            return None if enabled is None else device.safe_w
    value = sample.value("setpoint")
    return None if value is None else believable_w(in_w(device.profile, value))


def switched_off(device: DrivenDevice, sample: Sample) -> bool:
    """That this one sample shows it not to be enabled: it obeys no setpoint, whatever the register holds."""
    return "enable" in device.profile.roles and sample.value("enable") == _ENABLED_NOT


def setpoint_periods(profile: Profile) -> tuple[Period, ...]:
    """Which of the device's blocks are read to see what setpoint it has."""
    roles: tuple[Role, ...] = ("setpoint", "enable")
    points = [point for role in roles if (point := profile.point_of(role)) is not None]
    found = {block.period for point in points for block in profile.blocks if block.holds(point)}
    return tuple(sorted(found))


def in_w(profile: Profile, value: int) -> int:
    """A setpoint register's value in W, not further from zero."""
    point, limits = profile.point_of("setpoint"), profile.limits
    assert point is not None, "a storage has a setpoint"
    assert limits is not None, "a storage has limits"
    if point.unit == "W":
        return value
    most = limits.discharge_w_max if value >= 0 else limits.charge_w_max
    size = abs(value) * most // 100_000
    return size if value >= 0 else -size


def register_tolerance_w(profile: Profile) -> int:
    """Half a step of the setpoint register: what can be written reads back exactly, but for rounding."""
    point = profile.point_of("setpoint")
    assert point is not None, "a storage has a setpoint"
    return 0 if point.unit == "W" and point.kind.form != "float" else 1


def meter_tolerance_w(limits: DeviceLimits) -> int:
    """How far a meter may be from the setpoint."""
    return max(limits.charge_w, limits.discharge_w) * TOLERANCE_PPM // 1_000_000


def millis(at: datetime) -> int:
    """Milliseconds since 1970 UTC, what is finer left out."""
    return (at - _EPOCH) // _MS


def instant(ms: int) -> datetime:
    return _EPOCH + ms * _MS


def _roles_of(profile: Profile, period: Period) -> frozenset[Role]:
    blocks = [block for block in profile.blocks if block.period == period]
    return frozenset(
        role for role, name in profile.roles.items() if any(b.holds(profile.by_name[name]) for b in blocks)
    )
