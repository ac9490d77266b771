"""A device's step test under its lease, and on record: begun before anything is written, then its report."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Final

import msgspec

from adapters.commissioning.connection import Bearing, lacking
from adapters.commissioning.other_tests import HOLDER, LEASE_S, has_ended, refuse_beside, refuse_driven
from adapters.commissioning.step_test import Sleep, StepTest, Subject
from adapters.driving.fleet_file import FleetDevice
from adapters.driving.holder_files import HolderFiles
from adapters.driving.port import DevicePort, TellingPort
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
from dispatch.planning.storage_terms import storage_aggregate
from ledger.device import Device
from ledger.effective import History
from ledger.refusal import Refused

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
    bearing: Bearing | None = None,
    holders: HolderFiles | None = None,
    others: Sequence[str] = (),
) -> tuple[CommissioningReport, Receipt]:
    """Test the device and record what was found; `meter` is the id of what `meter_port` reads. `bearing`:
    what its site's connection bears. `holders` are those of this machine's folder: one of them that has ended
    is not waited for. `others` are the site's other devices, none of which may be under test or be driven.

    Raises:
        Refused: `unknown_device`; `lease_held` while another may write to the device, or a driver to another
            of the site, from the begin to the last command; `lease_lost`; `step_test_running`.
    """
    holder = f"{HOLDER}{secrets.token_hex(6)}"
    digest = profile_sha256(device.profile)
    if isinstance(port, TellingPort):
        plan = msgspec.structs.replace(plan, told_ms=1000 * device.profile.every_s("active_power"))
    with nullcontext() if holders is None else holders.living(holder):
        lease = _taken_over(door, device.id, holder, clock, by, holders)
        try:
            refuse_beside(door, others, clock(), holders)
            begin = BeginCommissioning(device.id, by, digest, plan)
            door.execute(begin, command_id=f"{holder}-begin", actor=by)

            async def held() -> None:
                nonlocal lease
                if clock() >= lease.until == midnight_after(day_of_token(lease.token)):
                    # None lasts past midnight UTC: who had it up to then may have it after that, too.
                    lease = _taken(door, device.id, holder, clock(), by)
                if not lease.held(holder, lease.token, clock()):
                    raise Refused("lease_lost", f"the lease of {device.id} is over", place="device")
                refuse_driven(door, others, clock(), holders)

            test = StepTest(
                port,
                Subject(
                    device=device.id,
                    profile=device.profile.id,
                    profile_sha256=digest,
                    address_sha256=address_sha256(device.address),
                    meter=meter,
                    read_by=device.profile,
                    lacks="" if bearing is not None else _lacking(door, device.id, clock()),
                ),
                plan,
                clock_ms=lambda: clock_ms(clock),
                meter=meter_port,
                before_write=held,
                told=told,
                sleep=sleep,
                bearing=bearing,
            )
            beside = () if bearing is None else bearing.ports
            report = asyncio.run(_closing(test, port, meter_port, *beside))
        finally:
            _release(door, device.id, holder, lease.token, by)
    record = RecordCommissioning(report, by)
    return report, door.execute(record, command_id=f"{holder}-record", actor=by)


def _lacking(door: FrontDoor, device: str, now: datetime) -> str:
    """What is missing of the connection's limits and meters at a site where one of them is."""
    held = door.state(f"device.{device}")
    assert isinstance(held, History), "its test has begun"
    registered = (held.at(now) or held.latest).document
    assert isinstance(registered, Device)
    stated = door.state(storage_aggregate(registered.site))
    terms = isinstance(stated, History) and stated.at(now) is not None
    return lacking(registered.site, terms=terms)


def _taken_over(
    door: FrontDoor,
    device: str,
    holder: str,
    clock: Callable[[], datetime],
    by: str,
    holders: HolderFiles | None,
) -> Lease:
    """Taken, from a holder of this folder that has ended, too."""
    try:
        return _taken(door, device, holder, clock(), by)
    except Refused as refused:
        lease = door.state(lease_aggregate(device, clock().astimezone(UTC).date()))
        if refused.code != "lease_held" or not isinstance(lease, Lease):
            raise
        if not has_ended(holders, lease.holder):
            raise _held(refused, device, lease.holder) from None
        return _taken(door, device, holder, clock(), by, lease.holder)


def _held(refused: Refused, device: str, holder: str) -> Refused:
    """With what a person may do: who runs renews its lease, so that the instant never comes."""
    more = (
        "another step test of it runs, or was killed"
        if holder.startswith(HOLDER)
        else f"a driver renews that while it runs: stop it first, or leave {device} out of its fleet file"
    )
    return Refused("lease_held", f"{refused.reason}; {more}", place=refused.place)


def _taken(door: FrontDoor, device: str, holder: str, now: datetime, by: str, after: str = "") -> Lease:
    day = now.astimezone(UTC).date()
    take = TakeLease(device, holder, day, LEASE_S, _WRITE_MS, after)
    door.execute(take, command_id=f"{holder}-take{after and '-over'}-{day}", actor=by)
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
