"""Whether a value stays where it must have moved: what says so is another value, or time.

What stays because nothing happens is not stuck, and what may be constant is never judged: a frequency, a
voltage, the power of a storage that does what it was told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from dispatch.devices.role import Role
from dispatch.telemetry.sample import Sample

STUCK_MS: Final[Mapping[Role, int]] = MappingProxyType(
    {
        "device_heartbeat": 10_000,
        "device_clock": 10_000,
        "active_power": 60_000,
        "meter_power": 60_000,
        "soc": 1_800_000,
        "meter_import_wh": 3_600_000,
        "meter_export_wh": 3_600_000,
    }
)
"""How long a value may stay the same although it ought to move."""
STEP_WH: Final = 1_000
"""The coarsest registers count whole kWh."""
UNSEEN_MS: Final = 90_000
"""A run that ends and one that begins leave a hole anyway; within a run, this long without a sample (the
slowest blocks are read each 60 s) is one although no number is missing: nobody knows what flowed in it."""
_READS_MIN: Final = 5
_WMS_PER_WH: Final = 3_600_000
_SOC_PERCENT: Final = 5
"""Energy of so much of its capacity shows in any state of charge."""
_EXACT_PERCENT: Final = 5
"""So exactly a meter's power and its registers agree."""
_ASKED_PERCENT: Final = 2
"""A setpoint that moves by less may not show in the power."""
_POWERS: Final[tuple[Role, ...]] = ("active_power", "meter_power")
_TWINS: Final[Mapping[Role, Role]] = MappingProxyType(
    {"meter_import_wh": "meter_export_wh", "meter_export_wh": "meter_import_wh"}
)


class _Still(msgspec.Struct, frozen=True):
    """A value, since when it is so, and how often it was read. `beside`: what its neighbour was then, the
    setpoint of a power, the net count of a meter's. `flowed_wms`: by the power since then, net for a state of
    charge and a power, in its direction for a register. `asked_ms`: since when the setpoint is another."""

    value: int
    since_ms: int
    beside: int | None
    reads: int = 0
    flowed_wms: int = 0
    asked_ms: int | None = None
    told: bool = False


