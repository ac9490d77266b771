"""Validating readings, recording register reads, and substituting what is missing or wrong."""

from __future__ import annotations

from collections import defaultdict
from datetime import time
from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, QueryParameter

from adapters import substituting
from adapters.front_door import Wish
from adapters.http.instant import in_range, instant_of, month_of
from adapters.http.intake import Intake, Stored, replayable, stored
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.register import ID_PATTERN, Name
from adapters.http.settlements import MonthName
from adapters.http.view import View
from adapters.method_choice import Choice, choose
from adapters.queries.validation import Validated, validated
from adapters.settling import wait_until
from adapters.substituting import Wanted
from ledger.interval import Instant, Interval, Month
from ledger.metering.method import ErrorMethod, Method, PvHours
from ledger.metering.register_read import READS_MAX, TOTAL_WH_MAX, RecordRegisterReads, RegisterRead
from ledger.metering.substitution import REASON_MAX, Replaces
from ledger.readings import Register
from ledger.refusal import Refused

_WAIT_S = 10.0
_CLOCK = "^([01][0-9]|2[0-3]):[0-5][0-9]$"
Id = Annotated[str, msgspec.Meta(pattern=ID_PATTERN)]
Energy = Annotated[int, msgspec.Meta(ge=0, le=TOTAL_WH_MAX)]


class ValidationAnswer(msgspec.Struct, frozen=True):
    position: int
    validation: Validated


class MethodAnswer(msgspec.Struct, frozen=True):
    position: int
    choice: Choice


class Shown(msgspec.Struct, frozen=True):
    """What a register showed, times the multiplier, in Wh (varh of a reactive register).

    `step_wh` is what the last digit of the display is worth.
    """

    register: Register
    at: Instant
    total_wh: Energy
    step_wh: Annotated[int, msgspec.Meta(ge=1, le=TOTAL_WH_MAX)] = 1


class RegisterReadsRequest(msgspec.Struct, frozen=True):
    meter: Id
    reads: Annotated[tuple[Shown, ...], msgspec.Meta(min_length=1, max_length=READS_MAX)]


class RegisterReadsStored(msgspec.Struct, frozen=True):
    """One receipt for each UTC month."""

    stored: tuple[Stored, ...]


class SubstitutionRequest(msgspec.Struct, frozen=True):
    """[start, end) of one register; `replaces` says what is there now: nothing, estimates, or actual
    values of a meter in error."""

    meter: Id
    register: Register
    start: Instant
    end: Instant
    method: Method
    replaces: Replaces
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=REASON_MAX)]


class SubstitutedPart(msgspec.Struct, frozen=True):
    """The part of one UTC month: its energy, and where it is, or the proposal that waits for approval."""

    month: str
    intervals: int
    wh: int
    quality: str
    aggregate: str
    version: int
    sequence: int
    proposal: str | None


class Substituted(msgspec.Struct, frozen=True):
    """`levelling_wh` is what the registers say of all of it less what was substituted; null without reads."""

    parts: tuple[SubstitutedPart, ...]
    levelling_wh: int | None


@get(
    "/sites/{name:str}/validations/{month:str}",
    summary="What a site's month of readings fails in, and how much of it is estimated",
    responses=READ_PROBLEMS,
    tags=["Measurements"],
    sync_to_thread=True,
)
def show_validation(view: NamedDependency[View], name: Name, month: MonthName) -> ValidationAnswer:
    with view.reading() as (connection, position):
        found = validated(connection, view.service.book, name, Month.parse(month_of(month)), position)
    return ValidationAnswer(position, found)


