"""Samples of a storage with a meter, one a second."""

from __future__ import annotations

from dispatch.devices.quality import Reading
from dispatch.devices.role import Role
from dispatch.telemetry.sample import Sample

T0 = 1_790_000_100_000


def sample(number: int, *, device: str = "B1", run: str = "r1", at_ms: int | None = None) -> Sample:
    at = T0 + 1000 * number if at_ms is None else at_ms
    values: dict[Role, int] = {"active_power": 5000 + number, "soc": 50_000, "meter_export_wh": 10 * number}
    readings = {role: Reading(value, "good", None, value, at) for role, value in values.items()}
    return Sample(device=device, run=run, number=number, at_ms=at, device_ms=at, readings=readings)