class StuckWatch:
    """One device's samples, in the order in which they came."""

    def __init__(self) -> None:
        self._last: Sample | None = None
        self._still: dict[Role, _Still] = {}
        self._power_w: dict[Role, int] = {}
        self._setpoint: int | None = None
        self._capacity_wh: int | None = None

    def seen(self, sample: Sample) -> Iterator[tuple[int, str]]:
        """Since when something stays, and what says that it should not; once as long as it stays.

        A sample that skips the role says nothing of it.
        """
        self._flow(sample)
        self._last = sample
        values = {role: value for role in STUCK_MS if (value := sample.value(role)) is not None}
        self._setpoint = _newer(sample.value("setpoint"), self._setpoint)
        self._capacity_wh = _newer(sample.value("capacity_wh"), self._capacity_wh)
        moved = [
            role
            for role, value in values.items()
            if role not in self._still or self._still[role].value != value
        ]
        for role in moved:
            self._still[role] = _Still(values[role], sample.at_ms, None)
        for role in moved:
            self._still[role] = msgspec.structs.replace(self._still[role], beside=self._beside(role))
        for role in values:
            still = self._looked(role, sample.at_ms)
            why = "" if still.told else self._ought(role, still, sample.at_ms)
            if why:
                still = msgspec.structs.replace(still, told=True)
                yield still.since_ms, f"{role} is {still.value} for {sample.at_ms - still.since_ms} ms {why}"
            self._still[role] = still

    def _flow(self, sample: Sample) -> None:
        """What the powers before it sent since the last sample."""
        last = self._last
        passed = 0 if last is None else sample.at_ms - last.at_ms
        if 0 < passed <= UNSEEN_MS:
            for role, still in self._still.items():
                self._still[role] = msgspec.structs.replace(
                    still, flowed_wms=still.flowed_wms + self._sent_w(role) * passed
                )
        if sample.lost or not 0 < passed <= UNSEEN_MS:
            # The registers count on meanwhile: what they say of the power is to be compared anew.
            self._still.pop("meter_power", None)
        for role in _POWERS:
            power_w = sample.value(role)
            if power_w is not None:
                self._power_w[role] = power_w
            elif sample.lost:
                self._power_w.pop(role, None)

    def _sent_w(self, role: Role) -> int:
        """The power that shows in it."""
        match role:
            case "soc":
                return self._power_w.get("active_power", 0)
            case "meter_power":
                return self._power_w.get("meter_power", 0)
            case "meter_export_wh":
                return max(self._power_w.get("meter_power", 0), 0)
            case "meter_import_wh":
                return max(-self._power_w.get("meter_power", 0), 0)
            case _:
                return 0

    def _beside(self, role: Role) -> int | None:
        if role == "active_power":
            return self._setpoint
        return self._counted_wh() if role == "meter_power" else None

    def _counted_wh(self) -> int | None:
        """What the registers say was given, less what was taken."""
        given, taken = (self._still.get(role) for role in ("meter_export_wh", "meter_import_wh"))
        return None if given is None or taken is None else given.value - taken.value

    def _looked(self, role: Role, at_ms: int) -> _Still:
        still = self._still[role]
        asked_ms = None
        if role == "active_power" and _other(still.beside, self._setpoint):
            asked_ms = at_ms if still.asked_ms is None else still.asked_ms
        return msgspec.structs.replace(still, reads=still.reads + 1, asked_ms=asked_ms)

    def _ought(self, role: Role, still: _Still, at_ms: int) -> str:
        """What says that it must have moved; empty where nothing does."""
        since_ms = still.since_ms if role != "active_power" else still.asked_ms
        if since_ms is None or at_ms - since_ms < STUCK_MS[role] or still.reads <= _READS_MIN:
            return ""
        match role:
            case "device_heartbeat" | "device_clock":
                return "though time goes on"
            case "active_power":
                # A power of 0 is rest, whatever is asked of a device that is off or full.
                return "though its setpoint moved" if still.value else ""
            case "meter_power":
                return "though its registers count otherwise" if self._belied(still) else ""
            case "soc":
                known = self._capacity_wh is not None
                enough_wms = (self._capacity_wh or 0) * _SOC_PERCENT * _WMS_PER_WH // 100
                return "though energy flows" if known and abs(still.flowed_wms) >= enough_wms else ""
            case _:
                flowed = still.flowed_wms >= STEP_WH * _WMS_PER_WH
                return "though energy flows" if flowed and not self._twin_grows(role, still) else ""

    def _belied(self, still: _Still) -> bool:
        """Whether a meter's registers counted clearly more or less than its power says."""
        counted_wh = self._counted_wh()
        if counted_wh is None or still.beside is None:
            return False
        apart_wms = abs((counted_wh - still.beside) * _WMS_PER_WH - still.flowed_wms)
        return apart_wms > STEP_WH * _WMS_PER_WH + abs(still.flowed_wms) * _EXACT_PERCENT // 100

    def _twin_grows(self, role: Role, still: _Still) -> bool:
        """A register that stays beside one that grows is a direction that nothing flows in."""
        twin = self._still.get(_TWINS[role])
        return twin is not None and twin.since_ms > still.since_ms


def _newer(read: int | None, known: int | None) -> int | None:
    return known if read is None else read


def _other(before: int | None, now: int | None) -> bool:
    """Whether another power is asked for, whatever a setpoint's unit is.

    >>> [_other(*pair) for pair in ((100, 101), (100, 103), (0, 1), (5, -5), (None, 5))]
    [False, True, True, True, False]
    """
    if before is None or now is None:
        return False
    return abs(now - before) * 100 > _ASKED_PERCENT * max(abs(before), abs(now))
