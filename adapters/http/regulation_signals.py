"""A market's regulation signal, handed on to the drivers as it comes: no event, and nothing waits for one."""

from __future__ import annotations

import contextlib
from typing import Final

import msgspec
import nats.errors
from litestar import post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from adapters.driving.asking_drivers import ask_drivers
from adapters.driving.regulating import AgcSignal
from adapters.http.problem import WRITE_PROBLEMS
from adapters.http.service import Service


class SignalHeard(msgspec.Struct, frozen=True):
    """Whether a driver listens, and how many devices follow the signal, of all drivers of a part of its
    portfolio: those whose setpoint has a band. Where none does, or not all that it asks for can be given, why
    (code and text, each driver's)."""

    heard: bool
    devices: int
    why: str = ""


@post(
    "/regulation-signals",
    summary="Follow a market's regulation signal until the next one comes, for 12 s at most",
    status_code=200,
    responses=WRITE_PROBLEMS,
    tags=["Devices"],
    sync_to_thread=True,
)
def signal_regulation(service: NamedDependency[Service], data: JSONBody[AgcSignal]) -> SignalHeard:
    data.check_fresh(service.clock())
    data.check_rule(service.door.state(f"market_rule.{data.rule}"))
    client = service.log.client
    with contextlib.suppress(nats.errors.NoRespondersError):
        followed = client.run(ask_drivers(client, service.book, data))
        return SignalHeard(True, followed.devices, followed.why)
    return SignalHeard(False, 0)


ROUTES: Final = (signal_regulation,)
