"""Meter readings: what site gateways send, and what is known of a meter."""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.openapi.spec import Schema
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType
from litestar.params import QueryParameter, RawBody

from adapters.front_door import Wish
from adapters.http.instant import FIRST, LAST, in_range, instant_of
from adapters.http.intake import Intake, Stored, replayable, stored
from adapters.http.openapi import takes
from adapters.http.paging import LIMIT, Cursor, Limit, cursor_of
from adapters.http.prices import From, Until
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.register import ID_PATTERN
from adapters.http.strict_body import check_json
from adapters.http.view import View
from adapters.importing import KnownMeters, blocks_of
from adapters.meters.gateway_json import BATCH_MAX, VALUES_MAX, GatewayJson
from adapters.meters.report import Parsed, Rejected
from adapters.queries import readings_page
from adapters.queries.readings_page import Key, Reading
from ledger.readings import INTERVALS_S, REGISTERS, WH_MAX, Register
from ledger.refusal import Refused

_ORIGIN: Final = "gateway"
"""What stands as the import of readings that came without a file."""

REJECTED_SHOWN: Final = 1000

_ONE: Final = Schema(
    type=OpenAPIType.OBJECT,
    title="GatewayReadings",
    description="Consecutive intervals of one register in whole Wh (varh); null: no value",
    required=["meter", "register", "start", "interval_s", "values"],
    additional_properties=False,
    properties={
        "meter": Schema(type=OpenAPIType.STRING, pattern=ID_PATTERN),
        "register": Schema(type=OpenAPIType.STRING, enum=list(REGISTERS)),
        "start": Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.DATE_TIME),
        "interval_s": Schema(type=OpenAPIType.INTEGER, enum=list(INTERVALS_S)),
        "values": Schema(
            type=OpenAPIType.ARRAY,
            items=Schema(type=[OpenAPIType.INTEGER, OpenAPIType.NULL], minimum=0, maximum=WH_MAX),
            min_items=1,
            max_items=VALUES_MAX,
        ),
        "quality": Schema(
            type=OpenAPIType.STRING,
            pattern="^[AEFSN]+$",
            description="One letter for all values or one for each; N where the value is null",
        ),
    },
)
_BATCH: Final = Schema(
    type=OpenAPIType.OBJECT,
    title="GatewayBatch",
    required=["readings"],
    additional_properties=False,
    properties={"readings": Schema(type=OpenAPIType.ARRAY, items=_ONE, min_items=1, max_items=BATCH_MAX)},
)
_EXAMPLE: Final = {
    "meter": "S1-STORAGE",
    "register": "charge",
    "start": "2026-08-01T00:00:00+08:00",
    "interval_s": 900,
    "values": [1200, 1180, None],
    "quality": "AAN",
}

AcceptValid = Annotated[
    bool,
    QueryParameter(description="Store the readings that hold and list the others, instead of refusing all"),
]


class RejectedReading(msgspec.Struct, frozen=True):
    """A reading that was not stored, where it stands, and why."""

    row: int
    place: str
    code: str
    reason: str


class ReadingsStored(msgspec.Struct, frozen=True):
    """One receipt for each meter and UTC month; `readings` counts the intervals stored."""

    stored: tuple[Stored, ...]
    readings: int
    rejected: tuple[RejectedReading, ...]
    rejected_in_all: int


class ReadingPage(msgspec.Struct, frozen=True):
    position: int
    meter: str
    items: tuple[Reading, ...]
    next_cursor: str | None


@post(
    "/readings",
    summary="Record readings of a site gateway, one run or a batch",
    responses=WRITE_PROBLEMS,
    operation_class=takes(
        {"application/json": Schema(any_of=[_ONE, _BATCH])}, {"application/json": _EXAMPLE}
    ),
    tags=["Measurements"],
    sync_to_thread=True,
)
def record_readings(
    intake: NamedDependency[Intake], body: RawBody, *, accept_valid: AcceptValid = False
) -> Response[ReadingsStored]:
    parsed = _parsed(body, intake)
    if not accept_valid:
        parsed.require_whole()
    if not parsed.runs:
        raise Refused("no_readings", "not one reading holds; see without accept_valid why", place="readings")
    blocks = blocks_of(_ORIGIN, parsed.runs)
    if len({block.aggregate for block in blocks}) < len(blocks):
        raise Refused(
            "batch", "too much of one meter's month at once: send it in several requests", place="readings"
        )
    receipts = intake.execute_all([Wish(block, intake.command_id) for block in blocks])
    answer = ReadingsStored(
        tuple(stored(receipt) for receipt in receipts),
        parsed.readings,
        rejected(parsed.rejected),
        len(parsed.rejected),
    )
    return replayable(answer, repeated=all(receipt.repeated for receipt in receipts))


def _parsed(body: bytes, intake: Intake) -> Parsed:
    check_json(body)
    with contextlib.suppress(msgspec.ValidationError):
        # Where this cannot be read, the reader says what is wrong with it.
        _check_times(msgspec.json.decode(body, type=_Times), "")
    return GatewayJson().read(body, KnownMeters(intake.service.door), intake.service.clock())


class _Times(msgspec.Struct):
    start: datetime | None = None
    readings: tuple[_Times, ...] = ()


def _check_times(body: _Times, path: str) -> None:
    """Before any arithmetic is done with them."""
    if body.start is not None and body.start.tzinfo is not None:
        in_range(body.start, f"{path}start")
    for number, inner in enumerate(body.readings):
        _check_times(inner, f"readings[{number}].")


def rejected(found: tuple[Rejected, ...]) -> tuple[RejectedReading, ...]:
    """The first of them."""
    return tuple(RejectedReading(r.row, r.place, r.code, r.reason) for r in found[:REJECTED_SHOWN])


@get(
    "/readings",
    summary="A meter's readings, interval by interval",
    responses=READ_PROBLEMS,
    tags=["Measurements"],
    sync_to_thread=True,
)
def list_readings(
    view: NamedDependency[View],
    meter: Annotated[str, QueryParameter(pattern=ID_PATTERN, description="The meter's id")],
    register: Annotated[Register | None, QueryParameter()] = None,
    versions: Annotated[
        Literal["current", "all"], QueryParameter(description="What holds, or everything received")
    ] = "current",
    start: From = None,
    end: Until = None,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> ReadingPage:
    with view.page(cursor, Key, ("", FIRST, 0)) as (connection, position, after):  # type: ignore[arg-type]
        found = readings_page.page(
            connection,
            position,
            meter=meter,
            register=register,
            start=FIRST if start is None else instant_of(start, "from"),
            end=LAST if end is None else instant_of(end, "to"),
            every_version=versions == "all",
            after=after,
            limit=limit + 1,
        )
    last = found[limit - 1] if len(found) > limit else None
    more = None if last is None else cursor_of(position, (last.register, last.start, last.sequence))
    return ReadingPage(position, meter, tuple(found[:limit]), more)


ROUTES = (list_readings, record_readings)
