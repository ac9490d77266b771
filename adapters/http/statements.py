"""Partners' statements, and where each line of them comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, Self

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from adapters import statement_text
from adapters.documents.statement_parquet import PARQUET, TableName, statement_parquet
from adapters.http.caller import Caller
from adapters.http.instant import month_of
from adapters.http.log import InclusionBody
from adapters.http.openapi import BINARY, TEXT, also_answers
from adapters.http.paging import LIMIT, Cursor, Limit, cursor_of
from adapters.http.problem import READ_PROBLEMS
from adapters.http.register import ID_PATTERN
from adapters.http.settlements import ContractFilter, ContractName, MonthFilter, MonthName, RunFilter
from adapters.http.statement_body import LineBody, StatementBody, ToPayBody
from adapters.http.view import View
from adapters.integrity.published import check_statements
from adapters.queries import statements
from adapters.queries.beside_statements import Beside, beside
from adapters.queries.clause_rows import clause_rows
from adapters.queries.explain import Explanation, explain, explain_amount
from adapters.queries.void_runs import void_reasons
from adapters.transparency.inclusion import Inclusion
from adapters.transparency.published_log import PublishedLog
from ledger.interval import Instant
from ledger.refusal import Refused
from ledger.settlement.amount_tree import AmountName
from ledger.settlement.clause_terms import TermRow
from ledger.settlement.explanation import AmountExplained, Branch
from ledger.settlement.line_delta import Key, key_of
from ledger.settlement.statement import Statement

Format = Literal["json", "csv", "text", "parquet"]
_MEDIA: Final[dict[str, Format]] = {
    "application/json": "json",
    "text/csv": "csv",
    "text/plain": "text",
    PARQUET: "parquet",
}
_TYPES: Final = {"csv": "text/csv", "text": "text/plain", "parquet": PARQUET}
_ALSO: Final = also_answers({"text/csv": TEXT, "text/plain": TEXT, PARQUET: BINARY})

PartyName = Annotated[str, PathParameter(pattern=ID_PATTERN, description="The party's id")]
FormatChoice = Annotated[
    Format | None, QueryParameter(description="Instead of an Accept header; csv is one row a line and total")
]
TableChoice = Annotated[
    TableName,
    QueryParameter(description="Of parquet: one row a line, a line's term, a total, a percentage, or a bill"),
]


class StatementPage(msgspec.Struct, frozen=True):
    position: int
    items: tuple[StatementBody, ...]
    next_cursor: str | None


class StatementAnswer(msgspec.Struct, frozen=True):
    """`proof` is that the run's event is in the signed log; null while no checkpoint covers it yet. `void` is
    why the run was declared void: a later run takes its place, or will; null for one that stands. `to_pay` is
    null of a provisional or void one."""

    position: int
    statement: StatementBody
    proof: InclusionBody | None
    void: str | None = None
    to_pay: ToPayBody | None = None


class EvidenceBody(msgspec.Struct, frozen=True):
    """One event that the line rests on; a partner is shown that it is there, not whose it is."""

    sequence: int
    aggregate: str | None
    version: int | None
    kinds: tuple[str, ...]
    recorded_at: Instant
    actor: str | None
    sha256: str


class LeavesBody(msgspec.Struct, frozen=True):
    """The exact leaves of an amount: with its ratios the tree's leaves sum to `amount`, to the last digit.

    A branch's `sources` are positions in the settlement's list. `leaves_in_all` counts the leaves. What the
    caller may not see is one leaf of kind `withheld`.
    """

    amount: str
    currency: str
    leaves_in_all: int
    tree: Branch

    @classmethod
    def of(cls, found: AmountExplained) -> Self:
        return cls(str(found.amount), found.amount.currency, found.leaves_in_all, found.tree)


class AmountExplanationBody(msgspec.Struct, frozen=True):
    """An amount of a statement's run that is no line of it."""

    position: int
    contract: str
    month: str
    run: int
    name: AmountName
    leaves: LeavesBody


class ExplanationBody(msgspec.Struct, frozen=True):
    """A line, its terms (`basis`), what it rests on, and events: `events_in_all` may exceed those shown."""

    position: int
    contract: str
    month: str
    run: int
    line: LineBody
    sources: tuple[str, ...]
    events: tuple[EvidenceBody, ...]
    events_in_all: int
    leaves: LeavesBody


