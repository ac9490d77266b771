"""An invoice's number, which its issuer gives once, whatever statement the invoice is of."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec

from ledger.refusal import Refused
from ledger.statement.invoice import Direction
from ledger.statement.life import StatementKey

_DIGITS: Final = 32


class NumberUsed(msgspec.Struct, frozen=True):
    """The statement on which the number is recorded."""

    key: StatementKey


class InvoiceNumberUsed(msgspec.Struct, frozen=True, tag_field="kind", tag="invoice.number_used.v1"):
    key: StatementKey
    direction: Direction
    number: str

    def apply(self, _: object) -> NumberUsed:
        return NumberUsed(self.key)


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

    def decide(self, state: NumberUsed | None, _: Mapping[str, object]) -> tuple[InvoiceNumberUsed]:
        """Raises:
        Refused: `invoice_number` for one that its issuer gave before."""
        check_unused(state, self.direction, self.key, self.number)
        return (InvoiceNumberUsed(self.key, self.direction, self.number),)


def number_aggregate(key: StatementKey, direction: Direction, number: str) -> str:
    """The aggregate of a number of the book's owner (`issued`), or of the party (`received`).

    A number may be written in any script, and what names an aggregate may not: its digest stands for it.
    """
    issuer = direction if direction == "issued" else f"{direction}_{key.party}"
    return f"invoice_number.{issuer}_{hashlib.sha256(number.encode()).hexdigest()[:_DIGITS]}"


def check_unused(state: object, direction: Direction, key: StatementKey, number: str) -> None:
    """Raises:
    Refused: `invoice_number`."""
    if isinstance(state, NumberUsed):
        whose = "us" if direction == "issued" else key.party
        raise Refused(
            "invoice_number",
            f"invoice {number} by {whose} is recorded on {state.key.aggregate} already; of a later invoice"
            " record this statement's part as in_next_invoice",
            place="number",
        )
