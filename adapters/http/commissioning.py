"""Step tests of devices, and what they prove of a trading unit; they are run where the device is reached:
`wattledger commission`."""

from __future__ import annotations

from typing import Final

import msgspec
from litestar import get
from litestar.di import NamedDependency

from adapters.http.instant import month_of
from adapters.http.problem import READ_PROBLEMS
from adapters.http.register import Name
from adapters.http.settlements import MonthFilter
from adapters.http.view import View
from adapters.queries import device_care
from adapters.queries.device_care import Tested
from adapters.queries.prequalification import Prequalification, prequalification
from ledger.interval import Month
from ledger.refusal import Refused


class CommissioningAnswer(msgspec.Struct, frozen=True):
    """A device's step tests, the oldest first: the last one counts, for its profile at its address alone."""

    position: int
    id: str
    tests: tuple[Tested, ...]


@get(
    "/devices/{name:str}/commissioning",
    summary="A device's step tests: what was commanded, read and measured in each step, and the verdict",
    responses=READ_PROBLEMS,
    tags=["Devices"],
    sync_to_thread=True,
)
def show_commissioning(view: NamedDependency[View], name: Name) -> CommissioningAnswer:
    with view.reading() as (connection, position):
        tests = device_care.step_tests(connection, position, name)
    if not tests:
        raise Refused("unknown_commissioning", f"device {name!r} was never tested", place="name")
    return CommissioningAnswer(position, name, tests)


@get(
    "/trading-units/{name:str}/prequalification",
    summary="What a trading unit's devices were proven to do: capability, ramps, latency, availability",
    responses=READ_PROBLEMS,
    tags=["Devices"],
    sync_to_thread=True,
)
def show_prequalification(
    view: NamedDependency[View], name: Name, month: MonthFilter = None
) -> Prequalification:
    of = None if month is None else Month.parse(month_of(month))
    with view.reading() as (connection, position):
        return prequalification(connection, position, name, of)


ROUTES: Final = (show_commissioning, show_prequalification)
