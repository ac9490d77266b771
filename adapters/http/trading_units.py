"""Trading units: their membership, how a market's result for one is shared out, and who got what."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from adapters.allocating import allocate_month, check_members
from adapters.http.instant import in_range, month_of
from adapters.http.intake import Intake, Stored, replayable
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.register import ID_PATTERN, Name, RecordedVersion, Registration
from adapters.http.registered_routes import registered_routes
from adapters.http.settlements import MONTH_PATTERN, MonthName
from adapters.http.view import View
from adapters.queries.unit_statements import UnitLine, unit_statement
from ledger.interval import Interval, Month
from ledger.trading_unit import RegisterTradingUnit, TradingUnit, UnitStream

_ALLOCATE_S: Final = 60.0


class UnitRegistration(Registration, frozen=True, kw_only=True):
    document: TradingUnit


class UnitVersion(RecordedVersion, frozen=True, kw_only=True):
    document: TradingUnit


class AllocationRequest(msgspec.Struct, frozen=True):
    """The month, in the units' zones, and one unit where not all are meant."""

    month: Annotated[str, msgspec.Meta(pattern=MONTH_PATTERN, examples=["2026-08"])]
    unit: Annotated[str, msgspec.Meta(pattern=ID_PATTERN)] | None = None


class AllocatedStatement(msgspec.Struct, frozen=True):
    """`recorded` is false where the latest allocation had the same inputs already."""

    fact: str
    unit: str
    version: int
    sequence: int
    recorded: bool
    statement: str
    currency: str


class AllocatedStatements(msgspec.Struct, frozen=True):
    allocations: tuple[AllocatedStatement, ...]


class SharePart(msgspec.Struct, frozen=True):
    """`weight` of `weights`, exact; both empty where the part is a site's own price x quantity."""

    item: str
    weight: str
    weights: str
    weight_unit: str
    exact: str
    amount: str


class ShareBody(msgspec.Struct, frozen=True):
    site: str
    amount: str
    parts: tuple[SharePart, ...]
    note: str


class UnitLineBody(msgspec.Struct, frozen=True):
    """One statement of the market: `sites` + `kept` + `rounding` = `statement`. The market pays `operator`,
    who has `kept` and `rounding`.

    `current` is false where anything that its shares follow from changed after it was allocated; `changed`
    says what.
    """

    fact: str
    stream: UnitStream
    rule: str
    run: str
    document: str
    interval: Interval
    version: int
    sequence: int
    current: bool
    changed: str
    currency: str
    sites: tuple[ShareBody, ...]
    operator: str
    kept: str
    rounding: str
    statement: str
    inputs_digest: str

    @classmethod
    def of(cls, line: UnitLine) -> UnitLineBody:
        one = line.allocation
        return cls(
            fact=one.fact,
            stream=one.stream,
            rule=one.rule,
            run=one.run,
            document=one.document,
            interval=one.interval,
            version=line.version,
            sequence=line.sequence,
            current=line.current,
            changed=line.changed,
            currency=one.statement.currency,
            sites=tuple(
                ShareBody(
                    site,
                    str(share.amount),
                    tuple(
                        SharePart(t.item, t.weight, t.weights, t.unit, t.exact, str(t.amount))
                        for t in share.terms
                    ),
                    share.note,
                )
                for site, share in one.sites.items()
            ),
            operator=one.operated_by,
            kept=str(one.kept),
            rounding=str(one.operators_rounding),
            statement=str(one.statement),
            inputs_digest=one.inputs_digest,
        )


class UnitStatementAnswer(msgspec.Struct, frozen=True):
    """`waiting` are statements of the market that are not allocated yet."""

    position: int
    unit: str
    unit_code: str
    month: str
    lines: tuple[UnitLineBody, ...]
    waiting: tuple[str, ...]


@post(
    "/trading-units",
    summary="Register a trading unit, or the version with which its membership changes",
    responses=WRITE_PROBLEMS,
    tags=["Markets"],
    sync_to_thread=True,
)
def register_unit(intake: NamedDependency[Intake], data: JSONBody[UnitRegistration]) -> Response[Stored]:
    for member in data.document.members:
        for instant in (member.since, member.until):
            if instant is not None:
                in_range(instant, "document.members")
    command = RegisterTradingUnit(data.period, data.document)
    check_members(intake.service.door, intake.service.database, command)
    return intake.submit(command)


@post(
    "/allocations",
    summary="Share out what markets told about trading units in a month among their sites",
    responses=WRITE_PROBLEMS,
    tags=["Money"],
    sync_to_thread=True,
)
def allocate(
    intake: NamedDependency[Intake], data: JSONBody[AllocationRequest]
) -> Response[AllocatedStatements]:
    month = Month.parse(month_of(data.month))

    def work() -> AllocatedStatements:
        done = allocate_month(
            intake.service.door,
            intake.service.database,
            month,
            actor=intake.actor,
            unit=data.unit,
            timeout=_ALLOCATE_S,
        )
        return AllocatedStatements(
            tuple(
                AllocatedStatement(
                    one.allocation.fact,
                    one.allocation.unit,
                    one.version,
                    one.sequence,
                    one.recorded,
                    str(one.allocation.statement),
                    one.allocation.statement.currency,
                )
                for one in done
            )
        )

    answer, repeated = intake.once(data, AllocatedStatements, work)
    return replayable(answer, repeated=repeated)


@get(
    "/trading-units/{name:str}/statements/{month:str}",
    summary="A unit's month: each site's share, the operator's rounding, and the market's amount they sum to",
    responses=READ_PROBLEMS,
    tags=["Money"],
    sync_to_thread=True,
)
def show_statement(view: NamedDependency[View], name: Name, month: MonthName) -> UnitStatementAnswer:
    with view.reading() as (connection, position):
        found = unit_statement(connection, view.service.book, position, name, Month.parse(month_of(month)))
    lines = tuple(UnitLineBody.of(line) for line in found.lines)
    return UnitStatementAnswer(position, found.unit, found.unit_code, str(found.month), lines, found.waiting)


ROUTES = (
    *registered_routes(
        "/trading-units",
        "trading_unit",
        TradingUnit,
        UnitVersion,
        lists=("list_units", "Trading units by id, each with the version recorded last"),
        shows=("show_unit", "All recorded versions of a trading unit"),
        tag="Markets",
    ),
    register_unit,
    allocate,
    show_statement,
)
