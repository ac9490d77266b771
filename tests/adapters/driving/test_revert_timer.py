"""How long one write lasts: never longer than the timer's register holds, nor than the setpoint."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from adapters.driving.device_writes import DeviceWrites, revert_s_max
from adapters.driving.fleet_file import FleetDevice, ModbusTcp
from adapters.modbus.port import ModbusPort
from dispatch.devices.profile import Profile
from dispatch.devices.writing import setpoint_writes
from tests.dispatch.devices.profile_samples import PLAIN, parse

NOW = datetime(2026, 8, 3, 12, tzinfo=UTC)
AFTER = '"after", address = 22, count = 1, type = "uint16"'


def plain(timer: str) -> Profile:
    return parse(PLAIN.replace(AFTER, timer))


def writes(profile: Profile) -> DeviceWrites:
    device = FleetDevice(id="a", profile=profile, address=ModbusTcp(host="127.0.0.1", port=1))
    port = ModbusPort(device, "r1", lambda: 0)
    return DeviceWrites(port, device, lambda: NOW, lambda _: None, 1000)


@pytest.mark.parametrize(
    ("timer", "most"),
    [
        (AFTER, 65_534),
        (f"{AFTER}, not_available = []", 65_535),
        (f"{AFTER}, maximum = 600", 600),
        (f"{AFTER}, maximum = 100_000", 65_534),
        (f"{AFTER}, not_available = [3600]", 3599),
        (f"{AFTER}, scale = -1", 6553),
        (f"{AFTER}, scale = 1", 86_400),
        (AFTER.replace('"uint16"', '"int16"'), 32_767),
    ],
)
def test_a_setpoint_of_a_day_is_written_for_as_long_as_the_timer_counts(timer: str, most: int) -> None:
    profile = plain(timer)
    assert revert_s_max(profile) == most
    for lasts in (timedelta(days=1), timedelta(seconds=59), timedelta(seconds=1)):
        seconds = writes(profile).revert_s(NOW + lasts)
        assert seconds <= max(lasts / timedelta(seconds=1), 10)
        assert setpoint_writes(profile, 0, seconds, {}), "the register holds it"


def test_a_timer_of_tens_of_seconds_ends_before_its_setpoint() -> None:
    tens = writes(plain(f"{AFTER}, scale = 1"))
    assert [tens.revert_s(NOW + timedelta(seconds=left)) for left in (3, 10, 59, 61)] == [10, 10, 50, 60]
