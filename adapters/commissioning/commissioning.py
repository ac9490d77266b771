"""A device's step test under its lease, and on record: begun before anything is written, then its report."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from adapters.commissioning.step_test import Sleep, StepTest, Subject
from adapters.driving.fleet_file import FleetDevice
from adapters.driving.port import DevicePort
from adapters.front_door import FrontDoor, Receipt
from dispatch.commissioning.report import (
    BeginCommissioning,
    CommissioningReport,
    RecordCommissioning,
    address_sha256,
    profile_sha256,
)
from dispatch.commissioning.step_plan import StepPlan
from dispatch.commissioning.step_result import StepResult
from dispatch.control.lease import (
    Lease,
    ReleaseLease,
    TakeLease,
    day_of_token,
    lease_aggregate,
    midnight_after,
)
from ledger.refusal import Refused

LEASE_S: Final = 1800
"""Longer than any test takes; given back as it ends."""
_WRITE_MS: Final = 5_000


def commission(
    door: FrontDoor,
    clock: Callable[[], datetime],
    device: FleetDevice,
    port: DevicePort,
    plan: StepPlan,
    *,
    by: str,
    meter_port: DevicePort | None = None,
    meter: str = "",
    told: Callable[[StepResult], None] = lambda _: None,
    sleep: Sleep = asyncio.sleep,
) -> tuple[CommissioningReport, Receipt]:
    """Test the device and record what was found; `meter` is the id of what `meter_port` reads.

    Raises:
        Refused: `unknown_device`; `lease_held` while another may write to the device; `lease_lost`.
    """
    holder = f"commission-{secrets.token_hex(6)}"
    digest = profile_sha256(device.profile)
    lease = _taken(door, device.id, holder, clock(), by)
    try:
        begin = BeginCommissioning(device.id, by, digest, plan)
        door.execute(begin, command_id=f"{holder}-begin", actor=by)

        async def held() -> None:
            nonlocal lease
            if clock() >= lease.until == midnight_after(day_of_token(lease.token)):
                # None lasts past midnight UTC: who had it up to then may have it after that, too.
                lease = _taken(door, device.id, holder, clock(), by)
            if not lease.held(holder, lease.token, clock()):
                raise Refused("lease_lost", f"the lease of {device.id} is over", place="device")

        test = StepTest(
            port,
            Subject(
                device=device.id,
                profile=device.profile.id,
                profile_sha256=digest,
                address_sha256=address_sha256(device.address),
                meter=meter,
                has_beat="device_heartbeat" in device.profile.roles,
            ),
            plan,
            clock_ms=lambda: clock_ms(clock),
            meter=meter_port,
            before_write=held,
            told=told,
            sleep=sleep,
        )
        report = asyncio.run(_closing(test, port, meter_port))
    finally:
        _release(door, device.id, holder, lease.token, by)
    record = RecordCommissioning(report, by)
    return report, door.execute(record, command_id=f"{holder}-record", actor=by)


def _taken(door: FrontDoor, device: str, holder: str, now: datetime, by: str) -> Lease:
    day = now.astimezone(UTC).date()
    take = TakeLease(device, holder, day, LEASE_S, _WRITE_MS)
    door.execute(take, command_id=f"{holder}-take-{day}", actor=by)
    lease = door.state(lease_aggregate(device, day))
    assert isinstance(lease, Lease), "it was taken"
    return lease


async def _closing(test: StepTest, *ports: DevicePort | None) -> CommissioningReport:
    try:
        return await test.run()
    finally:
        for port in ports:
            if port is not None:
                await port.close()


def clock_ms(clock: Callable[[], datetime]) -> int:
    """The clock as milliseconds since 1970 UTC."""
    at = clock().astimezone(UTC)
    return int(at.timestamp()) * 1000 + at.microsecond // 1000


def _release(door: FrontDoor, device: str, holder: str, token: int, by: str) -> None:
    try:
        door.execute(ReleaseLease(device, holder, token), command_id=f"{holder}-release", actor=by)
    except Refused as refused:
        if refused.code != "lease_lost":
            raise