@get(
    "/statements",
    summary="Statements of the latest runs, by month, contract and party",
    responses=READ_PROBLEMS,
    operation_class=_ALSO,
    tags=["Money"],
    sync_to_thread=True,
)
def list_statements(
    request: Request[Caller, Any, Any],
    view: NamedDependency[View],
    month: MonthFilter = None,
    contract: ContractFilter = None,
    party: Annotated[str | None, QueryParameter(pattern=ID_PATTERN)] = None,
    format: FormatChoice = None,
    table: TableChoice = "lines",
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> Response[StatementPage]:
    with view.page(cursor, tuple[str, str, str], ("", "", "")) as (connection, position, after):
        found = statements.latest(
            connection, position, month=month, contract=contract, party=party, after=after, limit=limit + 1
        )
        void = void_reasons(connection, position, found)
    check_statements(view.service.database, view.service.book, found)
    last = found[limit - 1] if len(found) > limit else None
    more = None if last is None else cursor_of(position, (last.month, last.contract, last.party))
    shown = found[:limit]
    wanted = _chosen(request, format)
    with view.service.database.reading(view.service.book) as whole:
        told = beside(whole, position, shown)
        rows = clause_rows(whole, shown) if wanted == "text" else {}
    items = tuple(StatementBody.of(one, told[key_of(one)].deltas, _to_pay(one, void, told)) for one in shown)
    page = StatementPage(position, items, more)
    return _answer(page, shown, void, told, rows, wanted, table, position, more)


@get(
    "/statements/{contract:str}/{month:str}/{party:str}",
    summary="One party's statement of a contract's month",
    responses=READ_PROBLEMS,
    operation_class=_ALSO,
    tags=["Money"],
    sync_to_thread=True,
)
def show_statement(
    request: Request[Caller, Any, Any],
    view: NamedDependency[View],
    published: NamedDependency[PublishedLog],
    contract: ContractName,
    month: MonthName,
    party: PartyName,
    run: RunFilter = None,
    format: FormatChoice = None,
    table: TableChoice = "lines",
) -> Response[StatementAnswer]:
    position, statement = _one(view, contract, month, party, run)
    proof = (
        published.proof(statement.sequence) if view.at is None else _proof_then(published, statement, view.at)
    )
    shown = None if proof is None else InclusionBody.of(proof)
    with view.reading() as (connection, _):
        void = void_reasons(connection, position, [statement])
    wanted = _chosen(request, format)
    with view.service.database.reading(view.service.book) as whole:
        told = beside(whole, position, [statement])
        rows = clause_rows(whole, [statement]) if wanted == "text" else {}
    body = StatementBody.of(statement, told[key_of(statement)].deltas)
    to_pay = _to_pay(statement, void, told)
    answer = StatementAnswer(position, body, shown, void.get(statement.sequence), to_pay)
    return _answer(answer, [statement], void, told, rows, wanted, table, position, None)


@get(
    "/statements/{contract:str}/{month:str}/{party:str}/lines/{number:int}/explain",
    summary="What a line of a statement is made of, down to the events",
    responses=READ_PROBLEMS,
    tags=["Money"],
    sync_to_thread=True,
)
def explain_line(
    view: NamedDependency[View],
    contract: ContractName,
    month: MonthName,
    party: PartyName,
    number: Annotated[int, PathParameter(ge=1, le=1_000_000, description="The line's number")],
    run: RunFilter = None,
) -> ExplanationBody:
    """The statement is read as the caller, so that a partner reaches its own lines only, and of them what
    the statement shows; the events behind a line are then read with the ledger's own rights."""
    position, statement = _one(view, contract, month, party, run)
    shown = next((line for line in statement.lines if line.number == number), None)
    if shown is None:
        raise Refused("unknown_line", f"this statement has no line {number}", place="number")
    service = view.service
    partner = view.caller.role == "partner"
    with service.database.reading(service.book) as connection:
        found = explain(
            connection,
            contract,
            statement.month,
            number,
            run=statement.run,
            party=party,
            reader=party if partner else None,
            position=position,
        )
    if partner:
        return _explained(msgspec.structs.replace(found, line=shown), position, names=False)
    return _explained(found, position, names=True)


@get(
    "/statements/{contract:str}/{month:str}/{party:str}/amounts/{name:str}/explain",
    summary="What a total of a statement is made of: its exact leaves",
    responses=READ_PROBLEMS,
    tags=["Money"],
    sync_to_thread=True,
)
def explain_total(
    view: NamedDependency[View],
    contract: ContractName,
    month: MonthName,
    party: PartyName,
    name: Annotated[AmountName, PathParameter(description="Which amount")],
    site: Annotated[str, QueryParameter(description="Of a bill: whose")] = "",
    run: RunFilter = None,
) -> AmountExplanationBody:
    """The statement is read as the caller: a partner reaches its own only, and is shown what it holds."""
    position, statement = _one(view, contract, month, party, run)
    service = view.service
    with service.database.reading(service.book) as connection:
        found = explain_amount(
            connection,
            contract,
            statement.month,
            name,
            party=party,
            site=site,
            run=statement.run,
            reader=party if view.caller.role == "partner" else None,
            position=position,
        )
    return AmountExplanationBody(
        position, found.contract, found.month, found.run, found.name, LeavesBody.of(found.leaves)
    )


def _one(view: View, contract: str, month: str, party: str, run: int | None) -> tuple[int, Statement]:
    with view.reading() as (connection, position):
        found = statements.latest(
            connection, position, month=month_of(month), contract=contract, party=party, run=run, limit=1
        )
    if not found:
        raise Refused(
            "unknown_statement", f"no statement of {month} for {party} under {contract}", place="party"
        )
    check_statements(view.service.database, view.service.book, found)
    return position, found[0]


def _proof_then(published: PublishedLog, statement: Statement, position: int) -> Inclusion:
    """That the statement's run is among the first `position` events: without a checkpoint, which may have
    been signed later. The log's consistency proofs lead from that tree to every signed one."""
    return msgspec.structs.replace(published.inclusion(statement.sequence, position), note=None)


def _explained(found: Explanation, position: int, *, names: bool) -> ExplanationBody:
    return ExplanationBody(
        position,
        found.contract,
        found.month,
        found.run,
        LineBody.of(found.line),
        tuple(source if names else _anonymous(source) for source in found.sources),
        tuple(
            EvidenceBody(
                event.sequence,
                event.aggregate if names else None,
                event.version if names else None,
                event.kinds,
                event.recorded_at,
                event.actor if names else None,
                event.sha256,
            )
            for event in found.events
        ),
        found.events_in_all,
        LeavesBody.of(found.leaves),
    )


def _anonymous(source: str) -> str:
    """`readings.S1-LOAD/load: 7-9` without the name: other sites' meters are not a partner's business."""
    aggregate, _, sequences = source.partition(": ")
    return f"{aggregate.partition('.')[0]}: {sequences}"


def _chosen(request: Request[Caller, Any, Any], format: Format | None) -> Format:
    if format is not None:
        return format
    best = request.accept.best_match(list(_MEDIA), default="application/json")
    return _MEDIA[best or "application/json"]


def _answer(
    answer: Any,
    shown: list[Statement],
    void: Mapping[int, str],
    told: Mapping[Key, Beside],
    rows: Mapping[Key, Mapping[int, Sequence[TermRow]]],
    format: Format,
    table: TableName,
    position: int,
    cursor: str | None,
) -> Response[Any]:
    """As JSON; or as text or a table, with position and cursor as headers."""
    if format == "json":
        return Response(answer)
    headers = {"Ledger-Position": str(position), **({} if cursor is None else {"Next-Cursor": cursor})}
    content: str | bytes
    match format:
        case "parquet":
            content = statement_parquet(shown)[table]
        case "csv":
            content = statement_text.csv_text(shown, {key: one.deltas for key, one in told.items()})
        case "text":
            content = "\n\n".join(_text(one, void, told, rows) for one in shown) + "\n"
    return Response(content, media_type=_TYPES[format], headers=headers)


def _to_pay(one: Statement, void: Mapping[int, str], told: Mapping[Key, Beside]) -> ToPayBody | None:
    due = told[key_of(one)].due
    return None if due is None or one.sequence in void else ToPayBody.of(due)


def _text(
    one: Statement,
    void: Mapping[int, str],
    told: Mapping[Key, Beside],
    rows: Mapping[Key, Mapping[int, Sequence[TermRow]]],
) -> str:
    found, why = told[key_of(one)], void.get(one.sequence, "")
    of_lines = rows.get(key_of(one), {})
    return statement_text.text(one, why, due=None if why else found.due, deltas=found.deltas, rows=of_lines)


ROUTES = (list_statements, show_statement, explain_line, explain_total)
