"""The invoice register, and counterparties' accounts: what finance checks before it closes a month."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from adapters.founded import book_at
from adapters.http.instant import month_of
from adapters.http.journal import Currency
from adapters.http.problem import READ_PROBLEMS
from adapters.http.register import ID_PATTERN
from adapters.http.settlements import MonthFilter
from adapters.http.statements import PartyName
from adapters.http.view import EffectiveDay, View
from adapters.posted_days import posted_days
from adapters.queries import lives
from adapters.queries.journal import journal
from adapters.queries.netting import contracts_of
from ledger.accounting.ageing import Ageing, ageing
from ledger.accounting.currencies import account_currencies
from ledger.accounting.invoice_register import (
    Difference,
    DifferenceCode,
    InvoiceStatus,
    RegisterRow,
    differences,
    invoice_register,
)
from ledger.accounting.party_account import party_account
from ledger.accounting.unmatched import Unmatched, unmatched
from ledger.interval import Month
from ledger.refusal import Refused
from ledger.statement.as_posted import as_posted
from ledger.statement.invoice import Direction
from ledger.statement.life import StatementKey

PartyFilter = Annotated[str | None, QueryParameter(pattern=ID_PATTERN)]


class RegisterBody(msgspec.Struct, frozen=True):
    """`amount` is gross where the contract is tax-inclusive, else net; without `number` it is to come, with
    the tax of the statement's lines, or null where they have none."""

    contract: str
    month: str
    party: str
    run: int
    direction: Direction
    status: InvoiceStatus
    currency: str
    amount: str
    number: str | None
    on: date | None
    net: str | None
    tax: str | None
    gross: str | None
    reverses: str | None
    in_next_invoice: bool
    advice: str
    payments: tuple[str, ...]

    @classmethod
    def of(cls, row: RegisterRow) -> RegisterBody:
        key, one = row.key, row.invoice
        return cls(
            key.contract,
            key.month,
            key.party,
            key.run,
            row.direction,
            row.status,
            row.amount.currency,
            str(row.amount),
            None if one is None else one.number,
            None if one is None else one.on,
            None if row.net is None else str(row.net),
            None if row.tax is None else str(row.tax),
            None if row.gross is None else str(row.gross),
            None if one is None else one.reverses,
            one is not None and one.in_next_invoice,
            row.advice,
            row.payments,
        )


class DifferenceBody(msgspec.Struct, frozen=True):
    """`left` is expected less found."""

    contract: str
    month: str
    party: str
    run: int
    code: DifferenceCode
    direction: Direction | None
    expected: str
    found: str
    left: str
    text: str

    @classmethod
    def of(cls, one: Difference) -> DifferenceBody:
        key = one.key
        return cls(
            key.contract,
            key.month,
            key.party,
            key.run,
            one.code,
            one.direction,
            str(one.expected),
            str(one.found),
            str(one.left),
            one.text,
        )


class UnmatchedBody(msgspec.Struct, frozen=True):
    """`open` of `amount` matches nothing; both have the sign of the bank's booking. `item` is the stream, the
    cost, or the party of a handover."""

    kind: str
    item: str
    document: str
    on: date
    currency: str
    amount: str
    open: str

    @classmethod
    def of(cls, one: Unmatched) -> UnmatchedBody:
        amount, left = str(one.amount), str(one.open)
        return cls(one.kind, one.item, one.document, one.on, one.amount.currency, amount, left)


class InvoiceAnswer(msgspec.Struct, frozen=True):
    """`differences` are where statement, invoice and payment are not the same; `unmatched` is money of
    markets and to suppliers, posted by the month's end, that matches nothing: a partner gets none of it."""

    position: int
    invoices: tuple[RegisterBody, ...]
    differences: tuple[DifferenceBody, ...]
    unmatched: tuple[UnmatchedBody, ...]


class AccountRowBody(msgspec.Struct, frozen=True):
    """Above zero the party owes us more. `value_date` is the document's own day, before `posted_on` where
    its month was closed."""

    posted_on: date
    value_date: date
    kind: str
    description: str
    contract: str | None
    month: str | None
    run: int | None
    document: str | None
    amount: str
    balance: str


