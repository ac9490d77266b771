"""From a settlement run to money that moved: review, approval, issue, disputes, invoices, payments."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import JSONBody, PathParameter, QueryParameter

from adapters import lives
from adapters.front_door import Wish
from adapters.http.caller import Caller
from adapters.http.instant import month_of
from adapters.http.intake import Intake, Stored, replayable, stored
from adapters.http.paging import LIMIT, Cursor, Limit, cursor_of
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.register import ID_PATTERN
from adapters.http.settlements import MONTH_PATTERN, ContractName, MonthFilter, MonthName
from adapters.http.statements import PartyName
from adapters.http.view import View
from adapters.queries import lives as life_rows
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.statement.credit import Credit
from ledger.statement.dispute import CorrectDispute, DecideDispute, Decision, RaiseDispute
from ledger.statement.invoice import Direction, Invoice
from ledger.statement.issue import (
    AcceptBySilence,
    ApproveStatement,
    ConfirmStatement,
    IssueStatement,
    ReviewStatement,
)
from ledger.statement.life import (
    Dispute,
    Life,
    Payment,
    PaymentKind,
    Standing,
    StatementKey,
    Status,
)
from ledger.statement.money import RecordInvoice, RecordPayment, WriteOff

RunNumber = Annotated[int, PathParameter(ge=1, le=1_000_000, description="The settlement run's number")]
DisputeName = Annotated[str, PathParameter(pattern=ID_PATTERN, description="The dispute's id")]
Id = Annotated[str, msgspec.Meta(pattern=ID_PATTERN)]
Decimal = Annotated[str, msgspec.Meta(pattern=r"^-?\d{1,15}(\.\d{1,4})?$", examples=["1234.56"])]
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
_PATH = "/statements/{contract:str}/{month:str}/{party:str}/{run:int}"


class DisputeBody(msgspec.Struct, frozen=True):
    id: str
    lines: tuple[int, ...]
    amount: str
    reason: str
    raised_on: date
    answer_until: date
    status: str
    answer: str
    corrected_by_run: int | None

    @classmethod
    def of(cls, one: Dispute) -> DisputeBody:
        return cls(
            one.id,
            one.lines,
            str(one.amount),
            one.reason,
            one.raised_on,
            one.answer_until,
            one.status,
            one.answer,
            one.corrected_by_run,
        )


class InvoiceBody(msgspec.Struct, frozen=True):
    """net + tax = gross, above zero whether `issued` by us or `received` from the party.

    Below zero it takes back: as a red-letter invoice that names what it `reverses`, or as this statement's
    part of a later invoice (`in_next_invoice`), whose number it has.
    """

    number: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    direction: Direction
    on: date
    net: Decimal
    tax: Decimal
    gross: Decimal
    reverses: str | None = None
    in_next_invoice: bool = False


class PaymentBody(msgspec.Struct, frozen=True):
    """Above zero the party received it."""

    id: Id
    on: date
    amount: Decimal
    kind: PaymentKind
    reference: Annotated[str, msgspec.Meta(max_length=200)] = ""


class WriteOffBody(msgspec.Struct, frozen=True):
    id: Id
    amount: Decimal
    reason: Reason


class CreditBody(msgspec.Struct, frozen=True):
    """`amount`, above zero, of what was paid beyond the statement, for another one of the same party."""

    id: Id
    amount: Decimal
    contract: Id
    month: Annotated[str, msgspec.Meta(pattern=MONTH_PATTERN)]
    run: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class Objection(msgspec.Struct, frozen=True):
    id: Id
    lines: Annotated[tuple[int, ...], msgspec.Meta(min_length=1, max_length=1000)]
    reason: Reason


class Answer(msgspec.Struct, frozen=True):
    decision: Decision
    answer: Reason


class Correction(msgspec.Struct, frozen=True):
    """The later run whose delta ends the dispute."""

    run: Annotated[int, msgspec.Meta(ge=1)]


class LifeBody(msgspec.Struct, frozen=True):
    """`amount` is the statement's, `due` with the tax that invoices put on top; `open_amount` what of it is
    neither settled nor disputed, above zero to the party; `interest` what has accrued on it by `today`.
    `to_issue` and `to_receive` are what is still to be invoiced, gross where the contract is tax-inclusive,
    else net; below zero something is to be taken back."""

    contract: str
    month: str
    party: str
    run: int
    status: Status
    standing: Standing
    currency: str
    amount: str
    disputed: str
    settled: str
    due: str
    to_issue: str
    to_receive: str
    open_amount: str
    interest: str
    days_overdue: int
    issued_on: date | None
    query_until: date | None
    due_on: date | None
    disputes: tuple[DisputeBody, ...]
    invoices: tuple[InvoiceBody, ...]
    payments: tuple[PaymentBody, ...]

    @classmethod
    def of(cls, life: Life, today: date) -> LifeBody:
        key = life.key
        late = 0 if life.due_on is None else max(0, (today - life.due_on).days)
        standing = life.standing(today)
        return cls(
            key.contract,
            key.month,
            key.party,
            key.run,
            life.status,
            standing,
            life.amount.currency,
            str(life.amount),
            str(life.frozen),
            str(life.settled),
            str(life.due),
            str(life.to_invoice("issued")),
            str(life.to_invoice("received")),
            str(life.open_amount),
            str(life.interest(today)),
            late if standing == "overdue" else 0,
            life.issued_on,
            life.query_until,
            life.due_on,
            tuple(DisputeBody.of(one) for one in life.disputes),
            tuple(
                InvoiceBody(
                    one.number,
                    one.direction,
                    one.on,
                    str(one.net),
                    str(one.tax),
                    str(one.gross),
                    one.reverses,
                    one.in_next_invoice,
                )
                for one in life.invoices
            ),
            tuple(
                PaymentBody(one.id, one.on, str(one.amount), one.kind, one.reference) for one in life.payments
            ),
        )


class LifeAnswer(msgspec.Struct, frozen=True):
    position: int
    today: date
    life: LifeBody


class LifePage(msgspec.Struct, frozen=True):
    position: int
    today: date
    items: tuple[LifeBody, ...]
    next_cursor: str | None


class Addressed:
    """The statement that a path names, and who may act on it."""

    def __init__(self, key: StatementKey, intake: Intake, caller: Caller) -> None:
        if caller.party is not None and caller.party != key.party:
            raise Refused("unknown_statement", f"{caller.party} has no such statement", place="party")
        self.key = key
        self.intake = intake
        self.door = intake.service.door
        self.today = lives.today(self.door, intake.service.clock)

    def money(self, text: str, place: str) -> Money:
        """Raises:
        Refused: `unknown_statement`; `amount` for what the currency cannot hold."""
        currency = lives.currency(self.door, self.key)
        try:
            return Money.parse(text, currency)
        except Refused as error:
            raise Refused(error.code, error.reason, place=place) from None

    def invoice(self, body: InvoiceBody) -> Invoice:
        return Invoice(
            number=body.number,
            direction=body.direction,
            on=body.on,
            net=self.money(body.net, "net"),
            tax=self.money(body.tax, "tax"),
            gross=self.money(body.gross, "gross"),
            reverses=body.reverses,
            in_next_invoice=body.in_next_invoice,
        )

    def payment(self, body: PaymentBody) -> Payment:
        amount = self.money(body.amount, "amount")
        return Payment(id=body.id, on=body.on, amount=amount, kind=body.kind, reference=body.reference)


def provide_addressed(
    intake: NamedDependency[Intake],
    caller: NamedDependency[Caller],
    contract: ContractName,
    month: MonthName,
    party: PartyName,
    run: RunNumber,
) -> Addressed:
    return Addressed(StatementKey(contract, month, party, run), intake, caller)


_ADDRESSED: Final = {"at": Provide(provide_addressed, sync_to_thread=True)}


@get(
    "/receivables",
    summary="What each issued statement still asks for, with its age: a statement of account",
    responses=READ_PROBLEMS,
    tags=["Receivables"],
    sync_to_thread=True,
)
def list_receivables(
    view: NamedDependency[View],
    month: MonthFilter = None,
    party: Annotated[str | None, QueryParameter(pattern=ID_PATTERN)] = None,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> LifePage:
    today = lives.today(view.service.door, view.service.clock)
    with view.page(cursor, str, "") as (connection, position, after):
        found = life_rows.page(connection, position, month=month, party=party, after=after, limit=limit + 1)
    more = cursor_of(position, found[limit - 1].key.aggregate) if len(found) > limit else None
    return LifePage(position, today, tuple(LifeBody.of(one, today) for one in found[:limit]), more)


@get(
    f"{_PATH}/life",
    summary="How far a statement has come: issue, disputes, invoices, payments",
    responses=READ_PROBLEMS,
    tags=["Receivables"],
    sync_to_thread=True,
)
def show_life(
    view: NamedDependency[View], contract: ContractName, month: MonthName, party: PartyName, run: RunNumber
) -> LifeAnswer:
    today = lives.today(view.service.door, view.service.clock)
    with view.reading() as (connection, position):
        life = life_rows.one(connection, position, contract=contract, month=month, party=party, run=run)
    if life is None:
        raise Refused("unknown_statement", "no such statement was reviewed yet", place="run")
    return LifeAnswer(position, today, LifeBody.of(life, today))


@post(
    f"{_PATH}/review",
    summary="Say that a run's statement was looked at and can be approved",
    responses=WRITE_PROBLEMS,
    dependencies=_ADDRESSED,
    tags=["Receivables"],
    sync_to_thread=True,
)
def review_statement(at: NamedDependency[Addressed]) -> Response[Stored]:
    return at.intake.execute(ReviewStatement(at.key, at.intake.actor))


@post(
    f"{_PATH}/approve",
    summary="Approve what another person reviewed",
    responses=WRITE_PROBLEMS,
    dependencies=_ADDRESSED,
    tags=["Receivables"],
    sync_to_thread=True,
)
def approve_statement(at: NamedDependency[Addressed]) -> Response[Stored]:
    return at.intake.execute(ApproveStatement(at.key, at.intake.actor))


@post(
    f"{_PATH}/issue",
    summary="Issue an approved statement; the days to query and to pay count from today",
    responses=WRITE_PROBLEMS,
    dependencies=_ADDRESSED,
    tags=["Receivables"],
    sync_to_thread=True,
)
def issue_statement(at: NamedDependency[Addressed]) -> Response[Stored]:
    return at.intake.execute(IssueStatement(at.key, at.today, lives.terms(at.door, at.key)))


@post(
    f"{_PATH}/confirm",
    summary="Accept a statement as its party",
    responses=WRITE_PROBLEMS,
    dependencies=_ADDRESSED,
    tags=["Receivables"],
    sync_to_thread=True,
)
def confirm_statement(at: NamedDependency[Addressed]) -> Response[Stored]:
    return at.intake.execute(ConfirmStatement(at.key, at.intake.actor, at.today))


@post(
    f"{_PATH}/accept-by-silence",
    summary="Record that nobody queried the statement in time",
    responses=WRITE_PROBLEMS,
    dependencies=_ADDRESSED,
    tags=["Receivables"],
    sync_to_thread=True,
)
def accept_by_silence(at: NamedDependency[Addressed]) -> Response[Stored]:
    return at.intake.execute(AcceptBySilence(at.key, at.today))


@post(
    f"{_PATH}/disputes",
    summary="Object to lines of a statement; only they are frozen",
    responses=WRITE_PROBLEMS,
    dependencies=_ADDRESSED,
    tags=["Receivables"],
    sync_to_thread=True,
)
def raise_dispute(at: NamedDependency[Addressed], data: JSONBody[Objection]) -> Response[Stored]:
    return at.intake.execute(
        RaiseDispute(at.key, data.id, data.lines, data.reason, at.intake.actor, at.today)
    )


@post(
    f"{_PATH}/disputes/{{dispute:str}}/decide",
    summary="Uphold or reject a dispute, with the answer that its party reads",
    responses=WRITE_PROBLEMS,
    dependencies=_ADDRESSED,
    tags=["Receivables"],
    sync_to_thread=True,
)
def decide_dispute(
    at: NamedDependency[Addressed], dispute: DisputeName, data: JSONBody[Answer]
) -> Response[Stored]:
    return at.intake.submit(DecideDispute(at.key, dispute, data.decision, data.answer, at.intake.actor))


@post(
    f"{_PATH}/disputes/{{dispute:str}}/correct",
    summary="Name the run whose delta ends an upheld dispute",
    responses=WRITE_PROBLEMS,
    dependencies=_ADDRESSED,
    tags=["Receivables"],
    sync_to_thread=True,
)
def correct_dispute(
    at: NamedDependency[Addressed], dispute: DisputeName, data: JSONBody[Correction]
) -> Response[Stored]:
    return at.intake.execute(CorrectDispute(at.key, dispute, data.run))


@post(
    f"{_PATH}/invoices",
    summary="Record a tax invoice of the statement, ours or the party's",
    responses=WRITE_PROBLEMS,
    dependencies=_ADDRESSED,
    tags=["Receivables"],
    sync_to_thread=True,
)
def record_invoice(at: NamedDependency[Addressed], data: JSONBody[InvoiceBody]) -> Response[Stored]:
    commands = RecordInvoice(at.key, at.invoice(data)).commands
    first, *_ = at.intake.execute_all([Wish(command, at.intake.command_id) for command in commands])
    return replayable(stored(first), repeated=first.repeated)


@post(
    f"{_PATH}/payments",
    summary="Record a payment, a bank charge or late interest",
    responses=WRITE_PROBLEMS,
    dependencies=_ADDRESSED,
    tags=["Receivables"],
    sync_to_thread=True,
)
def record_payment(at: NamedDependency[Addressed], data: JSONBody[PaymentBody]) -> Response[Stored]:
    return at.intake.execute(RecordPayment(at.key, at.payment(data)))


@post(
    f"{_PATH}/write-offs",
    summary="Give up what is open of a statement, or a part of it",
    responses=WRITE_PROBLEMS,
    dependencies=_ADDRESSED,
    tags=["Receivables"],
    sync_to_thread=True,
)
def write_off(at: NamedDependency[Addressed], data: JSONBody[WriteOffBody]) -> Response[Stored]:
    return at.intake.submit(WriteOff(at.key, data.id, at.today, at.money(data.amount, "amount"), data.reason))


@post(
    f"{_PATH}/credits",
    summary="Settle another statement of the party with what was paid beyond this one",
    responses=WRITE_PROBLEMS,
    dependencies=_ADDRESSED,
    tags=["Receivables"],
    sync_to_thread=True,
)
def move_credit(at: NamedDependency[Addressed], data: JSONBody[CreditBody]) -> Response[Stored]:
    to = StatementKey(data.contract, month_of(data.month), at.key.party, data.run)
    amount = at.money(data.amount, "amount")
    moved = Credit(id=data.id, of=at.key, to=to, on=at.today, amount=amount)
    wishes = [Wish(command, at.intake.command_id) for command in moved.commands]
    first, *_ = at.intake.execute_all(wishes)
    return replayable(stored(first), repeated=first.repeated)


ROUTES = (
    list_receivables,
    show_life,
    review_statement,
    approve_statement,
    issue_statement,
    confirm_statement,
    accept_by_silence,
    raise_dispute,
    decide_dispute,
    correct_dispute,
    record_invoice,
    record_payment,
    write_off,
    move_credit,
)
