"""Invoices and payments of a statement: recorded as references, checked against it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import msgspec

from ledger.identity import checked_id
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.statement.issue import at
from ledger.statement.life import Invoice, Life, Payment, StatementKey


class InvoiceRecorded(msgspec.Struct, frozen=True, tag_field="kind", tag="invoice.recorded.v1"):
    invoice: Invoice

    def apply(self, state: Life) -> Life:
        return msgspec.structs.replace(state, invoices=(*state.invoices, self.invoice))


class PaymentRecorded(msgspec.Struct, frozen=True, tag_field="kind", tag="payment.recorded.v1"):
    payment: Payment

    def apply(self, state: Life) -> Life:
        return msgspec.structs.replace(state, payments=(*state.payments, self.payment))


class _Money(msgspec.Struct, frozen=True):
    key: StatementKey

    @property
    def aggregate(self) -> str:
        return self.key.aggregate

    @property
    def reads(self) -> tuple[str, ...]:
        return ()


class RecordInvoice(_Money, frozen=True):
    """Link an invoice to an issued statement: the invoices of a statement never exceed its amount.

    A correction of an invoiced month is a statement of its own; its invoice is a red-letter one that
    names what it reverses, or one of the delta.
    """

    invoice: Invoice

    def decide(self, state: Life | None, _: Mapping[str, object]) -> tuple[InvoiceRecorded]:
        """Raises:
        Refused: `statement_status`, `currency`, `exists`, `invoice_total`, `red_letter`."""
        life = at(state, self.key, "issued", "confirmed", "deemed_accepted")
        invoice = self.invoice
        _check_currency(life, invoice.gross)
        if any(one.number == invoice.number for one in life.invoices):
            raise Refused("exists", f"invoice {invoice.number} is recorded already", place="number")
        left = life.amount - life.frozen - life.invoiced
        total = life.amount.minor
        after = left - invoice.gross
        if invoice.reverses is None and (after.minor * (1 if total >= 0 else -1) < 0 or not total):
            raise Refused(
                "invoice_total",
                f"{left} {left.currency} are still to be invoiced, not {invoice.gross}",
                place="gross",
            )
        return (InvoiceRecorded(invoice),)


class RecordPayment(_Money, frozen=True):
    """Record what was paid on an issued statement; what is paid too much stays visible as overpaid."""

    payment: Payment

    def decide(self, state: Life | None, _: Mapping[str, object]) -> tuple[PaymentRecorded]:
        """Raises:
        Refused: `statement_status`, `currency`, `exists`, `write_off` for a write-off on this way."""
        if self.payment.kind == "write_off":
            raise Refused("write_off", "a write-off needs a reason and a second person", place="kind")
        return (_recorded(state, self.key, self.payment),)


class WriteOff(_Money, frozen=True, tag_field="command", tag="statement.write_off"):
    """Give up what is open of a statement, or a part of it."""

    id: str
    on: date
    amount: Money
    reason: str

    def decide(self, state: Life | None, _: Mapping[str, object]) -> tuple[PaymentRecorded]:
        """Raises:
        Refused: `statement_status`, `currency`, `exists`, `reason`, `write_off` above what is open."""
        if not self.reason.strip():
            raise Refused("reason", "say why it is given up", place="reason")
        payment = Payment(id=self.id, on=self.on, amount=self.amount, kind="write_off", reference=self.reason)
        recorded = _recorded(state, self.key, payment)
        assert state is not None
        left = state.open_amount
        same_side = left.minor * self.amount.minor > 0
        if not same_side or abs(self.amount.minor) > abs(left.minor):
            raise Refused("write_off", f"{left} is open, not {self.amount}", place="amount")
        return (recorded,)


def _recorded(state: Life | None, key: StatementKey, payment: Payment) -> PaymentRecorded:
    checked_id(payment.id, "id")
    life = at(state, key, "issued", "confirmed", "deemed_accepted")
    _check_currency(life, payment.amount)
    if any(one.id == payment.id for one in life.payments):
        raise Refused("exists", f"payment {payment.id} is recorded already", place="id")
    return PaymentRecorded(payment)


def _check_currency(life: Life, money: Money) -> None:
    if money.currency != life.amount.currency:
        raise Refused(
            "currency", f"the statement is in {life.amount.currency}, not {money.currency}", place="amount"
        )