class AgeingBody(msgspec.Struct, frozen=True):
    """By calendar days after the due day; `on_account` was paid to us beyond the statements. `disputed` is
    not paid; `paid_disputed` is, and no credit before the dispute ends."""

    on: date
    owed_to_us: dict[str, str]
    owed_by_us: dict[str, str]
    on_account: str
    overpaid_by_us: str
    disputed: str
    paid_disputed: str
    interest: str

    @classmethod
    def of(cls, found: Ageing) -> AgeingBody:
        return cls(
            found.on,
            {name: str(money) for name, money in found.owed_to_us.items()},
            {name: str(money) for name, money in found.owed_by_us.items()},
            str(found.on_account),
            str(found.overpaid_by_us),
            str(found.disputed),
            str(found.paid_disputed),
            str(found.interest),
        )


class AccountAnswer(msgspec.Struct, frozen=True):
    """`opening` and `closing` above zero: the party owes us."""

    position: int
    party: str
    currency: str
    opening: str
    rows: tuple[AccountRowBody, ...]
    closing: str
    ageing: AgeingBody


@get(
    "/invoices",
    summary="The invoice register, and where statement, invoice and payment differ",
    responses=READ_PROBLEMS,
    tags=["Accounting"],
    sync_to_thread=True,
)
def list_invoices(
    view: NamedDependency[View], month: MonthFilter = None, party: PartyFilter = None
) -> InvoiceAnswer:
    wanted = None if month is None else month_of(month)
    with view.reading() as (connection, position):
        found = lives.page(connection, position, party=party)
    with view.service.database.reading(view.service.book) as connection:
        owner = book_at(connection, position).owner
        ours = contracts_of(connection, position, owner)
        shown = view.caller.role != "partner"
        entries = journal(connection, position).journal if shown else ()
    end = None if wanted is None else Month.parse(wanted).next().first_day

    def asked(key: StatementKey) -> bool:
        return wanted is None or key.month == wanted

    return InvoiceAnswer(
        position,
        tuple(RegisterBody.of(row) for row in invoice_register(found) if asked(row.key)),
        tuple(DifferenceBody.of(one) for one in differences(found, owner, ours) if asked(one.key)),
        tuple(UnmatchedBody.of(one) for one in unmatched(entries, end) if one.concerns(party)),
    )


@get(
    "/parties/{party:str}/account",
    summary="A counterparty's statement of account: entries, balance, and how old what is open is",
    responses=READ_PROBLEMS,
    tags=["Accounting"],
    sync_to_thread=True,
)
def show_account(
    view: NamedDependency[View],
    party: PartyName,
    month: MonthFilter = None,
    currency: Currency = None,
    effective: EffectiveDay = None,
) -> AccountAnswer:
    """`effective` is a posting day: the entries up to and with it, and what is open at its end, as old as it
    is then."""
    today = view.day(effective)
    span = None if month is None else Month.parse(month_of(month))
    with view.reading() as (connection, position):
        found = lives.page(connection, position, party=party)
        booked = journal(connection, position)
        book = book_at(connection, position)
        owner = book.owner
        ours = contracts_of(connection, position, owner)
    currency = currency or account_currencies(booked.journal, found, party, book.currency)[0]
    first, end = posted_days(span, effective)
    account = party_account(booked.journal, party, currency, first, end)
    if not account.rows and not account.opening.minor and not found:
        raise Refused("unknown_account", f"nothing was stated to {party} or paid", place="party")
    if effective is not None:
        found = list(as_posted(found, today, booked.posting_days))
    rows = tuple(
        AccountRowBody(
            row.posted_on,
            row.value_date,
            row.kind,
            row.description,
            row.reference.contract,
            None if row.reference.month is None else str(row.reference.month),
            row.reference.run,
            row.reference.document,
            str(row.amount),
            str(row.balance),
        )
        for row in account.rows
    )
    return AccountAnswer(
        position,
        party,
        currency,
        str(account.opening),
        rows,
        str(account.closing),
        AgeingBody.of(ageing(found, currency, today, owner, ours)),
    )


ROUTES = (list_invoices, show_account)
