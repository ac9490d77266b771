"""Invoices and payments of a statement: recorded as references, checked against it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import msgspec

from ledger.identity import checked_id
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.statement.asking import meant_otherwise
from ledger.statement.invoice import Invoice
from ledger.statement.invoice_number import (
    InvoiceNumber,
    ReverseInvoice,
    UseInvoiceNumber,
    check_unused,
    number_aggregate,
)
from ledger.statement.issue import ISSUED, at
from ledger.statement.life import Life, Payment, StatementKey
from ledger.statement.named_payment import NamedPayment, PaidPart


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
    """Link an invoice to an issued statement; each direction has its own total, and is never above it.

    A correction of a month that was invoiced takes back by a red-letter invoice of what it `reverses`, or
    in the next invoice.
    """

    invoice: Invoice

    @property
    def reads(self) -> tuple[str, ...]:
        """The number's; of a red-letter one that of the invoice that it reverses, and the statements of
        earlier runs on which that may stand."""
        if self.invoice.reverses is None:
            return self._number
        earlier = (msgspec.structs.replace(self.key, run=run) for run in range(1, self.key.run))
        return (*self._number, self._reversed(self.invoice.reverses), *(key.aggregate for key in earlier))

    @property
    def _number(self) -> tuple[str, ...]:
        """The number's aggregate; a part of a later invoice has that one's number, and takes none."""
        one = self.invoice
        return () if one.in_next_invoice else (number_aggregate(self.key, one.direction, one.number),)

    def _reversed(self, number: str) -> str:
        return number_aggregate(self.key, self.invoice.direction, number)

    @property
    def commands(self) -> tuple[RecordInvoice | UseInvoiceNumber | ReverseInvoice, ...]:
        """What the front door accepts together or not at all: the invoice, the number that it takes, and what
        it takes back of another."""
        one = self.invoice
        taken = () if one.in_next_invoice else (UseInvoiceNumber(self.key, one.direction, one.number),)
        if one.reverses is None:
            return (self, *taken)
        return self, *taken, ReverseInvoice(self.key, one.direction, one.reverses, one.gross)

    def decide(self, state: Life | None, others: Mapping[str, object]) -> tuple[InvoiceRecorded]:
        """Raises:
        Refused: `statement_status`, `currency`, `exists`, `invoice_date` before the statement's issue,
            `invoice_number`, `invoice_total`, `red_letter`."""
        life = at(state, self.key, *ISSUED)
        invoice = self.invoice
        if life.issued_on is not None and invoice.on < life.issued_on:
            text = (
                f"{invoice.on} is before the statement's issue: from {life.issued_on} to the day of recording"
            )
            raise Refused("invoice_date", text, place="on")
        _check_currency(life, invoice.gross)
        same = (one for one in life.invoices if one.direction == invoice.direction)
        if any(one.number == invoice.number for one in same):
            raise Refused("exists", f"invoice {invoice.number} is recorded already", place="number")
        for name in self._number:
            check_unused(others.get(name), invoice.direction, self.key, invoice.number)
        if invoice.reverses is not None and self._reverses(life, others, invoice.reverses):
            return (InvoiceRecorded(invoice),)
        left = life.to_invoice(invoice.direction)
        asked = invoice.on_basis(life.billing.basis)
        if asked.minor * left.minor <= 0 or abs(asked.minor) > abs(left.minor):
            who = "us" if invoice.direction == "issued" else self.key.party
            what = "gross" if life.billing.basis == "tax_inclusive" else "net"
            raise Refused(
                "invoice_total",
                f"{left:,} {left.currency} {what} are still to be invoiced by {who}, not {asked:,}",
                place=what,
            )
        return (InvoiceRecorded(invoice),)

    def _reverses(self, life: Life, others: Mapping[str, object], number: str) -> bool:
        """Whether the reversed invoice is one of this statement; it may be of an earlier run's.

        Raises:
            Refused: `red_letter` for one that is not there, or for more than is left of its total: red
                letters of later runs count too.
        """
        invoice = self.invoice
        lives = [life, *(state for state in others.values() if isinstance(state, Life))]
        recorded = [one for each in lives for one in each.invoices if one.direction == invoice.direction]
        black = [one for one in recorded if one.number == number and one.reverses is None]
        if not black:
            raise Refused(
                "red_letter",
                f"no {invoice.direction} invoice {number} of this month is recorded",
                place="reverses",
            )
        currency = invoice.gross.currency
        counted = others.get(self._reversed(number))
        red = (counted if isinstance(counted, InvoiceNumber) else InvoiceNumber()).taken_back(
            self.key, currency
        )
        left = sum((one.gross for one in black), red)
        if (left + invoice.gross).minor < 0:
            raise Refused(
                "red_letter",
                f"{left:,} {currency} of invoice {number} can be reversed, not {-invoice.gross:,}",
                place="gross",
            )
        return any(one.number == number for one in life.invoices)


class RecordPayment(_Money, frozen=True):
    """Record what was paid on an issued statement; what is paid too much stays visible as overpaid.

    Only together with the `NamePayment` of `named`, which takes its id.
    """

    payment: Payment

    @property
    def named(self) -> NamedPayment:
        """The payment that its id names: all of it on this statement."""
        one = self.payment
        return NamedPayment(
            id=one.id,
            party=self.key.party,
            on=one.on,
            amount=one.amount,
            kind=one.kind,
            parts=(PaidPart(self.key, one.amount),),
            reference=one.reference,
        )

    def decide(self, state: Life | None, _: Mapping[str, object]) -> tuple[PaymentRecorded]:
        """Raises:
        Refused: `statement_status`, `currency`, `exists`, `write_off` for a write-off on this way,
            `netting` for a netting and `credit` for a credit, which concern two statements at once,
            `payment_side` for what goes the wrong way and pays nothing back, `payment_disputed` for what
            pays back what is disputed."""
        if self.payment.kind == "write_off":
            text = (
                "a write-off is no payment: it states a reason and is recorded by itself, at once in a book"
                " of one person, once a second one approves it in a book of two"
            )
            raise Refused("write_off", text, place="kind")
        if self.payment.kind == "netting":
            raise Refused("netting", "a netting is recorded with the party, for both sides", place="kind")
        if self.payment.kind in {"credit_given", "credit_used"}:
            raise Refused("credit", "a credit is moved between two statements at once", place="kind")
        recorded = _recorded(state, self.key, self.payment)
        assert state is not None
        if (
            self.payment.kind == "payment"
            and (state.settled + self.payment.amount).minor * state.due.minor < 0
        ):
            raise Refused("payment_side", self._side(state), place="amount")
        if self.payment.kind == "payment":
            self._check_disputed(state)
        return (recorded,)

    def _check_disputed(self, life: Life) -> None:
        """That money which is paid and disputed is not paid back before the dispute ends.

        Raises:
            Refused: `payment_disputed`.
        """
        held, asked = life.paid_disputed, self.payment.amount
        beyond = life.item.left if life.item.is_advance else Money.zero(asked.currency)
        if held.minor * asked.minor < 0 and abs(asked.minor) > abs(beyond.minor):
            names = ", ".join(one.id for one in life.disputes if one.freezes)
            size, free = (Money(abs(money.minor), money.currency) for money in (held, beyond))
            raise Refused(
                "payment_disputed",
                f"{size:,} {size.currency} of what was paid is disputed ({names}) and waits until that is"
                f" decided; {free:,} was paid beyond the statement and can be paid back",
                place="amount",
            )

    def _side(self, life: Life) -> str:
        """What is allowed in place of a payment that goes the wrong way."""
        currency = life.amount.currency
        meant = meant_otherwise(self.key.party, self.payment.amount, [life.open_amount])
        if life.settled.minor * life.due.minor > 0:
            size, asked = (abs(money.minor) for money in (life.settled, self.payment.amount))
            who = f"{self.key.party} paid" if life.due.minor < 0 else f"was paid to {self.key.party}"
            back = Money(size, currency)
            return f"{meant}{back:,} {currency} that {who} can be paid back, not {Money(asked, currency):,}"
        owed = "above" if life.due.minor > 0 else "below"
        return (
            f"{meant}{life.due:,} is due, so a payment is {owed} zero (to the party above, by it below);"
            " nothing was paid that could be paid back"
        )


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
            raise Refused("write_off", f"{left:,} is open, not {self.amount:,}", place="amount")
        return (recorded,)


def _recorded(state: Life | None, key: StatementKey, payment: Payment) -> PaymentRecorded:
    checked_id(payment.id, "id")
    life = at(state, key, *ISSUED)
    _check_currency(life, payment.amount)
    if any(one.id == payment.id for one in life.payments):
        raise Refused("exists", f"payment {payment.id} is recorded already", place="id")
    return PaymentRecorded(payment)


def _check_currency(life: Life, money: Money) -> None:
    if money.currency != life.amount.currency:
        raise Refused(
            "currency", f"the statement is in {life.amount.currency}, not {money.currency}", place="amount"
        )
