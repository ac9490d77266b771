"""An invoice's number, which its issuer gives once, and what was taken back of the invoice by red letters."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec

from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.statement.invoice import Direction
from ledger.statement.life import StatementKey

_DIGITS: Final = 32


class Reversal(msgspec.Struct, frozen=True):
    """A red letter on the statement `key`; its `gross` is below zero."""

    key: StatementKey
    gross: Money


class InvoiceNumber(msgspec.Struct, frozen=True):
    """`used_on` is the statement on which the number is recorded, None where only parts of it are."""

    used_on: StatementKey | None = None
    reversals: tuple[Reversal, ...] = ()

    def taken_back(self, key: StatementKey, currency: str) -> Money:
        """What red letters on any run of the statement's month took back, from zero down."""
        own = (
            one.gross
            for one in self.reversals
            if (one.key.contract, one.key.month, one.key.party) == (key.contract, key.month, key.party)
        )
        return sum(own, Money.zero(currency))


class InvoiceNumberUsed(msgspec.Struct, frozen=True, tag_field="kind", tag="invoice.number_used.v1"):
    key: StatementKey
    direction: Direction
    number: str

    def apply(self, state: InvoiceNumber | None) -> InvoiceNumber:
        return msgspec.structs.replace(state or InvoiceNumber(), used_on=self.key)


class InvoiceReversed(msgspec.Struct, frozen=True, tag_field="kind", tag="invoice.reversed.v1"):
    """`number` is that of the invoice taken back, `key` the statement that the red letter is on."""

    key: StatementKey
    direction: Direction
    number: str
    gross: Money

    def apply(self, state: InvoiceNumber | None) -> InvoiceNumber:
        before = state or InvoiceNumber()
        return msgspec.structs.replace(before, reversals=(*before.reversals, Reversal(self.key, self.gross)))


class UseInvoiceNumber(msgspec.Struct, frozen=True):
    """Take a number; only together with the `RecordInvoice` of the same save, so that of two recorders one is
    refused."""

    key: StatementKey
    direction: Direction
    number: str

    @property
    def aggregate(self) -> str:
        return number_aggregate(self.key, self.direction, self.number)

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, state: InvoiceNumber | None, _: Mapping[str, object]) -> tuple[InvoiceNumberUsed]:
        """Raises:
        Refused: `invoice_number` for one that its issuer gave before."""
        check_unused(state, self.direction, self.key, self.number)
        return (InvoiceNumberUsed(self.key, self.direction, self.number),)


class ReverseInvoice(msgspec.Struct, frozen=True):
    """Count a red letter on the invoice that it reverses; only together with the `RecordInvoice` of the same
    save, so that of two red letters on different runs one sees the other."""

    key: StatementKey
    direction: Direction
    number: str
    gross: Money

    @property
    def aggregate(self) -> str:
        return number_aggregate(self.key, self.direction, self.number)

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, _: InvoiceNumber | None, __: Mapping[str, object]) -> tuple[InvoiceReversed]:
        """How much may be taken back is for `RecordInvoice`, which sees the invoice."""
        return (InvoiceReversed(self.key, self.direction, self.number, self.gross),)


def number_aggregate(key: StatementKey, direction: Direction, number: str) -> str:
    """The aggregate of a number of the book's owner (`issued`), or of the party (`received`).

    A number may be written in any script, and what names an aggregate may not: its digest stands for it.
    """
    issuer = direction if direction == "issued" else f"{direction}_{key.party}"
    return f"invoice_number.{issuer}_{hashlib.sha256(number.encode()).hexdigest()[:_DIGITS]}"


def check_unused(state: object, direction: Direction, key: StatementKey, number: str) -> None:
    """Raises:
    Refused: `invoice_number`."""
    if isinstance(state, InvoiceNumber) and state.used_on is not None:
        whose = "us" if direction == "issued" else key.party
        raise Refused(
            "invoice_number",
            f"invoice {number} by {whose} is recorded on {state.used_on.aggregate} already; of a later"
            " invoice record this statement's part as in_next_invoice",
            place="number",
        )
