"""A statement as it stood at the end of a day: what was posted by then, or by its own days, and no more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Final

import msgspec

from ledger.quantity import Money
from ledger.statement.invoice import nothing_billed
from ledger.statement.life import Life

PostingDays = Mapping[tuple[str, str], date]
"""By (statement's aggregate, what happened to it) the day of the journal that it stands on, which is later
than its own day where that day's month was closed."""

ISSUE: Final = "issued"


def invoice_name(direction: str, number: str) -> str:
    return f"invoice {direction} {number}"


def payment_name(payment: str) -> str:
    return f"payment {payment}"


def as_posted(lives: Iterable[Life], day: date, posted: PostingDays) -> tuple[Life, ...]:
    """The statements issued or paid by then, with the invoices, payments and disputes of then.

    What was paid before the issue was paid in advance: such a statement asks for nothing yet.
    What is not in `posted` counts from its own day. Of a dispute only its beginning is dated: one that has
    ended since no longer freezes its lines.
    """
    found = (_then(life, day, posted) for life in lives)
    return tuple(life for life in found if life is not None)


def standing(lives: Iterable[Life], day: date, *, every: bool) -> Iterator[Life]:
    """The statements as they stood at the end of the day by the days that they name themselves: the issue's,
    an invoice's, a payment's value date, the day on which a dispute was raised.

    One that was not issued by then is left out, or for `every` shown as it was before its issue. A review,
    approval, confirmation and a dispute's end have no day of their own: they are what is known of them.
    """
    for life in lives:
        if life.issued_on is None or day < life.issued_on:
            if every:
                yield _before_issue(life, day)
            continue
        then = _then(life, day, {})
        assert then is not None
        yield then


def _before_issue(life: Life, day: date) -> Life:
    """Approved at most, and asking for nothing yet; what was paid by then was paid in advance."""
    payments = tuple(one for one in life.payments if one.on <= day)
    if life.issued_on is None:
        return msgspec.structs.replace(life, payments=payments)
    return msgspec.structs.replace(
        life,
        status="approved",
        issued_on=None,
        query_until=None,
        due_on=None,
        invoices=(),
        disputes=(),
        payments=payments,
    )


def _then(life: Life, day: date, posted: PostingDays) -> Life | None:
    def by_then(what: str, on: date) -> bool:
        return posted.get((life.key.aggregate, what), on) <= day

    if life.issued_on is None:
        return None
    payments = tuple(one for one in life.payments if by_then(payment_name(one.id), one.on))
    if not by_then(ISSUE, life.issued_on):
        nothing = Money.zero(life.amount.currency)
        early = msgspec.structs.replace(
            life,
            amount=nothing,
            lines={},
            billing=nothing_billed(nothing.currency, life.billing.basis),
            invoices=(),
            disputes=(),
            payments=payments,
        )
        return early if payments else None
    invoices = (one for one in life.invoices if by_then(invoice_name(one.direction, one.number), one.on))
    return msgspec.structs.replace(
        life,
        invoices=tuple(invoices),
        payments=payments,
        disputes=tuple(one for one in life.disputes if one.raised_on <= day),
    )
