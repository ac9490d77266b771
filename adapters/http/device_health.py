"""How devices are, and the capacity tests that say it."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from adapters.http.intake import Intake, Stored
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.register import Name
from adapters.http.view import View
from adapters.queries.device_health import DeviceHealth, device_health
from dispatch.health.record import RecordCapacityTest, WithdrawCapacityTest
from ledger.interval import Instant


class CapacityTestBody(msgspec.Struct, frozen=True):
    """`usable_wh` came out of the full storage until it was empty, at the AC side."""

    usable_wh: Annotated[int, msgspec.Meta(ge=1, le=10**15)]
    tested_at: Instant
    evidence: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


class WithdrawnTestBody(msgspec.Struct, frozen=True):
    """Which test does not count, and why."""

    tested_at: Instant
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


@get(
    "/devices/{name:str}/health",
    summary="A device's state of health, cycles, efficiency, availability, trends and open alarms",
    responses=READ_PROBLEMS,
    tags=["Devices"],
    sync_to_thread=True,
)
def show_health(view: NamedDependency[View], name: Name) -> DeviceHealth:
    with view.reading() as (connection, position):
        return device_health(connection, position, name)


@post(
    "/devices/{name:str}/capacity-tests",
    summary="Record a capacity test of a device: what it can still hold",
    responses=WRITE_PROBLEMS,
    tags=["Devices"],
    sync_to_thread=True,
)
def record_capacity_test(
    intake: NamedDependency[Intake], name: Name, data: JSONBody[CapacityTestBody]
) -> Response[Stored]:
    command = RecordCapacityTest(
        name, usable_wh=data.usable_wh, tested_at=data.tested_at, by=intake.actor, evidence=data.evidence
    )
    return intake.execute(command)


@post(
    "/devices/{name:str}/capacity-tests/withdrawals",
    summary="Say that a capacity test on record does not count, and why",
    responses=WRITE_PROBLEMS,
    tags=["Devices"],
    sync_to_thread=True,
)
def withdraw_capacity_test(
    intake: NamedDependency[Intake], name: Name, data: JSONBody[WithdrawnTestBody]
) -> Response[Stored]:
    command = WithdrawCapacityTest(name, tested_at=data.tested_at, by=intake.actor, reason=data.reason)
    return intake.execute(command)


ROUTES: Final = (show_health, record_capacity_test, withdraw_capacity_test)
"""The routes."""
