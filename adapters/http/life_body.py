"""What has become of a statement, as clients read it: amounts as decimal text in its currency."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import msgspec

from adapters.http.addressed import Decimal, Id
from ledger.statement.held_back import held_back
from ledger.statement.invoice import Direction
from ledger.statement.life import Dispute, Life, PaymentKind, Standing, Status


class DisputeBody(msgspec.Struct, frozen=True):
    """`frozen` is what it holds back now, above zero to the party, and `follows` how that follows from its
    lines. `upheld_first` is the answer of an earlier decision that a refusal took the place of."""

    id: str
    lines: tuple[int, ...]
    amount: str
    reason: str
    raised_on: date
    answer_until: date
    status: str
    answer: str
    corrected_by_run: int | None
    frozen: str
    follows: str
    upheld_first: str

    @classmethod
    def of(cls, life: Life, one: Dispute) -> DisputeBody:
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
            str(life.frozen_by(one.id)),
            held_back(life, one) if one.freezes else "",
            "" if one.upheld is None else one.upheld.answer,
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


class LifeBody(msgspec.Struct, frozen=True):
    """`amount` is the statement's, `due` with the tax that is due on top; `open_amount` what of it is
    neither settled nor disputed, above zero to the party; `disputed` has the tax on top of its lines,
    invoiced or not, and `paid_disputed` is what of it is settled and no credit before the dispute ends;
    `interest` what has accrued on it by `today`. `to_issue` and `to_receive` are what is
    still to be invoiced, gross where the contract is tax-inclusive, else net; below zero something is to be
    taken back."""

    contract: str
    month: str
    party: str
    run: int
    status: Status
    standing: Standing
    currency: str
    amount: str
    disputed: str
    paid_disputed: str
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
            str(life.disputed),
            str(life.paid_disputed),
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
            tuple(DisputeBody.of(life, one) for one in life.disputes),
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
