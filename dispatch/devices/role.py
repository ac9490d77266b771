"""What points are to the rest of the house: the names that do not change from vendor to vendor."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from dispatch.devices.point import Access, Unit

Role = Literal[
    "active_power",
    "setpoint",
    "enable",
    "revert_timer",
    "revert_remaining",
    "soc",
    "state",
    "control_mode",
    "alarm",
    "heartbeat",
    "device_heartbeat",
    "device_clock",
    "capacity_wh",
    "stored_wh",
    "charge_w_max",
    "discharge_w_max",
    "temperature",
    "ambient_temperature",
    "cell_voltage_max",
    "cell_voltage_min",
    "cell_temperature_max",
    "cell_temperature_min",
    "grid_frequency",
    "grid_voltage",
    "meter_power",
    "meter_import_wh",
    "meter_export_wh",
]
"""heartbeat: the counter that we write; device_heartbeat: the device's own. device_clock: seconds since 1970
UTC. meter_import_wh: energy taken from the grid, a register that only grows."""

DeviceState = Literal["off", "starting", "standby", "running", "stopping", "fault"]
DeviceKind = Literal["bess", "meter", "model"]
"""model: one part of a device's map, such as a SunSpec model; nothing is asked of its roles."""


class RoleRule(NamedTuple):
    units: tuple[Unit, ...]
    access: Access


ROLES: Final[Mapping[Role, RoleRule]] = MappingProxyType(
    {
        "active_power": RoleRule(("W",), "r"),
        "setpoint": RoleRule(("W", "%"), "rw"),
        "enable": RoleRule(("none",), "rw"),
        "revert_timer": RoleRule(("s",), "rw"),
        "revert_remaining": RoleRule(("s",), "r"),
        "soc": RoleRule(("%",), "r"),
        "state": RoleRule(("none",), "r"),
        "control_mode": RoleRule(("none",), "r"),
        "alarm": RoleRule(("none",), "r"),
        "heartbeat": RoleRule(("none",), "rw"),
        "device_heartbeat": RoleRule(("none",), "r"),
        "device_clock": RoleRule(("s",), "r"),
        "capacity_wh": RoleRule(("Wh",), "r"),
        "stored_wh": RoleRule(("Wh",), "r"),
        "charge_w_max": RoleRule(("W",), "r"),
        "discharge_w_max": RoleRule(("W",), "r"),
        "temperature": RoleRule(("°C",), "r"),
        "ambient_temperature": RoleRule(("°C",), "r"),
        "cell_voltage_max": RoleRule(("V",), "r"),
        "cell_voltage_min": RoleRule(("V",), "r"),
        "cell_temperature_max": RoleRule(("°C",), "r"),
        "cell_temperature_min": RoleRule(("°C",), "r"),
        "grid_frequency": RoleRule(("Hz",), "r"),
        "grid_voltage": RoleRule(("V",), "r"),
        "meter_power": RoleRule(("W",), "r"),
        "meter_import_wh": RoleRule(("Wh",), "r"),
        "meter_export_wh": RoleRule(("Wh",), "r"),
    }
)
NEEDED: Final[Mapping[DeviceKind, tuple[Role, ...]]] = MappingProxyType(
    {
        "bess": ("active_power", "setpoint", "soc", "state"),
        "meter": ("meter_power", "meter_import_wh", "meter_export_wh"),
        "model": (),
    }
)
