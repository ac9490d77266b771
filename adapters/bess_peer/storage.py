"""One storage: its registers, its battery, and what makes it do what it was told, until it expires."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from adapters.bess_peer.battery import UJ_PER_WH, Battery
from adapters.bess_peer.fault import (
    AcknowledgeOnly,
    BlackHole,
    ClockOff,
    Fault,
    HeartbeatStopped,
    IgnoreWrites,
    SecondWriter,
    SignFlipped,
    SocShown,
    Stall,
    Stuck,
    Torn,
    Unavailable,
)
from adapters.bess_peer.frame import (
    ILLEGAL_ADDRESS,
    ILLEGAL_FUNCTION,
    ILLEGAL_VALUE,
    READ_HOLDING,
    READ_INPUT,
    WRITE_ONE,
    WRITE_SEVERAL,
    exception,
)
from adapters.bess_peer.register_map import RegisterMap
from adapters.bess_peer.standing import Standing
from dispatch.devices.point import Point, Table
from dispatch.devices.profile import REGISTERS_MAX, Profile
from dispatch.devices.role import ROLES, DeviceState, Role
from ledger.refusal import Refused

_FRESH_MS: Final = 20
"""Registers are put in again once so much time has passed: two requests of one poll see the same."""
_WRITE_MAX: Final = 123
_EVEN: Final[Mapping[Role, int]] = MappingProxyType(
    {
        "temperature": 25_000,
        "cell_voltage_max": 3_335,
        "cell_voltage_min": 3_325,
        "cell_temperature_max": 26_000,
        "cell_temperature_min": 24_000,
        "grid_frequency": 50_000,
        "grid_voltage": 400_000,
        "control_mode": 0,
        "alarm": 0,
    }
)
"""What does not change here: 25 °C, cells within 10 mV and 2 °C, 50 Hz, 400 V, remote control, no alarm."""

_METERED: Final[frozenset[Role]] = frozenset({"meter_power", "meter_import_wh", "meter_export_wh"})


class Storage:
    """Times are milliseconds since 1970, told by whoever asks; powers in W, above zero discharging."""

    def __init__(
        self,
        profile: Profile,
        meter: Profile | None,
        now_ms: int,
        *,
        storage_meter: Profile | None = None,
        soc: int = 50_000,
        load_w: int = 0,
    ) -> None:
        limits = profile.limits
        if profile.kind != "bess" or limits is None or profile.control is None:
            raise Refused("peer_profile", f"{profile.id} is no storage", place="profile")
        units = [profile.unit_id]
        for place, one in (("meter", meter), ("storage_meter", storage_meter)):
            if one is not None and (one.kind != "meter" or one.unit_id in units):
                raise Refused("peer_profile", "a meter with a unit id of its own", place=place)
            units += [] if one is None else [one.unit_id]
        self.profile = profile
        self.battery = Battery(
            charge_w_max=limits.charge_w_max,
            discharge_w_max=limits.discharge_w_max,
            ramp_w_per_s=limits.ramp_w_per_s,
            energy_wh=limits.energy_wh,
            soc=soc,
            soc_min=limits.soc_min,
            soc_max=limits.soc_max,
            load_w=load_w,
        )
        power = max(limits.charge_w_max, limits.discharge_w_max)
        self.faults = Standing()
        self.requests = self.writes = self.beats = 0
        self.tripped = False
        self.enabled = "enable" not in profile.roles
        self._functions: Final = profile.control.functions
        self._watchdog: Final = profile.control.watchdog
        self._maps: Final = {profile.unit_id: RegisterMap(profile, power, limits.energy_wh)}
        for one in (meter, storage_meter):
            if one is not None:
                self._maps[one.unit_id] = RegisterMap(one, power, limits.energy_wh)
        self._at_storage: Final = None if storage_meter is None else self._maps[storage_meter.unit_id]
        self._own: Final = self._maps[profile.unit_id]
        self._changing: list[tuple[RegisterMap, Role, Point]] = [
            (shown, role, point)
            for shown in self._maps.values()
            for role, name in shown.profile.roles.items()
            if (point := shown.profile.by_name[name]).fixed is None and ROLES[role].access == "r"
        ]
        self._frozen: dict[str, int] = {}
        self._at = self._shown = now_ms
        self._beat_at: int | None = None
        self._last_beat: int | None = None
        self._revert_at: int | None = None
        self._begin_even()
        self._still()
        self._show()

    @property
    def units(self) -> tuple[int, ...]:
        return tuple(self._maps)

    def answer(self, unit: int, pdu: bytes, now_ms: int) -> bytes:
        """The answer to one request, from its function code on."""
        self.requests += 1
        self.advance(now_ms)
        function = pdu[0]
        if function in (READ_HOLDING, READ_INPUT):
            return self._read(self._maps[unit], function, pdu, now_ms)
        if function in (WRITE_ONE, WRITE_SEVERAL) and unit == self.profile.unit_id:
            return self._write(function, pdu, now_ms)
        return exception(function, ILLEGAL_FUNCTION)

    def advance(self, now_ms: int) -> None:
        """Everything that happens until then, in its order."""
        while self._at < now_ms:
            until = now_ms
            watchdog = self._watchdog_at()
            for due in (self._revert_at, watchdog):
                if due is not None:
                    until = min(until, max(due, self._at))
            self.battery.advance(until - self._at)
            self._at = until
            if self._revert_at is not None and until >= self._revert_at:
                self._still()
            if watchdog is not None and until >= watchdog:
                self.tripped, self._beat_at = True, None
                self._still()
        if now_ms - self._shown >= _FRESH_MS:
            self._show()

    def lapse(self, now_ms: int, by_ms: int, *, beats: bool = True) -> None:
        """So much time passes at once: what is due in it happens, but that with `beats` a heart that beats
        now, and is heard, goes on beating in it.

        Who calls it moves the clock on by as much.
        """
        self.advance(now_ms)
        silent = any(self.faults.find(kind, now_ms) is not None for kind in (BlackHole, Stall))
        beat = None if silent or not beats else self._beat_at
        if beat is not None:
            self._beat_at = None
        self.advance(now_ms + by_ms)
        if beat is not None:
            self._beat_at = beat + by_ms

    def begin(self, fault: Fault, now_ms: int) -> None:
        """Let something be wrong from now on.

        Raises:
            Refused: `point_unknown`, `peer_fault` for a point that cannot be torn.
        """
        self.advance(now_ms)
        if isinstance(fault, Torn | Stuck):
            point = self.profile.point(fault.point)
            if isinstance(fault, Torn) and point.count < 2:
                raise Refused("peer_fault", "a value of several registers", place="fault.point")
            self._frozen = {point.name: self._own.raw(point)}
        if isinstance(fault, Stall) and fault.times is not None:
            raise Refused("peer_fault", "a stall has no number of times: state for_ms", place="fault.times")
        if isinstance(fault, Unavailable) and not 0 <= fault.permille <= 1000:
            raise Refused("peer_fault", "0 to 1000", place="fault.permille")
        if isinstance(fault, SecondWriter):
            self._foreign_setpoint(fault.power_w)
        else:
            self.faults.begin(fault, now_ms)
        self._show()

    def clear(self, now_ms: int) -> None:
        """Nothing is wrong any more; what a second writer set stands."""
        self.advance(now_ms)
        self.faults.clear()
        self._frozen.clear()
        self._show()

    @property
    def setpoint_w(self) -> int:
        """What the setpoint's registers hold."""
        point = self.profile.point_of("setpoint")
        assert point is not None
        return self._power_of(point)

    @property
    def state(self) -> DeviceState:
        if self.battery.target_w or self.battery.power_w:
            return "running"
        return "standby"

    def _read(self, shown: RegisterMap, function: int, pdu: bytes, now_ms: int) -> bytes:
        table: Table = "holding" if function == READ_HOLDING else "input"
        if len(pdu) != 5:
            return exception(function, ILLEGAL_VALUE)
        address, count = int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big")
        if not 1 <= count <= REGISTERS_MAX:
            return exception(function, ILLEGAL_VALUE)
        data = shown.bytes_of(table, address, count)
        if data is None:
            return exception(function, ILLEGAL_ADDRESS)
        if self.faults and shown is self._own:
            data = self._torn(data, table, address, now_ms)
        return bytes((function, len(data))) + data

    def _torn(self, data: bytes, table: Table, address: int, now_ms: int) -> bytes:
        fault = self.faults.find(Torn, now_ms)
        if fault is None:
            return data
        point = self.profile.point(fault.point)
        start = 2 * (point.address - address)
        if point.table != table or start < 0 or start + 2 * point.count > len(data):
            return data
        self.faults.take(Torn, now_ms)
        at = start + 2 * (point.count - 2) if point.words == "high_first" else start + 2
        word = (int.from_bytes(data[at : at + 2], "big") + 1) % 65_536
        return data[:at] + word.to_bytes(2, "big") + data[at + 2 :]

    def _write(self, function: int, pdu: bytes, now_ms: int) -> bytes:
        if function not in self._functions:
            return exception(function, ILLEGAL_FUNCTION)
        address = int.from_bytes(pdu[1:3], "big")
        data = pdu[3:5] if function == WRITE_ONE else pdu[6:]
        if len(pdu) < 5 or (function == WRITE_SEVERAL and not _agrees(pdu)):
            return exception(function, ILLEGAL_VALUE)
        before = self._own.bytes_of("holding", address, len(data) // 2)
        if before is None:
            return exception(function, ILLEGAL_ADDRESS)
        points = self._own.written(address, data)
        if points is None:
            return exception(function, ILLEGAL_ADDRESS)
        if any(self._own.value(point) is None for point in points):
            self._own.written(address, before)
            return exception(function, ILLEGAL_VALUE)
        self.writes += 1
        if self.faults.take(IgnoreWrites, now_ms) is not None:
            self._own.written(address, before)
        elif self.faults.take(AcknowledgeOnly, now_ms) is None:
            for point in points:
                self._done(point, now_ms)
        return pdu[:5]

    def _done(self, point: Point, now_ms: int) -> None:
        """What follows of a point having been written."""
        roles = self.profile.roles
        if self._watchdog is not None and point.name == self._watchdog.point:
            beat = self._own.raw(point)
            if beat != self._last_beat:
                self._last_beat, self._beat_at = beat, now_ms
                self.beats += 1
                self.tripped = False
            return
        if point.name == roles.get("enable"):
            self.enabled = bool(self._own.raw(point))
            if not self.enabled:
                self._still()
        elif point.name not in (roles.get("setpoint"), roles.get("revert_timer")):
            return
        if self.enabled and not self.tripped:
            self._follow(now_ms)

    def _follow(self, now_ms: int) -> None:
        """Go for what the setpoint's registers hold, until the timer ends it."""
        self.battery.aim(self.setpoint_w)
        timer = self.profile.point_of("revert_timer")
        seconds = None if timer is None else self._own.value(timer)
        self._revert_at = now_ms + 1000 * seconds if seconds else None
        if self._watchdog is not None and self._beat_at is None:
            self._beat_at = now_ms

    def _still(self) -> None:
        """The safe state: no power, and nothing enabled."""
        self.battery.aim(0)
        self._revert_at = None
        enable = self.profile.point_of("enable")
        if enable is not None:
            self.enabled = False
            self._own.put_raw(enable, 0)

    def _foreign_setpoint(self, power_w: int) -> None:
        """What somebody else writes: the setpoint, and the enable."""
        limits, point = self.profile.limits, self.profile.point_of("setpoint")
        assert point is not None
        assert limits is not None
        value = power_w
        if point.unit == "%":
            value = power_w * 100_000 // (limits.discharge_w_max if power_w >= 0 else limits.charge_w_max)
        self._own.put_fast(point, value)
        enable = self.profile.point_of("enable")
        if enable is not None:
            self._own.put_raw(enable, 1)
            self.enabled = True
        self._follow(self._at)

    def _power_of(self, point: Point) -> int:
        value, limits = self._own.value(point), self.profile.limits
        assert limits is not None
        if value is None:
            return 0
        if point.unit == "%":
            size = abs(value) * (limits.discharge_w_max if value >= 0 else limits.charge_w_max) // 100_000
            return size if value >= 0 else -size
        return value

    def _watchdog_at(self) -> int | None:
        if self._watchdog is None or self._beat_at is None:
            return None
        return self._beat_at + 1000 * self._watchdog.timeout_s

    def _show(self) -> None:
        """Put what is so, or what the faults make of it, into the registers."""
        self._shown = self._at
        unavailable = self.faults.find(Unavailable, self._at)
        self.battery.availability_permille = 1000 if unavailable is None else unavailable.permille
        stuck = self.faults.find(Stuck, self._at)
        for shown, role, point in self._changing:
            if role == "state":
                shown.put_raw(point, self._raw_state())
            elif stuck is not None and stuck.point == point.name and shown is self._own:
                shown.put_raw(point, self._frozen[point.name])
            else:
                self._show_role(shown, role, point)

    def _begin_even(self) -> None:
        """Put in what does not change."""
        even: dict[Role, int] = dict(_EVEN) | {
            "capacity_wh": self.battery.energy_wh,
            "charge_w_max": self.battery.charge_w_max,
            "discharge_w_max": self.battery.discharge_w_max,
        }
        for shown, role, point in self._changing:
            if role in even:
                shown.put(point, even[role])
        self._changing = [entry for entry in self._changing if entry[1] not in even]

    def _show_role(self, shown: RegisterMap, role: Role, point: Point) -> None:
        if role == "soc" and (soc := self.faults.find(SocShown, self._at)) is not None:
            shown.put_raw(point, int(soc.value / 1000) * 10 ** max(0, -(point.scale or _scale(shown, point))))
        elif role == "device_heartbeat":
            if self.faults.find(HeartbeatStopped, self._at) is None:
                shown.put_raw(point, self._at // 1000 % 65_535 + 1)
        elif shown is self._at_storage and role in _METERED:
            shown.put_fast(point, self._at_ac(role))
        else:
            shown.put_fast(point, self._value(role))

    def _at_ac(self, role: Role) -> int:
        """What the meter at the storage itself shows."""
        battery = self.battery
        if role == "meter_power":
            return battery.power_w
        return (battery.charged_uj if role == "meter_import_wh" else battery.discharged_uj) // UJ_PER_WH

    def _value(self, role: Role) -> int:
        battery = self.battery
        match role:
            case "active_power":
                flipped = self.faults.find(SignFlipped, self._at) is not None
                return -battery.power_w if flipped else battery.power_w
            case "soc":
                return battery.soc
            case "stored_wh":
                return battery.stored_wh
            case "meter_power":
                return battery.grid_w
            case "meter_import_wh":
                return battery.import_uj // UJ_PER_WH
            case "meter_export_wh":
                return battery.export_uj // UJ_PER_WH
            case "revert_remaining":
                return 0 if self._revert_at is None else -(-(self._revert_at - self._at) // 1000)
            case "device_clock":
                off = self.faults.find(ClockOff, self._at)
                return self._at // 1000 + (0 if off is None else off.seconds)
            case _:
                raise AssertionError(role)

    def _raw_state(self) -> int:
        named = {state: int(raw) for raw, state in reversed(self.profile.states.items())}
        return named.get(self.state, named["running"])


def _agrees(pdu: bytes) -> bool:
    """Whether the counts of function 16 are those of its data."""
    count = int.from_bytes(pdu[3:5], "big")
    return len(pdu) >= 8 and 1 <= count <= _WRITE_MAX and pdu[5] == 2 * count == len(pdu) - 6


def _scale(shown: RegisterMap, point: Point) -> int:
    return 0 if point.scale_point is None else shown.scales[point.scale_point]
