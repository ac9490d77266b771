"""The book's double entry: the journal and its trial balance, posted from the owner's side."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from adapters.founded import book_at
from adapters.http.instant import month_of
from adapters.http.openapi import TEXT, also_answers
from adapters.http.problem import READ_PROBLEMS
from adapters.http.settlements import MONTH_PATTERN, MonthFilter
from adapters.http.view import View
from adapters.journal_text import JournalFormat, rendered, trial_balance_text
from adapters.posted_days import posted_days
from adapters.queries.journal import journal
from ledger.accounting.currencies import journal_currencies
from ledger.accounting.journal import JournalEntry
from ledger.accounting.plain_name import plain_name
from ledger.accounting.trial_balance import trial_balance
from ledger.interval import Month
from ledger.quantity import MINOR_DIGITS

_ALSO: Final = also_answers({"text/plain": TEXT})

Currency = Annotated[
    str | None,
    QueryParameter(
        pattern=f"^({'|'.join(MINOR_DIGITS)})$",
        description="A currency has a balance of its own. If not stated the book's, or where nothing is in"
        " that the first that there is",
    ),
]

PostedUntil = Annotated[
    date | None,
    QueryParameter(description="A posting day (effective time): only what is posted up to and with it"),
]


class PostingBody(msgspec.Struct, frozen=True):
    """Debit above zero; `lines` are the settlement lines that the amount rests on."""

    account: str
    amount: str
    lines: tuple[int, ...]


class JournalEntryBody(msgspec.Struct, frozen=True):
    """`value_date` is the day of the document or bank booking: before `posted_on` where its own month was
    closed, so that it stands in the first open one."""

    posted_on: date
    value_date: date
    kind: str
    description: str
    contract: str | None
    month: str | None
    run: int | None
    party: str | None
    document: str | None
    currency: str
    postings: tuple[PostingBody, ...]

    @classmethod
    def of(cls, entry: JournalEntry) -> JournalEntryBody:
        reference = entry.reference
        return cls(
            entry.posted_on,
            entry.value_date,
            entry.kind,
            entry.description,
            reference.contract,
            None if reference.month is None else str(reference.month),
            reference.run,
            reference.party,
            reference.document,
            entry.currency,
            tuple(PostingBody(plain_name(one.account), str(one.amount), one.lines) for one in entry.postings),
        )


class JournalAnswer(msgspec.Struct, frozen=True):
    """`without_owner` are contracts that the book's owner has no part in: nothing of them is posted."""

    position: int
    entries: tuple[JournalEntryBody, ...]
    without_owner: tuple[str, ...]


class BalanceRow(msgspec.Struct, frozen=True):
    account: str
    opening: str
    debit: str
    credit: str
    closing: str


class TrialBalanceAnswer(msgspec.Struct, frozen=True):
    """Debits are credits; `closing` is debits less credits."""

    position: int
    currency: str
    first: date
    end: date
    rows: tuple[BalanceRow, ...]
    debit: str
    credit: str


@get(
    "/journal",
    summary="Double entry of a month, or of all: as JSON, text, or for beancount and hledger",
    responses=READ_PROBLEMS,
    operation_class=_ALSO,
    tags=["Accounting"],
    sync_to_thread=True,
)
def show_journal(
    view: NamedDependency[View],
    month: MonthFilter = None,
    effective: PostedUntil = None,
    format: Annotated[JournalFormat | None, QueryParameter(description="Text instead of JSON")] = None,
) -> Response[JournalAnswer]:
    with view.reading() as (connection, position):
        found = journal(connection, position)
    wanted = None if month is None else Month.parse(month_of(month))
    first, end = posted_days(wanted, effective)
    entries = [
        entry
        for entry in found.journal
        if (first is None or first <= entry.posted_on) and (end is None or entry.posted_on < end)
    ]
    if format is not None:
        text = rendered(entries, format, view.service.book)
        return Response(text, media_type="text/plain")  # type: ignore[arg-type]
    shown = tuple(JournalEntryBody.of(entry) for entry in entries)
    return Response(JournalAnswer(position, shown, tuple(sorted(found.without_owner))))


@get(
    "/trial-balance",
    summary="Every account's opening, movement and closing in a month",
    responses=READ_PROBLEMS,
    operation_class=_ALSO,
    tags=["Accounting"],
    sync_to_thread=True,
)
def show_trial_balance(
    view: NamedDependency[View],
    month: Annotated[str, QueryParameter(pattern=MONTH_PATTERN, description="Such as 2026-08")],
    currency: Currency = None,
    effective: PostedUntil = None,
    *,
    text: Annotated[bool, QueryParameter(description="Text instead of JSON")] = False,
) -> Response[TrialBalanceAnswer]:
    with view.reading() as (connection, position):
        found = journal(connection, position)
        own = book_at(connection, position).currency
    currency = currency or journal_currencies(found.journal, own)[0]
    wanted = Month.parse(month_of(month))
    first, end = posted_days(wanted, effective)
    balance = trial_balance(found.journal, currency, first, end)
    if text:
        return Response(trial_balance_text(balance), media_type="text/plain")  # type: ignore[arg-type]
    rows = tuple(
        BalanceRow(
            plain_name(row.account), str(row.opening), str(row.debit), str(row.credit), str(row.closing)
        )
        for row in balance.rows
    )
    return Response(
        TrialBalanceAnswer(
            position,
            currency,
            balance.first,
            balance.end,
            rows,
            str(balance.debit),
            str(balance.credit),
        )
    )


ROUTES = (show_journal, show_trial_balance)
