"""The devices of a fleet file behind their protocols: a protocol is one line here, and a file of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from adapters.driving.believed import believed
from adapters.driving.budget_file import BudgetFile
from adapters.driving.fleet_file import FleetDevice, Mqtt
from adapters.driving.port import DevicePort
from adapters.modbus.port import ports as modbus_ports
from adapters.mqtt.port import MqttPort


def reached(
    devices: Iterable[FleetDevice],
    run: str,
    clock_ms: Callable[[], int],
    budget_of: Callable[[str], BudgetFile | None] = lambda _: None,
) -> dict[str, DevicePort]:
    """A port for each device, by id; those on one serial line share it. What cannot be so is not believed."""
    every = tuple(devices)
    made: list[DevicePort] = [MqttPort(one, run, clock_ms) for one in every if isinstance(one.address, Mqtt)]
    made += modbus_ports(every, run, clock_ms, budget_of)
    profiles = {one.id: one.profile for one in every}
    return {port.device: believed(port, profiles[port.device]) for port in made}
