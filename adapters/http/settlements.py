"""Settling a month, and the runs that were recorded."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, QueryParameter

from adapters import lives
from adapters.http.instant import month_of
from adapters.http.intake import Intake, replayable
from adapters.http.paging import LIMIT, Cursor, Limit, cursor_of
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.register import ID_PATTERN
from adapters.http.statement_body import SettlementBody
from adapters.http.view import View
from adapters.queries import statements
from adapters.queries.no_contract import FallsToNobody
from adapters.queries.statements import RecordedRun
from adapters.settling import settle_month
from ledger.interval import Month
from ledger.refusal import Refused
from ledger.settlement.cause import Cause, CorrectionClass, classes

_SETTLE_S: Final = 60.0
MONTH_PATTERN: Final = "^(19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])$"

ContractName = Annotated[str, PathParameter(pattern=ID_PATTERN, description="The contract's id")]
MonthName = Annotated[str, PathParameter(pattern=MONTH_PATTERN, description="Such as 2026-08")]
MonthFilter = Annotated[str | None, QueryParameter(pattern=MONTH_PATTERN, description="Such as 2026-08")]
ContractFilter = Annotated[str | None, QueryParameter(pattern=ID_PATTERN)]
RunFilter = Annotated[
    int | None, QueryParameter(ge=1, le=1_000_000, description="This run instead of the latest")
]


class SettlementRequest(msgspec.Struct, frozen=True):
    """The month to settle, for the contracts named or for all that hold in it.

    With `through` provisionally, with the days up to and with that one: nothing is payable on such a run.
    """

    month: Annotated[str, msgspec.Meta(pattern=MONTH_PATTERN, examples=["2026-08"])]
    contracts: Annotated[tuple[str, ...], msgspec.Meta(max_length=1000)] = ()
    through: date | None = None


class SettledRun(msgspec.Struct, frozen=True):
    """`recorded` is false where the latest run had the same inputs already."""

    contract: str
    month: str
    run: int
    sequence: int
    recorded: bool
    run_kind: str
    causes: tuple[Cause, ...]
    """Of a correction that was recorded: what changed since the run before it."""
    classes: tuple[CorrectionClass, ...]
    """Of those: `data_error` (退补), `rule_or_price_change` (清算)."""
    pool: str
    currency: str
    payable: dict[str, str]


class RefusedRun(msgspec.Struct, frozen=True):
    """A contract's month that keeps the run that it has, and why."""

    contract: str
    month: str
    code: str
    detail: str


class NobodysStream(msgspec.Struct, frozen=True):
    """What a market told of a site under no contract: `amount` is null where `reason` says why."""

    site: str
    stream: str
    first_day: str
    last_day: str
    facts: tuple[str, ...]
    amount: str | None
    currency: str | None
    reason: str

    @classmethod
    def of(cls, one: FallsToNobody) -> NobodysStream:
        amount = None if one.amount is None else str(one.amount)
        currency = None if one.amount is None else one.amount.currency
        return cls(one.site, one.stream, one.first_day, one.last_day, one.facts, amount, currency, one.reason)


class NewerBefore(msgspec.Struct, frozen=True):
    """`what` was recorded since the run of that earlier month."""

    contract: str
    month: str
    what: str


class SettledRuns(msgspec.Struct, frozen=True):
    """The runs of the month, and corrections of later months that depend on it.

    `refused` names the contracts that were left as they are, such as for a correction beyond the look-back;
    where every one was, the answer is a problem of the first one's code.
    """

    runs: tuple[SettledRun, ...]
    refused: tuple[RefusedRun, ...] = ()
    nobody: tuple[NobodysStream, ...] = ()
    """Streams of sites under no contract, where all contracts of the month were asked for."""
    settle_first: tuple[NewerBefore, ...] = ()
    """Contracts of which an earlier month has newer inputs than its run."""


class RunPage(msgspec.Struct, frozen=True):
    position: int
    items: tuple[RecordedRun, ...]
    next_cursor: str | None


class SettlementAnswer(msgspec.Struct, frozen=True):
    position: int
    settlement: SettlementBody


@post(
    "/settlements",
    summary="Settle a month as of now",
    responses=WRITE_PROBLEMS,
    tags=["Money"],
    sync_to_thread=True,
)
def settle(intake: NamedDependency[Intake], data: JSONBody[SettlementRequest]) -> Response[SettledRuns]:
    month = Month.parse(month_of(data.month))

    def work() -> SettledRuns:
        done = settle_month(
            intake.service.door,
            intake.service.database,
            month,
            actor=intake.actor,
            contracts=data.contracts,
            through=data.through,
            today=lives.today(intake.service.door, intake.service.clock),
            timeout=_SETTLE_S,
        )
        return SettledRuns(
            tuple(
                SettledRun(
                    one.result.contract,
                    str(one.result.month),
                    one.run,
                    one.sequence,
                    one.recorded,
                    one.kind,
                    one.causes,
                    classes(one.causes),
                    str(one.result.pool),
                    one.result.currency,
                    {party: str(money) for party, money in one.result.payable.items()},
                )
                for one in done.runs
            ),
            tuple(RefusedRun(one.contract, str(one.month), one.code, one.reason) for one in done.refused),
            tuple(NobodysStream.of(one) for one in done.nobody),
            tuple(NewerBefore(one.contract, str(one.month), one.what) for one in done.earlier),
        )

    answer, repeated = intake.once(data, SettledRuns, work)
    return replayable(answer, repeated=repeated)


@get(
    "/settlements",
    summary="Settlement runs by month, contract and number",
    responses=READ_PROBLEMS,
    tags=["Money"],
    sync_to_thread=True,
)
def list_settlements(
    view: NamedDependency[View],
    month: MonthFilter = None,
    contract: ContractFilter = None,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> RunPage:
    with view.page(cursor, tuple[str, str, int], ("", "", 0)) as (connection, position, after):
        found = statements.runs(connection, position, month=month, contract=contract)
        left = [run for run in found if (run.month, run.contract, run.run) > after]
        statements.check_listed(connection, left[:limit])
    last = left[limit - 1] if len(left) > limit else None
    more = None if last is None else cursor_of(position, (last.month, last.contract, last.run))
    return RunPage(position, tuple(left[:limit]), more)


@get(
    "/settlements/{contract:str}/{month:str}",
    summary="A run whole: lines, bills, sources and who is owed what",
    responses=READ_PROBLEMS,
    tags=["Money"],
    sync_to_thread=True,
)
def show_settlement(
    view: NamedDependency[View], contract: ContractName, month: MonthName, run: RunFilter = None
) -> SettlementAnswer:
    with view.reading() as (connection, position):
        found = [
            one
            for one in statements.runs(connection, position, month=month_of(month), contract=contract)
            if run is None or one.run == run
        ]
        statements.check_listed(connection, found[-1:])
        result = statements.result(connection, contract, month, found[-1].run) if found else None
    if result is None:
        raise Refused(
            "unknown_settlement", f"contract {contract} has no such run for {month}", place="contract"
        )
    return SettlementAnswer(position, SettlementBody.of(found[-1], result))


ROUTES = (list_settlements, show_settlement, settle)
