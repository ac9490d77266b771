"""What is still to be paid on an issued statement, as a bank booking would settle it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import msgspec

from ledger.quantity import Money
from ledger.statement.life import Life, StatementKey


class Receivable(msgspec.Struct, frozen=True):
    """`amount` is what our account is to receive: above zero the party pays us, below zero we pay it."""

    key: StatementKey
    amount: Money
    issued_on: date
    due_on: date
    invoices: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.key.aggregate


def receivables(lives: Iterable[Life]) -> tuple[Receivable, ...]:
    """What is open of every issued statement, by name; one's own statements say what the party receives,
    so the sign turns."""
    found = [
        Receivable(
            life.key,
            -life.open_amount,
            life.issued_on,
            life.due_on,
            tuple(invoice.number for invoice in life.invoices),
        )
        for life in lives
        if life.issued_on is not None and life.due_on is not None and life.open_amount.minor
    ]
    return tuple(sorted(found, key=lambda one: one.name))