@post(
    "/register-reads",
    summary="Record what a meter's accumulating registers showed",
    responses=WRITE_PROBLEMS,
    tags=["Measurements"],
    sync_to_thread=True,
)
def record_register_reads(
    intake: NamedDependency[Intake], data: JSONBody[RegisterReadsRequest]
) -> Response[RegisterReadsStored]:
    months: dict[str, list[RegisterRead]] = defaultdict(list)
    for number, shown in enumerate(data.reads):
        at = in_range(shown.at, f"reads[{number}].at")
        months[f"{at:%Y-%m}"].append(RegisterRead(shown.register, at, shown.total_wh, shown.step_wh))
    commands = [RecordRegisterReads(data.meter, month, tuple(reads)) for month, reads in months.items()]
    receipts = intake.execute_all([Wish(command, intake.command_id) for command in commands])
    answer = RegisterReadsStored(tuple(stored(receipt) for receipt in receipts))
    return replayable(answer, repeated=all(receipt.repeated for receipt in receipts))


@post(
    "/substitutions",
    summary="Substitute missing readings, or those of a meter in error",
    responses=WRITE_PROBLEMS,
    tags=["Measurements"],
    sync_to_thread=True,
)
def substitute(intake: NamedDependency[Intake], data: JSONBody[SubstitutionRequest]) -> Response[Substituted]:
    wanted = _wanted(data)

    def work() -> Substituted:
        service = intake.service
        position = service.last_sequence()
        wait_until(service.database, service.book, position, _WAIT_S)
        with service.database.reading(service.book) as connection:
            commands = substituting.prepare(
                connection, service.book, wanted, position, prepared_by=intake.actor, now=service.clock()
            )
        done = substituting.submit(service.door, commands, command_id=intake.command_id, actor=intake.actor)
        parts = tuple(
            SubstitutedPart(
                command.month,
                sum(run.count for run in command.runs),
                sum(int(run.values.sum()) for run in command.runs),
                command.runs[0].quality,
                one.receipt.aggregate,
                one.receipt.version,
                one.receipt.sequence,
                one.proposal,
            )
            for command, one in zip(commands, done, strict=True)
        )
        return Substituted(parts, commands[0].levelling_wh)

    answer, repeated = intake.once(data, Substituted, work)
    return replayable(answer, repeated=repeated)


def _wanted(data: SubstitutionRequest) -> Wanted:
    """The request, once its instants are ones that can be counted with.

    Raises:
        Refused: `instant_range`.
    """
    if isinstance(data.method, ErrorMethod):
        in_range(data.method.since, "method.since")
        in_range(data.method.until, "method.until")
    start, end = in_range(data.start, "start"), in_range(data.end, "end")
    return Wanted(data.meter, data.register, start, end, data.method, data.replaces, data.reason)


@get(
    "/substitution-methods/{meter:str}/{register:str}",
    summary="Which method substitutes a gap, what it gives, and why others cannot",
    responses=READ_PROBLEMS,
    tags=["Measurements"],
    sync_to_thread=True,
)
def show_method(
    view: NamedDependency[View],
    meter: Annotated[str, PathParameter(pattern=ID_PATTERN)],
    register: Annotated[Register, PathParameter()],
    start: Annotated[str, QueryParameter(max_length=64, description="The gap's start, with its offset")],
    end: Annotated[str, QueryParameter(max_length=64, description="Its end, not included")],
    pv_start: Annotated[
        str | None, QueryParameter(pattern=_CLOCK, description="Since when PV generates")
    ] = None,
    pv_end: Annotated[str | None, QueryParameter(pattern=_CLOCK, description="Until when")] = None,
    reference_meter: Annotated[str | None, QueryParameter(pattern=ID_PATTERN)] = None,
    reference_register: Annotated[Register | None, QueryParameter()] = None,
) -> MethodAnswer:
    gap = Interval(instant_of(start, "start"), instant_of(end, "end"))
    if (pv_start is None) != (pv_end is None):
        raise Refused("required", "pv_start and pv_end come together", place="pv_start")
    hours = None
    if pv_start is not None and pv_end is not None:
        hours = PvHours(time.fromisoformat(pv_start), time.fromisoformat(pv_end))
    reference = None if reference_meter is None else (reference_meter, reference_register or register)
    with view.reading() as (connection, position):
        choice = choose(
            connection, view.service.book, (meter, register), gap, position,
            pv_hours=hours, reference=reference,
        )  # fmt: skip
    return MethodAnswer(position, choice)


ROUTES = (show_validation, record_register_reads, substitute, show_method)
