"""Ports to storages that run as programs of their own."""

from __future__ import annotations

import time

from adapters.driving.budget_file import BudgetFile
from adapters.driving.fleet_file import FleetDevice, ModbusTcp
from adapters.modbus.port import ModbusPort
from dispatch.devices.profile import PERIOD_S, Profile
from tests.dispatch.devices.profile_samples import example

ALL = tuple(PERIOD_S)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def port_to(
    profile: str | Profile,
    number: int,
    *,
    device: str = "B1",
    answer_ms: int = 500,
    turn_ms: int = 2000,
    budget: BudgetFile | None = None,
) -> ModbusPort:
    """A port to what serves `profile` at the TCP port `number`."""
    known = example(profile) if isinstance(profile, str) else profile
    address = ModbusTcp(host="127.0.0.1", port=number, answer_ms=answer_ms, turn_ms=turn_ms)
    return ModbusPort(FleetDevice(id=device, profile=known, address=address), "run1", now_ms, budget=budget)
