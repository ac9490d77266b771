"""What a trading unit can do, standing or on a delivery day, and what it is committed to then."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter

from adapters.http.instant import in_range
from adapters.http.intake import Intake, Stored
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.register import Name
from adapters.http.view import View
from adapters.queries.unit_day import UnitDayAnswer, unit_day
from ledger.effective import Period
from ledger.interval import Instant
from ledger.refusal import Refused
from trading.commitment import StateDayEnvelope
from trading.envelope import DayEnvelope, StateEnvelope, UnitEnvelope

_DAY: Final = "/trading-units/{name:str}/days/{day:date}"
Day = Annotated[date, PathParameter(description="The delivery day, where the unit is (effective time)")]


class StandingEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """What the unit can do in [effective_from, effective_to); open without an end."""

    effective_from: Instant
    effective_to: Instant | None = None
    envelope: UnitEnvelope

    @property
    def period(self) -> Period:
        """Raises:
        Refused: `instant_range`, `interval`."""
        end = None if self.effective_to is None else in_range(self.effective_to, "effective_to")
        return Period(in_range(self.effective_from, "effective_from"), end)


@get(
    _DAY,
    summary="What a unit can do on a delivery day, and what it is committed to",
    responses=READ_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def show_day(view: NamedDependency[View], name: Name, day: Day) -> UnitDayAnswer:
    with view.reading() as (connection, position):
        return unit_day(connection, position, name, day)


@post(
    "/trading-units/{name:str}/envelope",
    summary="State what a unit can do from an instant on",
    responses=WRITE_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def state_envelope(
    intake: NamedDependency[Intake], name: Name, data: JSONBody[StandingEnvelope]
) -> Response[Stored]:
    _check_unit(intake, name)
    return intake.execute(StateEnvelope(name, data.period, data.envelope))


@post(
    f"{_DAY}/envelope",
    summary="State what a unit can do on one delivery day, in place of its standing envelope",
    responses=WRITE_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def state_day_envelope(
    intake: NamedDependency[Intake], name: Name, day: Day, data: JSONBody[DayEnvelope]
) -> Response[Stored]:
    _check_unit(intake, name)
    return intake.execute(StateDayEnvelope(name, day, data))


def _check_unit(intake: Intake, name: str) -> None:
    if intake.service.door.state(f"trading_unit.{name}") is None:
        raise Refused("unknown_trading_unit", f"no trading unit {name!r} is registered", place="name")


ROUTES: Final = (show_day, state_envelope, state_day_envelope)
