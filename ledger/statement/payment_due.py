"""What a statement asks to be paid, with the tax that is invoiced on top, and when."""

from __future__ import annotations

from datetime import date

import msgspec

from ledger.quantity import Money
from ledger.statement.invoice import Billing
from ledger.statement.life import Life


class PaymentDue(msgspec.Struct, frozen=True, kw_only=True):
    """`amount` is what the statement's run changes: above zero the party receives it.

    `tax` is due on top of it under a tax-exclusive contract: what the book's owner and the party invoice
    each other for the statement, by the contract's rates; None where the amounts hold the tax, or no rate is
    stated. `status` is empty before the review.
    """

    amount: Money
    tax: Money | None = None
    status: str = ""
    issued_on: date | None = None
    due_on: date | None = None

    @property
    def with_tax(self) -> Money:
        return self.amount if self.tax is None else self.amount + self.tax


def payment_due(amount: Money, billing: Billing | None, life: Life | None) -> PaymentDue:
    """By what the statement's life recorded that is billed, else by `billing`."""
    billed = billing if life is None else life.billing
    return PaymentDue(
        amount=amount,
        tax=None if billed is None else _on_top(billed),
        status="" if life is None else life.status,
        issued_on=None if life is None else life.issued_on,
        due_on=None if life is None else life.due_on,
    )


def _on_top(billing: Billing) -> Money | None:
    issued, received = billing.issued.tax, billing.received.tax
    if billing.basis == "tax_inclusive" or issued is None or received is None:
        return None
    return received - issued
